// SPDX-License-Identifier: Apache-2.0
// Which process a launch has made, for those who asked: --pidfd-socket and --pid-file.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "sys/result.h"

namespace minirun {

class Announcement {
 public:
  // "": not asked for.
  Announcement(std::string pidfd_socket, std::string pid_file)
      : pidfd_socket_(std::move(pidfd_socket)), pid_file_(std::move(pid_file)) {}

  // The first call alone does anything: a process may come to several gates, and a receiver of pidfds takes each for
  // another process. The file holds the number in decimal without a newline, complete when it can be seen: go-runc
  // reads it with a bare Atoi, conmon with atoi. A FIFO, a device or a link that is there already is written through.
  Result<void> make(pid_t pid, int pidfd);
  // The launch has failed, and the number may be reused soon: removes the file, if it is a regular one.
  void withdraw() const;

 private:
  std::string pidfd_socket_;
  std::string pid_file_;
  bool made_ = false;
};

}  // namespace minirun
