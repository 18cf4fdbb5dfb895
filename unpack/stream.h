// SPDX-License-Identifier: Apache-2.0
// Bytes that come in blocks. Each stream lends the next block until it is asked for another one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun::unpack {

class Stream {
 public:
  Stream() = default;
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  virtual ~Stream() = default;

  // The next block, valid until the next call; an empty one at the end.
  virtual Result<std::string_view> next() = 0;
  // Leaves out up to that many bytes and returns how many; 0 where the stream can only be read.
  virtual uint64_t skip(uint64_t /*most*/) { return 0; }
};

// A regular file from an offset to its end, by pread(2): several streams may share an open file.
class FileStream final : public Stream {
 public:
  static Result<uint64_t> size_of(int fd, const std::string& name);

  // fd is borrowed. name: for messages.
  FileStream(int fd, std::string name, uint64_t offset, uint64_t size)
      : fd_(fd), name_(std::move(name)), offset_(offset), size_(size) {}
  FileStream(UniqueFd fd, std::string name, uint64_t size)
      : own_(std::move(fd)), fd_(own_.get()), name_(std::move(name)), size_(size) {}

  Result<std::string_view> next() override;
  uint64_t skip(uint64_t most) override;

 private:
  UniqueFd own_;
  int fd_;
  std::string name_;
  uint64_t offset_ = 0;
  uint64_t size_;  // of the file
  std::string buffer_;
};

}  // namespace minirun::unpack
