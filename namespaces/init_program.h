// SPDX-License-Identifier: Apache-2.0
// The embedded init program as something that execveat(2) takes.
#pragma once

#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The ELF file that is built from namespaces/init and linked in.
std::string_view init_program();

// A descriptor to execute it from: a sealed memfd. Where the host forbids executable memfds (vm.memfd_noexec=2 or an
// LSM: EACCES, EPERM), a private copy in the directory, already unlinked, reached through a detached mount of its own
// (the directory's mount may be noexec). Nothing of the host is named by /proc/1/exe either way (CVE-2019-5736).
// fallback_directory_fd: a directory that only this user can write to.
Result<UniqueFd> open_init_program(int fallback_directory_fd);

// The same in memory alone, of a program that is this one or another minirun's: of a container that is restored.
Result<UniqueFd> open_init_program_in_memory(std::string_view program);

}  // namespace minirun
