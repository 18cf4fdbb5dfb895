// SPDX-License-Identifier: Apache-2.0
// Compressed layers: gzip and zstd, the two of the image-spec (layer.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sys/result.h"
#include "unpack/stream.h"

namespace minirun::unpack {

enum class Compression : uint8_t { none, gzip, zstd };

// By its first bytes. Media types say the same, but the archives of `docker save` have none, and tools confuse them.
Compression compression_of(std::string_view first_bytes);

// One layer of compression: what is compressed twice stays compressed once. compression is not none; stream is
// borrowed.
std::unique_ptr<Stream> decompress(Stream& stream, Compression compression, const std::string& name);

}  // namespace minirun::unpack
