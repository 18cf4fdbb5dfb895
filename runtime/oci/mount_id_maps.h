// SPDX-License-Identifier: Apache-2.0
// The id mappings of a mount in config.json: its uidMappings and gidMappings, or the options idmap and ridmap
// (runtime-spec config.md, "Mounts" and "Linux mount options"; crun(1), "IDMAP MOUNT OPTIONS").
#pragma once

#include <string>
#include <vector>

#include "namespaces/plan_builder.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/spec.h"

namespace minirun {

IdMaps to_id_maps(const std::vector<oci::IdMapping>& mappings);

// Either the mappings (none if the mount asks for none), or a problem and its place ("/options/2", below the mount).
struct MountIdMapResult {
  MountIdMap map;
  std::string problem;
  std::string at;
};

// The mount's own lists come first; then those of the option ("idmap=uids=0-1000-1#1-5000-9;gids=@0-0-10": id of the
// filesystem, id of the host, count; with "@" the second is an id of the container); then the container's user
// namespace.
MountIdMapResult mount_id_map(const oci::Spec& spec, const oci::Mount& mount, const MountOptions& options);

}  // namespace minirun
