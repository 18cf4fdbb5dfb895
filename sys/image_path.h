// SPDX-License-Identifier: Apache-2.0
// Resolves paths of an image: follows its links, but never leaves it.
#pragma once

#include "sys/fd.h"

namespace minirun {

// openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_MAGICLINKS, and with O_CLOEXEC; no O_CREAT. Invalid: errno says why.
//
// The kernel answers EAGAIN if any rename or mount on the whole system happens between the start of a resolution and a
// ".." in it (handle_dots() in fs/namei.c): while a process renames all the time, a path with a hundred ".." never
// resolves. So after some tries this calls walk_in_image(). ENFILE, EMFILE and the like keep their meaning.
UniqueFd open_in_image(int root_fd, const char* path, int flags);

// The same, one name at a time: a ".." goes back to the descriptor of the directory that the walk came from, so no
// concurrent rename can lead above the root. Holds a descriptor for each directory on the way.
UniqueFd walk_in_image(int root_fd, const char* path, int flags);

}  // namespace minirun
