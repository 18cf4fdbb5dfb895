// SPDX-License-Identifier: Apache-2.0
// A filesystem of the test's own: FUSE (Linux, include/uapi/linux/fuse.h), answered in a process of its own.
#pragma once

#include <linux/fuse.h>
#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <string>

namespace minirun::testing {

struct FuseRequest {
  fuse_in_header header;
  const char* body;
  int device;

  // error: 0 or negative.
  void answer(int error, const void* out = nullptr, size_t size = 0) const;
  // A file or directory of root's, for FUSE_GETATTR and FUSE_LOOKUP.
  static fuse_attr attributes(uint64_t node, uint32_t mode);
};

class FuseServer {
 public:
  // Mounts it. The root directory and the start are answered here; the rest is up to the function, in the server.
  FuseServer(const std::string& path, std::function<void(const FuseRequest&)> serve);
  // Unmounts it.
  ~FuseServer();
  FuseServer(const FuseServer&) = delete;
  FuseServer& operator=(const FuseServer&) = delete;

  // Whether this machine has FUSE.
  static bool is_possible();
  // The end of the server: all that waits fails.
  void abort();

 private:
  std::string path_;
  pid_t server_ = -1;
};

}  // namespace minirun::testing
