// SPDX-License-Identifier: Apache-2.0
// An overlay over the rootfs (the kernel's Documentation/filesystems/overlayfs.rst): the rootfs is its lower layer,
// which the kernel never writes to. What the container changes is in a new tmpfs, or in a directory of the caller's.
//
// Nothing of the host's paths is in the options of the mount, which the container can read in its mountinfo.
#pragma once

#include <cstdint>
#include <string>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The directory of the caller's for the changes. All borrowed.
struct ChangesPlace {
  int upper = -1;       // the directory itself, empty. -1: none
  int work = -1;        // a directory of minirun's, beside it on the same mount, which has in it:
  std::string name;     // its name
  std::string workdir;  // the name of an empty directory, for the kernel
  std::string lower;    // the name of another, to mount the rootfs on (before Linux 6.15)
};

// The smallest tmpfs, in bytes.
constexpr uint64_t kLeastOverlayBytes = 4096;

// Returns the detached mount. Its root has the owner, mode, access control list and times of the rootfs, whose mounts
// below are left out. source.detail: the size of the tmpfs in bytes, if place has no directory. The tmpfs holds one
// file for each KiB of it, and at least 1,024, since a file takes as much of the kernel's memory.
//
// Errors name what the filesystem of the changes cannot do: it has to have attributes ("trusted.", in a user namespace
// "user.", which tmpfs has since Linux 6.6), whiteouts, and types in its directory entries.
Result<UniqueFd> open_overlay(const Source& source, int rootfs_fd, const ChangesPlace& place);

}  // namespace minirun
