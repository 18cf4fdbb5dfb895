// SPDX-License-Identifier: Apache-2.0
// The systemd cgroup driver (`--systemd-cgroup`): the container's cgroup is that of a transient scope, made by systemd
// over D-Bus. A program of its own speaks to it (cgroups/systemd/), and only for what is systemd's: the scope's birth,
// its limits, and its end. All else is the cgroup's files, as without systemd.
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
// The order is that of a container without systemd: what it will be called goes into the record first; then the scope
// is made, around a process that only sleeps, and the container's first process is born in it (CLONE_INTO_CGROUP),
// inside all its limits; no process is moved on the way to its exec. After that the sleeper ends.
class SystemdScope {
 public:
  // Asks systemd. Errors: no helper, no systemd, a name that is taken or is none, an annotation that is none.
  // mark: StateDirectory::mark(). Nothing is made yet.
  static Result<SystemdScope> survey(const Hierarchy& hierarchy, const oci::Spec& spec, const Compiled& compiled,
                                     const std::string& id, const std::string& mark);

  const SystemdRecord& record() const { return record_; }
  // Where the container's cgroup will be: the scope's, or one below it (scope_subgroup()).
  const CgroupRecord& cgroup() const { return cgroup_; }

  Result<LimitedCgroup> make(const Hierarchy& hierarchy, const Compiled& compiled);

  // To be called when the container's first process is there; the helper ends too.
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

// What StartTransientUnit is asked for, without what the helper adds (PIDs, Description). Later ones override earlier
// ones: minirun's own defaults, the annotations, the limits.
systemd::Properties scope_properties(const std::string& slice, const systemd::Properties& annotated,
                                     const std::vector<Write>& writes, uint32_t version);

// The same limits for a container in use, so that they are systemd's too. Without effect for one without a scope.
Result<void> update_scope(const std::optional<SystemdRecord>& record, const std::vector<Write>& writes);

// Stops the container's scope and waits until systemd has forgotten it, so that its name is free. Done already is
// success; so is a unit of that name that is not this container's.
Result<void> stop_scope(const SystemdRecord& record);

// For a process that is to be born in a container's scope under a user's manager: clone3(2) refuses that to a caller
// from another part of the tree (a login session). Then systemd puts this process into a scope of its own beside it.
Result<void> come_near(const std::optional<SystemdRecord>& record, const std::string& cgroup_path);

}  // namespace minirun
