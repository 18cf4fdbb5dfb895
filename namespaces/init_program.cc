// SPDX-License-Identifier: Apache-2.0
#include "namespaces/init_program.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdint>
#include <string>

#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/memory_file.h"

extern "C" {
extern const char minirun_init_image[];      // NOLINT(modernize-avoid-c-arrays): symbols of image.S
extern const char minirun_init_image_end[];  // NOLINT(modernize-avoid-c-arrays)
}

namespace minirun {
namespace {

// Not readable: so, from the first instruction on, the kernel lets only the file's owner and the user namespaces above
// trace the process (would_dump() in fs/exec.c).
constexpr mode_t kProgramMode = 0111;

Result<void> write_program(int fd, std::string_view program) {
  return write_all(fd, program, "the init program");
}

Result<UniqueFd> open_private_copy(int directory) {
  // A unique name: several `exec` may run at once, and a killed one leaves its file.
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) != sizeof random) return fail(errno, "getrandom");
  const std::string name = fmt::format("init.{:016x}", random);
  Result<UniqueFd> file = open_at(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kProgramMode);
  if (!file.ok()) return file.error();
  auto written = write_program(file->get(), init_program());
  file->reset();  // a file that is open for writing cannot be executed
  UniqueFd tree;
  if (written.ok()) {
    tree.reset(static_cast<int>(syscall(SYS_open_tree, directory, name.c_str(), abi::kOpenTreeClone | abi::kCloexec)));
    if (!tree) written = fail(errno, "open_tree of the init program");
  }
  (void)unlinkat(directory, name.c_str(), 0);  // made above; it would make the removal of the state directory fail
  if (!written.ok()) return written.error();
  abi::MountAttributes attributes{abi::kMountAttrReadonly, abi::kMountAttrNoexec, abi::kMsPrivate, 0};
  if (syscall(SYS_mount_setattr, tree.get(), "", abi::kAtEmptyPath, &attributes, sizeof attributes) < 0)
    return fail(errno, "mount_setattr of the init program");
  return tree;
}

}  // namespace

std::string_view init_program() {
  return {minirun_init_image, static_cast<size_t>(minirun_init_image_end - minirun_init_image)};
}

Result<UniqueFd> open_init_program_in_memory(std::string_view program) {
  UniqueFd fd = TRY(executable_memory_file("minirun-init"));
  TRY(write_program(fd.get(), program));
  if (fchmod(fd.get(), kProgramMode) < 0) return fail(errno, "make the init program executable");
  TRY(seal_memory_file(fd.get()));
  return fd;
}

Result<UniqueFd> open_init_program(int fallback_directory_fd) {
  auto memfd = open_init_program_in_memory(init_program());
  if (memfd.ok() || (memfd.error().code != EACCES && memfd.error().code != EPERM)) return memfd;
  return open_private_copy(fallback_directory_fd);
}

}  // namespace minirun
