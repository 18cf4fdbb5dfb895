// SPDX-License-Identifier: Apache-2.0
// linux.intelRdt (runtime-spec 1.3 config-linux.md, "IntelRdt"): the container's class of service and its monitoring
// group in the resctrl filesystem (the kernel's Documentation/filesystems/resctrl.rst). Every function takes a
// descriptor of the filesystem's root.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A container's part of resctrl; kept in its record.
struct RdtRecord {
  std::string group;           // directory in the root; "/": the root itself, the default class; "": no intelRdt
  std::string monitor;         // directory in the group's mon_groups; "": no monitoring
  bool makes_group = false;    // it was not there before
  bool makes_monitor = false;  // it was not there before
  bool own_group = false;      // for this container alone: the config has no closID
};

// The root of a mounted resctrl: /sys/fs/resctrl, or the place in the mount table. Empty if none is mounted.
Result<UniqueFd> find_resctrl();
// The same, but an error if none is mounted.
Result<UniqueFd> open_resctrl();

// Where the first resctrl of a mountinfo file (proc_pid_mountinfo(5)) is mounted; "" without one.
std::string resctrl_mount_point(std::string_view mountinfo);

// Makes nothing, so that the record can be written first: returns what the container will have, and what of it must be
// made. Errors: closID without any schema and no such group; an existing group with other values.
Result<RdtRecord> survey_rdt(int root_fd, const oci::IntelRdt& rdt, const std::string& id);

// Makes what the record says must be made, and writes the schemata of a new group. Undoes it after an error.
Result<void> make_rdt(int root_fd, const oci::IntelRdt& rdt, const RdtRecord& record);

// Puts one task, and so its later children, into the groups: the container's first process before it forks, and each
// process of exec.
Result<void> join_rdt(int root_fd, const RdtRecord& record, pid_t pid);

// Removes what was made for this container alone. A class that closID names stays, since others may have joined it
// meanwhile, as does everything that existed before. Missing groups are no error.
Result<void> remove_rdt(int root_fd, const RdtRecord& record);

// After a failed launch: as remove_rdt(), and also removes a class that closID names, if this launch made it.
Result<void> undo_rdt(int root_fd, const RdtRecord& record);

// `update --l3-cache-schema --mem-bw-schema`: writes those that are not empty to the group of a container that has one.
// Returns the previous content of the schemata file, for restore_rdt().
Result<std::string> update_rdt(int root_fd, const RdtRecord& record, const std::string& l3_cache_schema,
                               const std::string& mem_bw_schema);
Result<void> restore_rdt(int root_fd, const RdtRecord& record, const std::string& schemata);

}  // namespace minirun
