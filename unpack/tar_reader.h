// SPDX-License-Identifier: Apache-2.0
// tar archives as entries: layers, and the archives of `docker save` and `podman save`. Formats: ustar, pax, GNU.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.h"
#include "unpack/stream.h"

namespace minirun::unpack {

enum class EntryType : uint8_t { regular, directory, symlink, hard_link, character, block, fifo, other };

struct TarEntry {
  EntryType type = EntryType::other;
  std::string path;  // as it stands in the archive
  std::string link;  // of symlink and hard_link
  uint32_t mode = 0;
  uint32_t uid = 0, gid = 0;
  int64_t mtime = 0;  // seconds
  long mtime_ns = 0;
  uint64_t size = 0;  // of a regular file, holes included
  uint32_t device_major = 0, device_minor = 0;
  std::vector<std::pair<std::string, std::string>> xattrs;
};

// A part of a file's content. What lies between two parts is a hole.
struct TarBlock {
  std::string_view data;  // empty at the end of the content
  uint64_t offset = 0;
};

class TarReader {
 public:
  // stream is borrowed. name: for messages. Nothing is read yet.
  TarReader(Stream& stream, std::string name);
  ~TarReader();
  TarReader(TarReader&&) noexcept;

  // nullopt at the end of the archive; what follows it stays in the stream.
  Result<std::optional<TarEntry>> next();
  // Of the entry that next() has returned last.
  Result<TarBlock> next_block();
  // Where the header of that entry begins, counted from where the stream stood first.
  uint64_t header_position() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace minirun::unpack
