// SPDX-License-Identifier: Apache-2.0
// A moment's copy of this process's mount namespace, for what cannot be had of the original: copies are made without
// the mounts that keep mount namespaces (copy_tree() in fs/namespace.c; unshare(1), --mount=FILE).
#pragma once

#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// open_tree(2) of an absolute path, in there.
Result<UniqueFd> open_tree_in_copy(const std::string& path, unsigned flags);

// Where below the path mount namespaces are kept, for a person.
Result<std::vector<std::string>> kept_namespaces(const std::string& path);

}  // namespace minirun
