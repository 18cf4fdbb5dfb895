// SPDX-License-Identifier: Apache-2.0
// A filesystem whose server answers only what a mount needs: a process that uses it waits in the kernel, from a signal
// on in state D, and cannot be killed.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>

#include "tests/support/fuse_server.h"

namespace minirun::testing {

class HungFilesystem {
 public:
  // Mounts it. Look up any name in it to hang.
  explicit HungFilesystem(const std::string& path);
  ~HungFilesystem();
  HungFilesystem(const HungFilesystem&) = delete;
  HungFilesystem& operator=(const HungFilesystem&) = delete;

  static bool is_possible() { return FuseServer::is_possible(); }
  // And cannot be left any more, also by SIGKILL: the server has the request.
  bool is_waited_for_by(pid_t pid) const;
  // The end of the server: all that waits fails.
  void abort() { server_.abort(); }

 private:
  std::atomic<int>* held_;  // requests that the server has and will not answer: memory of both
  FuseServer server_;
};

}  // namespace minirun::testing
