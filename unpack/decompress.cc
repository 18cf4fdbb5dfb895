// SPDX-License-Identifier: Apache-2.0
#include "unpack/decompress.h"

#include <archive.h>
#include <archive_entry.h>

#include "unpack/archive_input.h"

namespace minirun::unpack {
namespace {

using namespace std::literals;

// libarchive's format "raw" is the one file that is left once the filter is undone.
class Decompressor final : public Stream {
 public:
  Decompressor(Stream& stream, Compression compression, const std::string& name) : input_{stream, name} {
    // Named, not found out: found out, a filter may follow a filter, 25 times.
    (void)archive_read_append_filter(input_.handle.get(),
                                     compression == Compression::gzip ? ARCHIVE_FILTER_GZIP : ARCHIVE_FILTER_ZSTD);
    (void)archive_read_support_format_raw(input_.handle.get());
  }

  Result<std::string_view> next() override {
    if (!input_.opened) {
      TRY(input_.open());
      struct archive_entry* entry = nullptr;
      if (archive_read_next_header(input_.handle.get(), &entry) != ARCHIVE_OK) return input_.failure();
    }
    const void* data = nullptr;
    size_t size = 0;
    la_int64_t offset = 0;
    while (!ended_ && size == 0) {
      int result = archive_read_data_block(input_.handle.get(), &data, &size, &offset);
      if (result == ARCHIVE_EOF)
        ended_ = true;
      else if (result != ARCHIVE_OK)
        return input_.failure();
    }
    return ended_ ? std::string_view() : std::string_view(static_cast<const char*>(data), size);
  }

 private:
  ArchiveInput input_;
  bool ended_ = false;
};

}  // namespace

Compression compression_of(std::string_view first_bytes) {
  if (first_bytes.starts_with("\x1f\x8b"sv)) return Compression::gzip;
  if (first_bytes.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::zstd;
  return Compression::none;
}

std::unique_ptr<Stream> decompress(Stream& stream, Compression compression, const std::string& name) {
  return std::make_unique<Decompressor>(stream, compression, name);
}

}  // namespace minirun::unpack
