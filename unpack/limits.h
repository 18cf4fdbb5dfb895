// SPDX-License-Identifier: Apache-2.0
// What an image may cost. Who made the image chose every number in it, so each of them has a bound.
#pragma once

#include <cstdint>

namespace minirun::unpack {

struct Limits {
  uint64_t size = uint64_t{32} << 30;       // bytes of all layers once they are decompressed, and of all files
  uint64_t entry_size = uint64_t{8} << 30;  // bytes of one file
  uint64_t entries = 2'000'000;             // of all layers
  uint64_t ratio = 200;                     // decompressed bytes for each compressed byte of a layer
  uint64_t layers = 500;
  uint64_t json = uint64_t{4} << 20;  // bytes of an index, a manifest or an image's config
};

// Below this many bytes of a layer its ratio does not matter: a gigabyte of zeros takes a megabyte, an empty file
// nothing.
inline constexpr uint64_t kRatioFrom = uint64_t{64} << 20;

// What is used up so far.
struct Usage {
  uint64_t streamed = 0;  // decompressed bytes of layers
  uint64_t written = 0;   // bytes of files, holes included
  uint64_t entries = 0;
};

}  // namespace minirun::unpack
