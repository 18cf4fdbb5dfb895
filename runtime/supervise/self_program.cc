// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/self_program.h"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sys/fd.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/memory_file.h"

namespace minirun {
namespace {

constexpr const char* kOwnProgram = "/proc/self/exe";

// In the environment of a program that was started again, which cannot find out by itself where its file was.
constexpr const char* kPathVariable = "_MINIRUN_PROGRAM";

char** own_arguments = nullptr;
std::string own_path;  // of a program that was started again; else empty

std::string link_of_program() {
  std::array<char, PATH_MAX> path{};
  ssize_t n = readlink(kOwnProgram, path.data(), path.size());
  return {path.data(), n < 0 ? 0 : static_cast<size_t>(n)};
}

bool can_be_written() {
  // Not ETXTBSY, which would be over with this process.
  if (faccessat(AT_FDCWD, kOwnProgram, W_OK, 0) < 0 && (errno == EROFS || errno == EACCES)) return false;
  UniqueFd fd(open(kOwnProgram, O_RDONLY | O_CLOEXEC));
  return !is_sealed_memory_file(fd.get());
}

// The mount is in no namespace, and gone with the last that runs from it: no process can change its flags.
Result<UniqueFd> read_only_mount() {
  UniqueFd tree(static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, kOwnProgram, abi::kOpenTreeClone | abi::kCloexec)));
  if (!tree) return fail(errno, "open_tree {}", kOwnProgram);
  abi::MountAttributes readonly{abi::kMountAttrReadonly, 0, 0, 0};
  if (syscall(SYS_mount_setattr, tree.get(), "", abi::kAtEmptyPath, &readonly, sizeof readonly) < 0)
    return fail(errno, "make a mount of minirun's program read-only");
  return tree;
}

Result<UniqueFd> sealed_copy() {
  UniqueFd copy = TRY(executable_memory_file("minirun"));
  UniqueFd program = TRY(open_at(AT_FDCWD, kOwnProgram, O_RDONLY));
  constexpr size_t kAtOnce = size_t{1} << 30;
  ssize_t n = 0;
  while ((n = sendfile(copy.get(), program.get(), nullptr, kAtOnce)) > 0) {
  }
  if (n < 0) return fail(errno, "copy minirun's program");
  TRY(seal_memory_file(copy.get()));
  return copy;
}

}  // namespace

void remember_arguments(char** arguments) {
  own_arguments = arguments;
  // By a descriptor it was executed under the descriptor's name.
  const auto* name = reinterpret_cast<const char*>(getauxval(AT_EXECFN));
  if (name == nullptr || !std::string_view(name).starts_with("/dev/fd/")) return;
  (void)prctl(PR_SET_NAME, "minirun");
  if (const char* path = getenv(kPathVariable)) own_path = path;
  (void)unsetenv(kPathVariable);
}

std::string own_program_path() {
  return own_path.empty() ? link_of_program() : own_path;
}

Result<void> reexec_sealed() {
  if (own_arguments == nullptr || !can_be_written()) return {};
  auto program = read_only_mount();
  if (!program.ok()) program = sealed_copy();
  if (!program.ok()) return program.error();
  if (setenv(kPathVariable, own_program_path().c_str(), 1) < 0) return fail(errno, "setenv");
  (void)syscall(SYS_execveat, program->get(), "", own_arguments, environ, AT_EMPTY_PATH);
  return fail(errno, "execute minirun's program where it cannot be written to");
}

}  // namespace minirun
