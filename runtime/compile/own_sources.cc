// SPDX-License-Identifier: Apache-2.0
// Bind mounts whose source lies on an earlier mount of the list: in the rootfs, below that mount's destination. On the
// host that path is something else, or missing; only the container's side can reach it.
#include <algorithm>

#include "runtime/compile/mount_links.h"
#include "runtime/compile/parts.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/mount_options.h"

namespace minirun {

// The source as a path of the container, or "" if it is not one. A path with ".." follows the host's links.
static std::string path_inside(const Compilation& c, const oci::Mount& mount) {
  const std::string source = bind_source(mount, c.paths.bundle);
  if (("/" + source + "/").find("/../") != std::string::npos) return "";
  const std::string clean = clean_path(source);
  for (const std::string& rootfs : {clean_path(c.paths.rootfs), c.paths.real_rootfs}) {
    if (rootfs.empty() || rootfs == "/" || !clean.starts_with(rootfs + "/")) continue;
    return clean.substr(rootfs.size());
  }
  return "";
}

static std::optional<OwnSource> find_own_source(const Compilation& c, size_t entry) {
  const oci::Mount& mount = c.spec.mounts[entry];
  const MountOptions& options = mount.parsed;
  // Links themselves, and idmapped mounts, come from the host.
  if (!options.bind || is_mount_change(mount) || options.source_nofollow || options.copy_symlink ||
      options.id_map != MountOptions::IdMap::none || !mount.uid_mappings.empty())
    return std::nullopt;
  const std::string path = path_inside(c, mount);
  if (path.empty()) return std::nullopt;
  for (size_t i = entry; i-- > 0;) {
    const std::string& target = c.spec.mounts[i].target;
    if (is_mount_change(c.spec.mounts[i]) || target == "/") continue;
    if (path != target && !path.starts_with(target + "/")) continue;
    const MountOptions& earlier = c.spec.mounts[i].parsed;
    if (earlier.bind && earlier.copy_symlink) return std::nullopt;  // maybe not a mount
    return OwnSource{i, path, path == target ? target.size() : target.size() + 1};
  }
  return std::nullopt;
}

void find_own_sources(Compilation& c) {
  for (size_t i = 0; i < c.spec.mounts.size(); i++) {
    auto found = find_own_source(c, i);
    if (found) c.own_sources.emplace(i, std::move(*found));
  }
}

bool is_own_source(const Compilation& c, size_t entry) {
  return std::any_of(c.own_sources.begin(), c.own_sources.end(),
                     [entry](const auto& own) { return own.second.mount == entry; });
}

}  // namespace minirun
