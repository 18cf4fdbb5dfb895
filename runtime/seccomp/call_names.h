// SPDX-License-Identifier: Apache-2.0
// Names and numbers of system calls, as libseccomp knows them, in each table that this machine's kernel has: x32 is a
// second table of AUDIT_ARCH_X86_64.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun {

// A system call as in seccomp_data: AUDIT_ARCH_* and the number.
struct CallId {
  uint32_t arch = 0;
  int number = 0;
  auto operator<=>(const CallId&) const = default;
};

oci::SeccompArch own_table();  // this machine's own

// Of the table that has the call. Nothing: another machine's.
std::optional<oci::SeccompArch> table_of(const CallId& call);

// The call in each table that has it. Of those that i386 makes through socketcall(2) and ipc(2) also libseccomp's
// numbers, which are negative: -100 or -200 less the first argument.
std::vector<CallId> calls_of_name(const std::string& name);

// "openat"; "system call 999" if libseccomp does not know it.
std::string name_of_call(const CallId& call);

// "x86_64", "x32", "i386", "aarch64", "arm"; of another machine its AUDIT_ARCH_* in hexadecimal.
std::string name_of_arch(const CallId& call);

}  // namespace minirun
