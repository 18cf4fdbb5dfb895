// SPDX-License-Identifier: Apache-2.0
// Caches compiled seccomp filters: libseccomp needs milliseconds for a profile of 400 system calls, longer than the
// rest of a container's start.
#pragma once

#include <optional>
#include <string>

#include "runtime/seccomp/filter.h"

namespace minirun {

// As compile_seccomp, but uses the cache in state_root/.cache/seccomp if possible. A cached file counts only if it is a
// regular file of this user with mode 0600, is complete, and was made from exactly this section by this version and
// these sources of minirun, with this libseccomp, on this kernel. Any other file, and any failure of the cache, leads
// to compiling as without a cache. Removes the oldest files beyond kMaxCachedFilters.
//
// state_root_fd: a directory that only this user can write to; -1: no cache.
Result<SeccompProgram> cached_seccomp(int state_root_fd, const oci::Seccomp& seccomp);

// The same for a config that may have no such section. Logs system calls without a rule as debug lines.
Result<std::optional<SeccompProgram>> cached_seccomp(int state_root_fd, const std::optional<oci::Seccomp>& seccomp);

constexpr unsigned kMaxCachedFilters = 64;

// For tests and measurements: everything that the filter depends on, as bytes, and the name of its file.
std::string seccomp_cache_key(const oci::Seccomp& seccomp);
std::string seccomp_cache_name(const std::string& key);

// A hash of the sources of compile_seccomp() as 64 hexadecimal digits; CMakeLists.txt lists them.
const char* seccomp_generator();

}  // namespace minirun
