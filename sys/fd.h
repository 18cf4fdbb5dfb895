// SPDX-License-Identifier: Apache-2.0
// UniqueFd: an owned file descriptor. Every descriptor is owned from the line it is born on and opened O_CLOEXEC;
// a plain `int fd` parameter is borrowed.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace minirun {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  // A copy of a borrowed descriptor (fcntl(2), F_DUPFD_CLOEXEC) with the lowest free number from `lowest` on: by
  // default never a standard stream's, which the caller may have left closed. Invalid: errno says why (EBADF, EMFILE).
  static UniqueFd duplicate(int fd, int lowest = 3) { return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, lowest)); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    // close(2) frees the descriptor whatever it returns on Linux; nothing useful can be done about its errors here.
    if (fd_ >= 0) (void)close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace minirun
