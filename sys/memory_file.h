// SPDX-License-Identifier: Apache-2.0
// Files without a name, in memory only: memfd_create(2).
#pragma once

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// One that may be executed and sealed. name: for /proc/PID/fd alone. EACCES: the host allows none (vm.memfd_noexec=2).
Result<UniqueFd> executable_memory_file(const char* name);

// No process can change it from here on.
Result<void> seal_memory_file(int fd);
// Whether that was done. Of any other file: no.
bool is_sealed_memory_file(int fd);

}  // namespace minirun
