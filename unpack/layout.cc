// SPDX-License-Identifier: Apache-2.0
// OCI image layouts (image-spec, image-layout.md, image-index.md, manifest.md).
#include <algorithm>

#include "runtime/text/json.h"
#include "unpack/image.h"
#include "unpack/json_fields.h"

namespace minirun::unpack {
namespace {

constexpr std::string_view kIndexTypes[] = {"application/vnd.oci.image.index.v1+json",
                                            "application/vnd.docker.distribution.manifest.list.v2+json"};
constexpr std::string_view kManifestTypes[] = {"application/vnd.oci.image.manifest.v1+json",
                                               "application/vnd.docker.distribution.manifest.v2+json"};
constexpr std::string_view kLayerTypes[] = {
    "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar", "application/vnd.docker.image.rootfs.foreign.diff.tar"};

template <class List>
bool is_one_of(const List& list, std::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

// A descriptor of an image: of a manifest, or of an index with more of them.
struct Descriptor {
  Blob blob;
  std::string media_type;
  std::optional<Platform> platform;
  std::vector<std::string> names;
};

Result<Blob> parse_blob(const Fields& fields) {
  auto given = fields.find("digest");
  if (!given || given->type() != JsonType::string) return fields.missing("digest", "a digest");
  auto digest = parse_digest(given->text());
  if (!digest.ok()) return wrap(digest.error(), fields.file() + ": " + given->pointer());
  auto size = fields.find("size");
  if (!size || !size->uint64()) return fields.missing("size", "the number of bytes");
  return Blob{"blobs/" + blob_path(*digest), *digest, size->uint64()};
}

Result<Descriptor> parse_descriptor(const Fields& fields) {
  Descriptor made{TRY(parse_blob(fields)), TRY(fields.text("mediaType")), {}, {}};
  if (auto platform = TRY(fields.object("platform")))
    made.platform =
        Platform{TRY(platform->text("os")), TRY(platform->text("architecture")), TRY(platform->text("variant"))};
  if (auto annotations = TRY(fields.object("annotations")))
    for (std::string_view key : {"org.opencontainers.image.ref.name", "io.containerd.image.name"})
      if (std::string name = TRY(annotations->text(key)); !name.empty()) made.names.push_back(name);
  return made;
}

Result<std::vector<Descriptor>> parse_index(const std::string& file, std::string_view text) {
  auto document = TRY(parse_image_json(file, text));
  Fields top = TRY(Fields::of(file, document->root()));
  std::vector<Descriptor> all;
  for (const JsonValue& value : TRY(top.values("manifests"))) {
    Fields fields = TRY(Fields::of(file, value));
    Descriptor descriptor = TRY(parse_descriptor(fields));
    // What is neither is no image: image-index.md wants it passed over.
    if (is_one_of(kIndexTypes, descriptor.media_type) || is_one_of(kManifestTypes, descriptor.media_type))
      all.push_back(std::move(descriptor));
  }
  return all;
}

std::string names_of(const std::vector<Descriptor>& all) {
  std::string text;
  for (const Descriptor& descriptor : all)
    for (const std::string& name : descriptor.names) text += (text.empty() ? "" : ", ") + quoted(name);
  return text.empty() ? "none that has a name" : text;
}

std::string platforms_of(const std::vector<Descriptor>& all) {
  std::string text;
  for (const Descriptor& descriptor : all)
    if (descriptor.platform) text += (text.empty() ? "" : ", ") + quoted(descriptor.platform->text());
  return text;
}

Result<Image> read_manifest(Source& source, const Descriptor& descriptor, const Choice& choice, const Limits& limits) {
  std::string file = "manifest " + descriptor.blob.digest->text();
  std::string text = TRY(read_blob(source, descriptor.blob, file, limits));
  auto document = TRY(parse_image_json(file, text));
  Fields top = TRY(Fields::of(file, document->root()));
  auto config = TRY(top.object("config"));
  if (!config) return top.missing("config", "a descriptor");
  std::vector<Blob> layers;
  for (const JsonValue& value : TRY(top.values("layers"))) {
    Fields layer = TRY(Fields::of(file, value));
    std::string type = TRY(layer.text("mediaType"));
    std::string_view base = type;
    for (std::string_view suffix : {"+gzip", "+zstd", ".gzip"})
      if (base.ends_with(suffix)) base.remove_suffix(suffix.size());
    if (!is_one_of(kLayerTypes, base))
      return fail(ErrorKind::config, "{}: {}/mediaType: must be a layer's, tar with or without gzip or zstd: found {}",
                  file, value.pointer(), quoted(type));
    layers.push_back(TRY(parse_blob(layer)));
  }
  return complete_image(source, TRY(parse_blob(*config)), std::move(layers), choice, limits);
}

// The one for the platform. Those that do not name theirs come last, and only if no other exists.
Result<Descriptor> choose(const Source& source, const std::vector<Descriptor>& all, const Choice& choice) {
  Platform wanted = choice.platform.value_or(host_platform());
  std::vector<Platform> offered;
  for (const Descriptor& descriptor : all) offered.push_back(descriptor.platform.value_or(Platform{}));
  if (auto best = choose_platform(wanted, offered)) return all[*best];
  std::vector<Descriptor> silent;
  std::copy_if(all.begin(), all.end(), std::back_inserter(silent), [](const auto& one) { return !one.platform; });
  if (silent.size() == 1) return silent[0];
  if (silent.empty())
    return fail(ErrorKind::config, "{}: has no image for {} (--platform): it has {}", source.name(), wanted.text(),
                all.empty() ? "no images" : platforms_of(all));
  return fail(ErrorKind::config, "{}: has several images, of which one must be named (--image NAME[:TAG]): it has {}",
              source.name(), names_of(all));
}

// Several of different names are several images; several of one name are one for several platforms.
bool differ_in_name(const std::vector<Descriptor>& all) {
  return std::any_of(all.begin(), all.end(), [&](const Descriptor& one) { return one.names != all[0].names; });
}

}  // namespace

Result<Image> find_in_layout(Source& source, const Choice& choice, const Limits& limits, std::string_view index) {
  constexpr int kMostLevels = 4;
  std::vector<Descriptor> all = TRY(parse_index("index.json", index));
  std::vector<Descriptor> fitting = all;
  if (!choice.name.empty())
    std::erase_if(fitting, [&](const Descriptor& one) {
      return std::none_of(one.names.begin(), one.names.end(),
                          [&](const std::string& name) { return names_image(choice.name, name); });
    });
  if (fitting.empty())
    return fail(ErrorKind::config, "{}: has no {}: it has {}", source.name(),
                choice.name.empty() ? "image" : fmt::format("image {} (--image)", quoted(choice.name)), names_of(all));
  if (differ_in_name(fitting))
    return fail(ErrorKind::config, "{}: has several images, of which one must be named (--image NAME[:TAG]): it has {}",
                source.name(), names_of(fitting));
  for (int level = 0; level < kMostLevels; level++) {
    Descriptor descriptor = TRY(choose(source, fitting, choice));
    if (is_one_of(kManifestTypes, descriptor.media_type)) return read_manifest(source, descriptor, choice, limits);
    std::string file = "index " + descriptor.blob.digest->text();
    std::string text = TRY(read_blob(source, descriptor.blob, file, limits));
    fitting = TRY(parse_index(file, text));
  }
  return fail(ErrorKind::config, "{}: must have at most {} indexes in each other", source.name(), kMostLevels);
}

}  // namespace minirun::unpack
