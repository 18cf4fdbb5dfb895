// SPDX-License-Identifier: Apache-2.0
// Compiled seccomp filters, kept from one start to the next: libseccomp needs milliseconds for a profile of 400 system
// calls, more than all the rest of a container's start.
#pragma once

#include <optional>
#include <string>

#include "runtime/seccomp/filter.h"

namespace minirun {

// As compile_seccomp, from the cache in state_root/.cache/seccomp where it is there. A file of the cache counts only if
// it is a regular one of this user with mode 0600, is whole, and was made from exactly this section by this version and
// these sources of minirun, with this libseccomp, on this kernel; whatever else is found, or goes wrong with the cache,
// means compiling as if there were none. Old files are removed beyond kMaxCachedFilters.
//
// state_root_fd: a directory that only this user can write to; -1: no cache.
Result<SeccompProgram> cached_seccomp(int state_root_fd, const oci::Seccomp& seccomp);

// The same of a config that may have no such section. System calls that no rule was made for go to the debug log.
Result<std::optional<SeccompProgram>> cached_seccomp(int state_root_fd, const std::optional<oci::Seccomp>& seccomp);

constexpr unsigned kMaxCachedFilters = 64;

// For tests and measuring: all that the filter depends on, as bytes, and the name of the file for it.
std::string seccomp_cache_key(const oci::Seccomp& seccomp);
std::string seccomp_cache_name(const std::string& key);

// A hash of the sources that compile_seccomp() is made of, as 64 hexadecimal digits; CMakeLists.txt says of which.
const char* seccomp_generator();

}  // namespace minirun
