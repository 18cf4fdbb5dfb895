// SPDX-License-Identifier: Apache-2.0
#include "unpack/image.h"

#include <cerrno>

#include "runtime/text/json.h"
#include "unpack/json_fields.h"

namespace minirun::unpack {
namespace {

// Of a file that may be missing.
Result<std::optional<std::string>> read_optional(Source& source, const std::string& path, const Limits& limits) {
  auto text = read_small(source, path, limits.json);
  if (text.ok()) return std::optional<std::string>(std::move(text).value());
  if (text.error().code == ENOENT) return std::optional<std::string>();
  return text.error();
}

// "sha256:HEX" of "HEX.json" and "blobs/sha256/HEX": docker names its files so.
std::optional<Digest> digest_in_name(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".json")) name.remove_suffix(5);
  auto digest = parse_digest("sha256:" + std::string(name));
  return digest.ok() ? std::optional(*digest) : std::nullopt;
}

std::string listed(const std::vector<std::string>& names) {
  std::string all;
  for (const std::string& name : names) all += (all.empty() ? "" : ", ") + quoted(name);
  return all.empty() ? "none that has a name" : all;
}

}  // namespace

bool names_image(std::string_view wanted, std::string_view name) {
  auto same = [&](std::string_view text) {
    if (!name.ends_with(text)) return false;
    return name.size() == text.size() || name[name.size() - text.size() - 1] == '/';
  };
  return same(wanted) || same(std::string(wanted) + ":latest");
}

Result<std::string> read_blob(Source& source, const Blob& blob, const std::string& what, const Limits& limits) {
  auto stream = source.open(blob.path);
  if (!stream.ok()) return wrap(stream.error(), what);
  if (!blob.digest) return read_small(**stream, what, limits.json);
  CheckedStream checked(**stream, what, *blob.digest, blob.size);
  return read_small(checked, what, limits.json);
}

Result<Image> complete_image(Source& source, const Blob& config, std::vector<Blob> layers, const Choice& choice,
                             const Limits& limits) {
  std::string file = "image config " + config.path;
  std::string text = TRY(read_blob(source, config, file, limits));
  Image image{TRY(parse_image_config(file, text)), std::move(layers)};
  if (image.layers.size() > limits.layers)
    return fail(ErrorKind::config, "{}: must have at most {} layers (--max-layers): found {}", source.name(),
                limits.layers, image.layers.size());
  if (image.config.diff_ids.size() != image.layers.size())
    return fail(ErrorKind::config, "{}: /rootfs/diff_ids: must have {} entries, as the manifest has layers: found {}",
                file, image.layers.size(), image.config.diff_ids.size());
  const Platform& is = image.config.platform;
  Platform wanted = choice.platform.value_or(host_platform());
  bool says = !is.os.empty() && !is.architecture.empty();
  if (says && !choose_platform(wanted, {is}))
    return fail(ErrorKind::config, "{}: the image is for {}, not for {} (--platform {} unpacks it)", source.name(),
                is.text(), wanted.text(), is.text());
  return image;
}

Result<Image> find_in_docker_archive(Source& source, const Choice& choice, const Limits& limits,
                                     std::string_view manifest) {
  const std::string file = "manifest.json";
  auto document = TRY(parse_image_json(file, manifest));
  if (document->root().type() != JsonType::array) return wrong_field(file, document->root(), "an array");
  std::vector<Fields> fitting;
  std::vector<std::string> all_names;
  for (auto value = document->root().first(); value; value = value->next()) {
    Fields image = TRY(Fields::of(file, *value));
    bool fits = choice.name.empty();
    for (const std::string& name : TRY(image.texts("RepoTags"))) {
      all_names.push_back(name);
      fits = fits || names_image(choice.name, name);
    }
    if (fits) fitting.push_back(image);
  }
  if (fitting.size() != 1)
    return fail(ErrorKind::config, "{}: {} (--image NAME[:TAG]): it has {}", source.name(),
                fitting.empty() ? "has no such image" : "has several images, of which one must be named",
                listed(all_names));
  std::string config = TRY(fitting[0].text("Config"));
  if (config.empty()) return fitting[0].missing("Config", "the path of a file");
  std::vector<Blob> layers;
  for (const std::string& path : TRY(fitting[0].texts("Layers"))) layers.push_back({path});
  return complete_image(source, {config, digest_in_name(config)}, std::move(layers), choice, limits);
}

// Docker writes both since version 25. The layout has digests of everything, so it comes first.
Result<Image> find_image(Source& source, const Choice& choice, const Limits& limits) {
  if (auto index = TRY(read_optional(source, "index.json", limits)))
    return find_in_layout(source, choice, limits, *index);
  if (auto manifest = TRY(read_optional(source, "manifest.json", limits)))
    return find_in_docker_archive(source, choice, limits, *manifest);
  return fail(ErrorKind::config,
              "{}: must be an OCI image layout, which has an index.json, or an archive of docker save or podman save, "
              "which has a manifest.json: found neither",
              source.name());
}

}  // namespace minirun::unpack
