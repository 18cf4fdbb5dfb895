// SPDX-License-Identifier: Apache-2.0
// A short-lived copy of this process's mount namespace. The kernel leaves the mounts that keep mount namespaces out of
// a copy (copy_tree() in fs/namespace.c; unshare(1), --mount=FILE).
#pragma once

#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// open_tree(2) of an absolute path in such a copy.
Result<UniqueFd> open_tree_in_copy(const std::string& path, unsigned flags);

// The paths below this one where mount namespaces are kept, for messages.
Result<std::vector<std::string>> kept_namespaces(const std::string& path);

}  // namespace minirun
