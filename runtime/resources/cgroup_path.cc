// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/cgroup_path.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "runtime/oci/config_error.h"
#include "sys/file.h"

namespace minirun {
namespace {

bool may_write(const Hierarchy& hierarchy, const std::string& path) {
  std::string relative = "." + path;
  std::string procs = relative + "/cgroup.procs";
  return faccessat(hierarchy.root.get(), relative.c_str(), W_OK, AT_EACCESS) == 0 &&
         faccessat(hierarchy.root.get(), procs.c_str(), W_OK, AT_EACCESS) == 0;
}

std::vector<std::string> candidates(const std::string& own) {
  if (own.find("/..") != std::string::npos) return {};  // outside the cgroup namespace: out of reach
  if (own == "/") return {own};
  return {own.substr(0, std::max<size_t>(own.rfind('/'), 1)), own};
}

Result<std::string> without_cgroup(const Compiled& compiled, const std::string& why) {
  if (!compiled.limits.writes.empty() || !compiled.limits.needed.empty())
    return config_error("/linux/resources", "limits need a cgroup, and " + why, ErrorKind::host);
  if ((compiled.plan.clone_flags & CLONE_NEWPID) == 0) {
    return config_error("/linux/namespaces",
                        fmt::format("must have a new pid namespace where the container cannot have a cgroup ({}): its "
                                    "processes could not be found",
                                    why));
  }
  return std::string();
}

}  // namespace

Result<std::string> place_cgroup_of_user(const Hierarchy& hierarchy, const Compiled& compiled,
                                         const std::string& proc_cgroup) {
  std::string own = TRY(own_cgroup_path(proc_cgroup));
  for (const std::string& above : candidates(own))
    if (may_write(hierarchy, above)) return (above == "/" ? "" : above) + compiled.cgroup_path;
  return without_cgroup(
      compiled, fmt::format("this user may write neither cgroup {} nor the one above it (a delegated one: systemd-run "
                            "--user --scope --property=Delegate=yes minirun ...)",
                            own));
}

Result<std::string> place_nowhere(const Compiled& compiled) {
  return without_cgroup(compiled, "--cgroup-manager is disabled");
}

Result<UniqueFd> open_own_cgroup(const Hierarchy& hierarchy) {
  std::string text = TRY(read_file(AT_FDCWD, "/proc/self/cgroup"));
  std::string own = TRY(own_cgroup_path(text));
  if (own.starts_with("/..")) return fail(EXDEV, "cgroup {} is outside of this cgroup namespace", own);
  return open_at(hierarchy.root.get(), "." + own, O_PATH | O_DIRECTORY);
}

Result<std::string> place_cgroup(const Hierarchy& hierarchy, const oci::Spec& spec, const Compiled& compiled) {
  if (!compiled.ordinary_user || !spec.linux_.cgroups_path.empty()) return compiled.cgroup_path;
  return place_cgroup_of_user(hierarchy, compiled, TRY(read_file(AT_FDCWD, "/proc/self/cgroup")));
}

}  // namespace minirun
