// SPDX-License-Identifier: Apache-2.0
// Removes small directory trees that minirun made.
#pragma once

#include <string>
#include <string_view>

#include "sys/result.h"

namespace minirun {

// Removes everything in the directory but the entry of that name; never follows a symbolic link. Bounded: ELOOP more
// than 16 levels down. EBUSY: something is mounted there.
Result<void> remove_below(int dirfd, std::string_view except = "");

// Removes one entry of any type. A missing one is success.
Result<void> remove_entry(int dirfd, const std::string& name);

}  // namespace minirun
