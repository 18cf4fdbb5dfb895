// SPDX-License-Identifier: Apache-2.0
// The embedded init program as a descriptor for execveat(2).
#pragma once

#include <string_view>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The ELF file that is built from namespaces/init and linked in.
std::string_view init_program();

// A descriptor to execute it from: a sealed memfd. If the host forbids executable memfds (vm.memfd_noexec=2 or an LSM:
// EACCES, EPERM), it is a private copy in the directory, already unlinked, on its own detached mount (the directory's
// mount may be noexec). Either way /proc/1/exe names nothing of the host (CVE-2019-5736). fallback_directory_fd: a
// directory that only this user can write to.
Result<UniqueFd> open_init_program(int fallback_directory_fd);

// The same in memory alone, for the init of a restored container, which may be that of another minirun.
Result<UniqueFd> open_init_program_in_memory(std::string_view program);

}  // namespace minirun
