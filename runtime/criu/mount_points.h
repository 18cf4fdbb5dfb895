// SPDX-License-Identifier: Apache-2.0
// Mount points in a root filesystem that a restored container's mounts are to be put on.
#pragma once

#include <vector>

#include "runtime/criu/arguments.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// Where the mount at this path of a process's root is mounted, as its mountinfo has it, with all links resolved; the
// path itself where nothing is mounted.
Result<std::string> mounted_at(pid_t pid, const std::string& path);

// Makes those of the config's mounts and of the external ones that are missing, as a launch does (0755; an empty file,
// 0644, for a source that is none): criu does not. What lies below another mount is of that one's filesystem, and what
// lies behind a symbolic link is left alone: criu reports it if it is missing.
Result<void> make_mount_points(int rootfs, const oci::Spec& spec, const std::vector<CriuMount>& external);

}  // namespace minirun
