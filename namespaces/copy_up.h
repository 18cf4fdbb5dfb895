// SPDX-License-Identifier: Apache-2.0
// tmpcopyup (runtime-spec config.md): a new tmpfs that starts with the image's content at its place.
#pragma once

#include <string>

#include "sys/result.h"

namespace minirun {

struct CopyUp {
  std::string directory;  // of the container, from its root
  bool mode = true;       // the mount's root gets the directory's permissions
  bool owner = true;      // and its owner
  bool content = true;    // and all that is in it
};

// Copies into the detached mount behind mount_fd, which no other process sees yet. The directory is resolved under
// rootfs_fd (openat2(2), RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS); everything below is reached by descriptors, and no
// link is followed. With the content go owners, permissions, times, extended attributes (those that a tmpfs can have),
// symbolic links, device nodes, FIFOs and sockets; holes stay holes, hard links become files of their own. A missing
// directory has nothing to copy.
// Memory: one buffer, and one open directory for each level; more than 128 levels are an error (ELOOP). Errors name the
// path in the container; code ENOSPC: the tmpfs is full.
Result<void> copy_up(int rootfs_fd, int mount_fd, const CopyUp& what);

}  // namespace minirun
