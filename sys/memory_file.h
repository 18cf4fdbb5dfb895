// SPDX-License-Identifier: Apache-2.0
// Files without a name, in memory only: memfd_create(2).
#pragma once

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// name: for /proc/PID/fd alone, at most 249 bytes. Both may be sealed and are O_CLOEXEC.

// One for data. It is marked as never executable, since a host may refuse all others (vm.memfd_noexec=2, Linux 6.3).
// Errors: EMFILE, ENFILE, ENOMEM.
Result<UniqueFd> memory_file(const char* name);

// One that may be executed. EACCES: the host allows none (vm.memfd_noexec=2).
Result<UniqueFd> executable_memory_file(const char* name);

// From here on no process can change it.
Result<void> seal_memory_file(int fd);

}  // namespace minirun
