// SPDX-License-Identifier: Apache-2.0
// Files without a name, in memory only: memfd_create(2).
#pragma once

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// name: for /proc/PID/fd alone, at most 249 bytes. Both may be sealed and are O_CLOEXEC.

// One that holds data. It can never be executed, and says so: a host may refuse all others (vm.memfd_noexec=2, Linux
// 6.3). Errors: EMFILE, ENFILE, ENOMEM.
Result<UniqueFd> memory_file(const char* name);

// One that may be executed. EACCES: the host allows none (vm.memfd_noexec=2).
Result<UniqueFd> executable_memory_file(const char* name);

// No process can change it from here on.
Result<void> seal_memory_file(int fd);
// Whether that was done. Of any other file: no.
bool is_sealed_memory_file(int fd);

}  // namespace minirun
