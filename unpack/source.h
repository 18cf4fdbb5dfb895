// SPDX-License-Identifier: Apache-2.0
// Where an image lies: a directory, or a tar archive of one that is read in place. Files are found by their names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "sys/result.h"
#include "unpack/stream.h"

namespace minirun::unpack {

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  // The directory or the archive, as the user named it.
  virtual const std::string& name() const = 0;
  // A regular file, by its path inside. ENOENT: not there.
  virtual Result<std::unique_ptr<Stream>> open(const std::string& path) = 0;
};

// An archive must be a regular file and not compressed.
Result<std::unique_ptr<Source>> open_source(const std::string& path);

// All of a small file.
Result<std::string> read_small(Source& source, const std::string& path, uint64_t most_bytes);
// All of a stream. name: for messages.
Result<std::string> read_small(Stream& stream, const std::string& name, uint64_t most_bytes);

}  // namespace minirun::unpack
