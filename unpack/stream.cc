// SPDX-License-Identifier: Apache-2.0
#include "unpack/stream.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace minirun::unpack {

Result<uint64_t> FileStream::size_of(int fd, const std::string& name) {
  struct stat facts {};
  if (fstat(fd, &facts) < 0) return fail(errno, "stat {}", name);
  if (!S_ISREG(facts.st_mode)) return fail(ErrorKind::config, "{}: must be a regular file", name);
  return static_cast<uint64_t>(facts.st_size);
}

Result<std::string_view> FileStream::next() {
  constexpr size_t kBlock = 256 * 1024;
  if (offset_ >= size_) return std::string_view();
  if (buffer_.empty()) buffer_.resize(static_cast<size_t>(std::min<uint64_t>(kBlock, size_ - offset_)));
  size_t wanted = static_cast<size_t>(std::min<uint64_t>(buffer_.size(), size_ - offset_));
  ssize_t n;
  do n = pread(fd_, buffer_.data(), wanted, static_cast<off_t>(offset_));
  while (n < 0 && errno == EINTR);
  if (n < 0) return fail(errno, "read {}", name_);
  offset_ = n == 0 ? size_ : offset_ + static_cast<uint64_t>(n);  // 0: cut meanwhile
  return std::string_view(buffer_).substr(0, static_cast<size_t>(n));
}

uint64_t FileStream::skip(uint64_t most) {
  uint64_t skipped = std::min(most, size_ - std::min(offset_, size_));
  offset_ += skipped;
  return skipped;
}

}  // namespace minirun::unpack
