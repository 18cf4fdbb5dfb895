// SPDX-License-Identifier: Apache-2.0
// The systemd cgroup driver (`--systemd-cgroup`): the container's cgroup is that of a transient scope, which systemd
// makes. A separate program talks to systemd over D-Bus (cgroups/systemd/), and only about the scope's birth, its
// limits and its end. Everything else uses the cgroup's files, as without systemd.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "cgroups/hierarchy.h"
#include "cgroups/systemd/client.h"
#include "runtime/compile/compile.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/resources/systemd_record.h"
#include "sys/result.h"

namespace minirun {

enum class CgroupDriver : uint8_t { cgroupfs, systemd, disabled };

// The helper program: beside minirun, in ../libexec/minirun, or in the folder that it was built for. ENOENT.
Result<std::string> find_systemd_helper();

// The scope of a container that is being made.
//
// The order is that of a container without systemd. First the record gets the scope's name. Then systemd makes the
// scope around a process that only sleeps, and the container's first process is born in it (CLONE_INTO_CGROUP), inside
// all its limits; no process is moved on the way to its exec. After that the sleeper ends.
class SystemdScope {
 public:
  // Asks systemd, and makes nothing yet. Errors: no helper, no systemd, a taken or invalid name, an invalid annotation.
  // mark: StateDirectory::mark().
  static Result<SystemdScope> survey(const Hierarchy& hierarchy, const oci::Spec& spec, const Compiled& compiled,
                                     const std::string& id, const std::string& mark);

  const SystemdRecord& record() const { return record_; }
  // Where the container's cgroup will be: the scope's, or one below it (scope_subgroup()).
  const CgroupRecord& cgroup() const { return cgroup_; }

  Result<LimitedCgroup> make(const Hierarchy& hierarchy, const Compiled& compiled);

  // Call it when the container's first process exists; the helper ends too.
  Result<void> end_sleeper(const Cgroup& cgroup, const Compiled& compiled);

 private:
  SystemdScope(systemd::Client client, SystemdRecord record) : client_(std::move(client)), record_(std::move(record)) {}
  Result<void> find_place(const Hierarchy& hierarchy);

  std::optional<systemd::Client> client_;
  SystemdRecord record_;
  CgroupRecord cgroup_;
  std::string slice_;
  std::string subgroup_;
  uint32_t version_ = 0;
  systemd::Properties annotated_;
};

// Where the scope will be, below the cgroup of the manager (the root of the tree for that of the system).
Result<std::string> scope_path(const oci::Spec& spec, const Compiled& compiled, const std::string& id);

// The name of the cgroup below the scope that holds the container; "": the scope's own holds it. The annotation
// decides (systemd_subgroup()). Without it only podman's units have one: conmon reads memory.events after the
// container's end, and systemd often removes the empty scope before (docs/systemd.md).
std::string scope_subgroup(const oci::StringMap& annotations, const std::string& unit);

// The properties for StartTransientUnit, without those that the helper adds (PIDs, Description). Later ones override
// earlier ones: minirun's defaults, the annotations, the limits.
systemd::Properties scope_properties(const std::string& slice, const systemd::Properties& annotated,
                                     const std::vector<Write>& writes, uint32_t version);

// Sets the same limits on a running container's scope, so that systemd keeps them. No effect without a scope.
Result<void> update_scope(const std::optional<SystemdRecord>& record, const std::vector<Write>& writes);

// Stops the container's scope and waits until systemd has forgotten it, so that its name is free. A missing unit is
// success, as is a unit of that name that is not this container's.
Result<void> stop_scope(const SystemdRecord& record);

// Before a process is born in a container's scope under a user's manager: clone3(2) refuses that to a caller from
// another part of the tree (a login session). Then systemd moves this process into a scope beside the container's.
Result<void> come_near(const std::optional<SystemdRecord>& record, const std::string& cgroup_path);

}  // namespace minirun
