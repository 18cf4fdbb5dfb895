// SPDX-License-Identifier: Apache-2.0
// Reading directories: opendir(3), readdir(3).
#pragma once

#include <dirent.h>

#include <functional>
#include <string>

#include "sys/result.h"

namespace minirun {

// Calls visit for each entry but "." and "..", until it returns false. Each call has a position of its own: dirfd is
// not read from, and may be O_PATH. Only where the process may have no further descriptor (EMFILE) "." is read from
// dirfd itself, from its beginning. The error of openat(2), of getdents64(2), or of visit: a directory that could not
// be read to its end is never taken for one that has ended.
Result<void> for_each_entry(int dirfd, const std::string& path,
                            const std::function<Result<bool>(const dirent& entry)>& visit);

}  // namespace minirun
