// SPDX-License-Identifier: Apache-2.0
// The lines of /proc/PID/mountinfo (proc_pid_mountinfo(5)).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

struct MountLine {
  uint64_t id = 0;
  uint64_t parent = 0;
  std::string root;         // of the mount in its filesystem
  std::string mount_point;  // both as paths: without the escapes
  std::string type;         // of the filesystem

  // Whether this mount keeps a mount namespace, as those of unshare(1) and snapd do.
  bool is_mount_namespace() const { return type == "nsfs" && root.starts_with("mnt:["); }
};
// Leaves out other lines.
std::vector<MountLine> parse_mountinfo(std::string_view text);

// A mount of this process's mount namespace, and where it is below a path: "" at the path itself.
struct MountBelow {
  MountLine line;
  std::string below;
};
// The mounts at the path, whose symbolic links are followed, and below it.
Result<std::vector<MountBelow>> mounts_below(const std::string& path);

// Enough for the hundred thousand mounts that a mount namespace has at most (fs.mount-max, Linux 4.9).
constexpr size_t kMostMountinfoBytes = 64 << 20;

}  // namespace minirun
