// SPDX-License-Identifier: Apache-2.0
#include "tests/support/hung_filesystem.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstdlib>
#include <new>

#include "sys/file.h"

namespace minirun::testing {
namespace {

std::atomic<int>* shared_counter() {
  void* shared = mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) ::abort();
  return new (shared) std::atomic<int>(0);
}

void hold(const FuseRequest& request, std::atomic<int>* held) {
  // Read and never answered: a process that waits for it cannot be interrupted any more.
  uint32_t what = request.header.opcode;
  if (what == FUSE_LOOKUP) ++*held;
  if (what != FUSE_LOOKUP && what != FUSE_FORGET && what != FUSE_INTERRUPT) request.answer(-ENOSYS);
}

}  // namespace

HungFilesystem::HungFilesystem(const std::string& path)
    : held_(shared_counter()), server_(path, [held = held_](const FuseRequest& request) { hold(request, held); }) {}

HungFilesystem::~HungFilesystem() {
  abort();
  (void)munmap(held_, sizeof *held_);
}

bool HungFilesystem::is_waited_for_by(pid_t pid) const {
  if (*held_ == 0) return false;
  auto where = read_file(AT_FDCWD, fmt::format("/proc/{}/wchan", pid));
  return where.ok() && (where->find("request_wait_answer") != std::string::npos || where->starts_with("fuse_"));
}

}  // namespace minirun::testing
