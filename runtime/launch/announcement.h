// SPDX-License-Identifier: Apache-2.0
// Announces the process that a launch has made: --pidfd-socket and --pid-file.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "sys/result.h"

namespace minirun {

class Announcement {
 public:
  // "": not requested.
  Announcement(std::string pidfd_socket, std::string pid_file)
      : pidfd_socket_(std::move(pidfd_socket)), pid_file_(std::move(pid_file)) {}

  // Only the first call has an effect: a process may reach several gates, and a receiver takes each pidfd for another
  // process. The file holds the number in decimal without a newline, and is complete as soon as it is visible: go-runc
  // reads it with a bare Atoi, conmon with atoi. An existing FIFO, device or link is written to, not replaced.
  Result<void> make(pid_t pid, int pidfd);
  // After a failed launch: removes the file, if it is a regular one, since the number may be reused soon.
  void withdraw() const;

 private:
  std::string pidfd_socket_;
  std::string pid_file_;
  bool made_ = false;
};

}  // namespace minirun
