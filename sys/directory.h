// SPDX-License-Identifier: Apache-2.0
// Reading directories: opendir(3), readdir(3).
#pragma once

#include <dirent.h>

#include <functional>
#include <string>

#include "sys/result.h"

namespace minirun {

// Calls visit for each entry but "." and "..", until it returns false. Each call has its own position: dirfd is not
// read from, and may be O_PATH. Only if the process may open no further descriptor (EMFILE), "." is read from dirfd
// itself, from its beginning. Errors are those of openat(2), getdents64(2) and visit: a directory that could not be
// read to its end never looks complete.
Result<void> for_each_entry(int dirfd, const std::string& path,
                            const std::function<Result<bool>(const dirent& entry)>& visit);

}  // namespace minirun
