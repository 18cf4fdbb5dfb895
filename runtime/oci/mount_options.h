// SPDX-License-Identifier: Apache-2.0
// Converts the mount options of config.json (runtime-spec config.md, "Linux mount options") for the kernel's mount API.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace minirun {

// MOUNT_ATTR_* to set and to clear. Options about the same thing replace each other, the last one wins; the access time
// mode is one field of three values, so a change clears all of it first (mount_setattr(2)).
struct AttributeChange {
  uint64_t set = 0;
  uint64_t clear = 0;
};

struct MountOptions {
  enum class IdMap : uint8_t { none, own, recursive };
  using Parameters = std::vector<std::pair<std::string, std::string>>;  // names, and what follows them: "" or "=..."

  bool bind = false;
  bool recursive = false;  // rbind
  bool remount = false;
  AttributeChange own;         // of the mount itself ("ro")
  AttributeChange below;       // of it and all mounts below it ("rro")
  uint64_t propagation = 0;    // MS_*, with MS_REC for "rslave" and the like
  Parameters superblock;       // sync, dirsync, lazytime and their opposites: for the filesystem, not one mount
  Parameters parameters;       // all options that the table does not have: for the filesystem, in order
  size_t first_parameter = 0;  // its index in the list, if any
  IdMap id_map = IdMap::none;  // idmap or ridmap
  std::string id_map_text;     // what follows it: "" or "=uids=...;gids=..."
  size_t id_map_index = 0;
  bool copy_up = false;          // tmpcopyup
  bool copy_symlink = false;     // a source that is a symbolic link is copied instead of followed
  bool target_nofollow = false;  // a destination that is a symbolic link is covered itself
  bool source_nofollow = false;  // a source that is a symbolic link is mounted itself
  size_t special_index = 0;      // of the last of these four in the list
};

// Ignores empty texts: podman 5 writes one into the mounts of a container that runs systemd.
MountOptions parse_mount_options(const std::vector<std::string>& options);

// All names of the table, for `minirun features` and for tests.
std::vector<std::string> known_mount_options();

}  // namespace minirun
