// SPDX-License-Identifier: Apache-2.0
// The profile that `minirun spec --seccomp default` writes, of the table in seccomp_calls.h. docs/seccomp.md describes
// it.
#pragma once

#include <string>
#include <vector>

namespace minirun {

// A section /linux/seccomp as JSON. What is not in it gets EPERM, and ENOSYS where it is newer than all of it
// (seccomp/filter.h). bounding: names of capabilities, as config.json has them; the calls that these are for pass too.
std::string default_seccomp(const std::vector<std::string>& bounding);

}  // namespace minirun
