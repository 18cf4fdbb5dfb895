// A filesystem whose server answers nothing but what a mount takes: whoever asks it waits in the kernel, from a signal
// on in state D, and cannot be killed.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>

namespace minirun::testing {

class HungFilesystem {
 public:
  // Mounts it. Look up any name in it to hang.
  explicit HungFilesystem(const std::string& path);
  // Unmounts it.
  ~HungFilesystem();
  HungFilesystem(const HungFilesystem&) = delete;
  HungFilesystem& operator=(const HungFilesystem&) = delete;

  // Whether this machine has FUSE.
  static bool is_possible();
  // And cannot be left any more, also by SIGKILL: the server has the request.
  bool is_waited_for_by(pid_t pid) const;
  // The end of the server: all that waits fails.
  void abort();

 private:
  std::string path_;
  std::atomic<int>* held_ = nullptr;  // requests that the server has and will not answer: memory of both
  pid_t server_ = -1;
};

}  // namespace minirun::testing
