// SPDX-License-Identifier: Apache-2.0
// Mount points in a root filesystem for a restored container's mounts.
#pragma once

#include <vector>

#include "runtime/criu/arguments.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// The mount point, with all links resolved, of the mount at this path of a process's root, according to its mountinfo;
// the path itself if nothing is mounted there.
Result<std::string> mounted_at(pid_t pid, const std::string& path);

// Makes the missing mount points of the config's mounts and the external ones, as a launch does (a directory, 0755, or
// an empty file, 0644, as the source is): criu does not. Skips paths below another mount, which belong to that
// filesystem, and paths behind a symbolic link: criu reports them if they are missing.
Result<void> make_mount_points(int rootfs, const oci::Spec& spec, const std::vector<CriuMount>& external);

}  // namespace minirun
