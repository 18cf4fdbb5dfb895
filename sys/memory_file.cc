// SPDX-License-Identifier: Apache-2.0
#include "sys/memory_file.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/kernel_abi.h"

namespace minirun {

static constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

static Result<UniqueFd> create(const char* name, unsigned whether_executable) {
  constexpr unsigned kFlags = abi::kMfdCloexec | abi::kMfdAllowSealing;
  UniqueFd fd(static_cast<int>(syscall(SYS_memfd_create, name, kFlags | whether_executable)));
  if (!fd && errno == EINVAL)  // before Linux 6.3
    fd.reset(static_cast<int>(syscall(SYS_memfd_create, name, kFlags)));
  if (!fd) return fail(errno, "memfd_create");
  return fd;
}

Result<UniqueFd> memory_file(const char* name) {
  return create(name, abi::kMfdNoexecSeal);
}

Result<UniqueFd> executable_memory_file(const char* name) {
  return create(name, abi::kMfdExec);
}

Result<void> seal_memory_file(int fd) {
  if (fcntl(fd, F_ADD_SEALS, kSeals) < 0) return fail(errno, "seal a file in memory");
  return {};
}

}  // namespace minirun
