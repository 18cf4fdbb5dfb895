// SPDX-License-Identifier: Apache-2.0
#include "namespaces/mount_copy.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>

#include "namespaces/kernel.h"
#include "sys/kernel_abi.h"
#include "sys/mountinfo.h"

namespace minirun {
namespace {

struct Opening {
  const char* path;
  unsigned flags;
  long result;
};

// Runs in the memory and with the descriptors of this process, which is suspended meanwhile.
[[noreturn]] void open_and_end(void* pointer) {
  auto* opening = static_cast<Opening*>(pointer);
  opening->result = RawKernel::call(SYS_open_tree, static_cast<uint64_t>(AT_FDCWD),
                                    reinterpret_cast<uint64_t>(opening->path), opening->flags | abi::kCloexec);
  RawKernel::exit(0);
}

}  // namespace

Result<UniqueFd> open_tree_in_copy(const std::string& path, unsigned flags) {
  alignas(16) static char stack[16384];
  Opening opening{path.c_str(), flags, -ECHILD};
  abi::CloneArguments arguments{};
  arguments.flags = CLONE_NEWNS | CLONE_VM | CLONE_VFORK | CLONE_FILES;
  arguments.stack = reinterpret_cast<uint64_t>(stack);
  arguments.stack_size = sizeof stack;
  // Sends no SIGCHLD at its end, since other code waits for those.
  long pid = RawKernel::clone(&arguments, open_and_end, &opening);
  if (pid < 0) return fail(static_cast<int>(-pid), "clone3 with a copy of the mount namespace");
  while (waitpid(static_cast<pid_t>(pid), nullptr, __WALL) < 0 && errno == EINTR) {
  }
  if (opening.result < 0) {
    Error error = fail(static_cast<int>(-opening.result), "source {}", path);
    error.change_details().call = "open_tree";
    return error;
  }
  return UniqueFd(static_cast<int>(opening.result));
}

Result<std::vector<std::string>> kept_namespaces(const std::string& path) {
  std::vector<std::string> kept;
  for (const MountBelow& mount : TRY(mounts_below(path)))
    if (mount.line.is_mount_namespace()) kept.push_back(mount.line.mount_point);
  return kept;
}

}  // namespace minirun
