// SPDX-License-Identifier: Apache-2.0
// Idmapped mounts: maps the ids of detached mounts before the child places them.
#pragma once

#include <string>
#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

class MountIdMapper {
 public:
  // Gives the detached mount of the source its mappings (mount_setattr(2), MOUNT_ATTR_IDMAP, Linux 5.12). Equal
  // mappings share one user namespace, which lives as long as this or a mount that has it. An error of code EINVAL or
  // EPERM names the filesystem that refused, even if it is mounted further below.
  Result<void> apply(int mount, const Source& source);

 private:
  struct Namespace {
    MountIdMap map;
    UniqueFd fd;
  };
  Result<int> user_namespace(const MountIdMap& map);
  std::vector<Namespace> namespaces_;
};

}  // namespace minirun
