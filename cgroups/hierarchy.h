// SPDX-License-Identifier: Apache-2.0
// Where cgroup v2 is on this host, and which controllers are not in it. cgroups(7); needs Linux 5.14 (cgroup.kill).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct Hierarchy {
  UniqueFd root;            // O_PATH of the mount point: good for *at(2) calls and CLONE_INTO_CGROUP, not for reading
  std::string mount_point;  // absolute, for messages and for the container's own cgroup mount
  bool hybrid = false;      // cgroup v1 trees hold some controllers beside it (systemd's "unified" layout)
};

// Tries /sys/fs/cgroup, then /sys/fs/cgroup/unified, and only then reads /proc/self/mountinfo: that file has a line for
// each mount of the host, thousands on some. ENOENT: no cgroup2 is mounted anywhere.
Result<Hierarchy> find_hierarchy();

// Mount points of type cgroup2 whose root is "/" in the text of a mountinfo file (proc_pid_mountinfo(5)), in the file's
// order, with \040 and the like decoded. Skips malformed lines, which the kernel does not write.
std::vector<std::string> cgroup2_mount_points(std::string_view mountinfo);

// The caller's cgroup2 path ("/user.slice") from the text of /proc/PID/cgroup. ENOENT when it has no "0::" line.
Result<std::string> own_cgroup_path(std::string_view proc_cgroup);

// One line of /proc/cgroups.
struct ControllerState {
  std::string name;
  int hierarchy = 0;  // 0: cgroup v2 or unused; anything else is the number of a v1 tree
  bool enabled = true;
};

std::vector<ControllerState> parse_proc_cgroups(std::string_view text);

// Why the root of the cgroup2 tree does not offer a controller, as the end of a sentence:
// "which is bound to cgroup v1 (hierarchy 4) on this host".
std::string why_controller_missing(std::string_view controller, const std::vector<ControllerState>& states);

}  // namespace minirun
