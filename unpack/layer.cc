// SPDX-License-Identifier: Apache-2.0
#include "unpack/layer.h"

#include <optional>

#include "runtime/text/json.h"
#include "unpack/decompress.h"
#include "unpack/interrupt.h"
#include "unpack/raw_names.h"
#include "unpack/tar_reader.h"

namespace minirun::unpack {
namespace {

// Counts what comes out of the compressed bytes, and gives the first block again to the code that examined it.
class CompressedStream final : public Stream {
 public:
  explicit CompressedStream(Stream& inner) : inner_(inner) {}

  Result<Compression> look() {
    first_ = TRY(inner_.next());
    return compression_of(*first_);
  }

  Result<std::string_view> next() override {
    std::string_view block;
    if (first_)
      block = *first_;
    else
      block = TRY(inner_.next());
    first_.reset();
    seen_ += block.size();
    return block;
  }

  uint64_t seen() const { return seen_; }

 private:
  Stream& inner_;
  std::optional<std::string_view> first_;
  uint64_t seen_ = 0;
};

// What was decompressed, within its bounds.
class BoundedStream final : public Stream {
 public:
  BoundedStream(Stream& inner, const CompressedStream& compressed, std::string name, const LayerSetting& setting)
      : inner_(inner), compressed_(compressed), name_(std::move(name)), setting_(setting) {}

  Result<std::string_view> next() override {
    TRY(unless_interrupted());
    std::string_view block = TRY(inner_.next());
    seen_ += block.size();
    setting_.usage.streamed += block.size();
    const Limits& limits = setting_.limits;
    if (setting_.usage.streamed > limits.size)
      return fail(ErrorKind::config,
                  "{}: the layers must have at most {} bytes together once they are decompressed (--max-size)", name_,
                  limits.size);
    if (seen_ > kRatioFrom && seen_ / limits.ratio > compressed_.seen())
      return fail(ErrorKind::config,
                  "{}: must have at most {} bytes for each compressed one (--max-ratio): {} bytes of {}", name_,
                  limits.ratio, seen_, compressed_.seen());
    return block;
  }

 private:
  Stream& inner_;
  const CompressedStream& compressed_;
  std::string name_;
  const LayerSetting& setting_;
  uint64_t seen_ = 0;
};

Result<void> read_to_the_end(Stream& stream) {
  while (!TRY(stream.next()).empty()) {
  }
  return {};
}

Result<void> apply_entry(const TarEntry& entry, TarReader& reader, Tree& tree, const LayerSetting& setting) {
  TRY(unless_interrupted());
  if (++setting.usage.entries > setting.limits.entries)
    return fail(ErrorKind::config, "the image must have at most {} files (--max-entries)", setting.limits.entries);
  if (setting.usage.entries % 64 == 0 && setting.on_progress) setting.on_progress();
  EntryPath path = TRY(parse_entry_path(entry.path));
  return tree.apply(path, entry, reader);
}

}  // namespace

Result<void> apply_entries(Stream& stream, const std::string& name, Tree& tree, const LayerSetting& setting) {
  RawNamesStream names(stream);
  TarReader reader(names, name);
  tree.begin_layer();
  while (auto entry = TRY(reader.next())) {
    auto applied = apply_entry(*entry, reader, tree, setting);
    if (applied.ok()) continue;
    if (applied.error().kind == ErrorKind::aborted) return applied.error();
    return wrap(applied.error(), name + ": " + quoted(entry->path, 200));
  }
  TRY(tree.finish());
  return read_to_the_end(stream);
}

Result<void> apply_layer(Source& source, const Blob& blob, const Digest& diff_id, Tree& tree,
                         const LayerSetting& setting) {
  std::string name = "layer " + (blob.digest ? blob.digest->text() : blob.path);
  auto opened = source.open(blob.path);
  if (!opened.ok()) return wrap(opened.error(), name);
  // A layer that is not compressed has one digest: its bytes are hashed once.
  bool same = blob.digest == diff_id;
  std::optional<CheckedStream> whole;
  if (blob.digest && !same) whole.emplace(**opened, name, *blob.digest, blob.size);
  Stream& given = whole ? static_cast<Stream&>(*whole) : **opened;
  CompressedStream compressed(given);
  Compression compression = TRY(compressed.look());
  std::unique_ptr<Stream> decompressed;
  if (compression != Compression::none) decompressed = decompress(compressed, compression, name);
  Stream& plain = decompressed ? *decompressed : static_cast<Stream&>(compressed);
  BoundedStream bounded(plain, compressed, name, setting);
  CheckedStream layer(bounded, same ? name : name + ", decompressed", diff_id, same ? blob.size : std::nullopt);
  TRY(apply_entries(layer, name, tree, setting));
  return read_to_the_end(compressed);  // what may follow the compressed part is of its digest too
}

}  // namespace minirun::unpack
