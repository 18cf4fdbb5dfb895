// SPDX-License-Identifier: Apache-2.0
// `minirun check` without a bundle: what this host offers this user.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "cgroups/controllers.h"
#include "cgroups/hierarchy.h"
#include "runtime/check/check.h"
#include "runtime/check/parts.h"
#include "runtime/compile/capabilities.h"
#include "runtime/compile/host_facts.h"
#include "runtime/criu/arguments.h"
#include "runtime/seccomp/filter.h"
#include "sys/file.h"

namespace minirun {
namespace {

void check_kernel(CheckReport* report) {
  utsname name{};
  uname(&name);
  if (syscall(SYS_openat2, AT_FDCWD, nullptr, nullptr, 0) < 0 && errno == ENOSYS)
    return report->no("kernel", "", fmt::format("Linux {} has no openat2", name.release), "minirun needs Linux 5.14");
  report->yes("kernel", fmt::format("Linux {}", name.release));
  auto facts = probe_host();
  if (!facts.ok()) return report->warn("kernel", "", facts.error().text());
  const bool maps_mounts = syscall(SYS_mount_setattr, -1, nullptr, 0, nullptr, 0) < 0 && errno != ENOSYS;
  if (!maps_mounts) report->warn("kernel", "", "has no mount_setattr: mounts cannot map ids", "Linux 5.12 has it");
  if (facts->root_needs_move)
    report->warn("kernel", "", "the root is an initramfs, which cannot be pivoted: minirun moves its own over it");
  report->yes("labels", facts->selinux ? "SELinux is enabled"
                        : access("/sys/module/apparmor/parameters/enabled", F_OK) == 0
                            ? "AppArmor is in this kernel"
                            : "neither SELinux nor AppArmor");
}

void check_user_namespace(CheckReport* report) {
  const int flags =
      CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWNET;
  const int code = try_namespaces(flags);
  if (code == 0) return report->yes("user", "this user can make user namespaces");
  const std::string message =
      code < 0 ? "could not be tried" : fmt::format("user namespaces cannot be made: {}", std::strerror(code));
  const char* remedy =
      "see user.max_user_namespaces, kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns";
  if (geteuid() != 0) return report->no("user", "", message, remedy);
  report->warn("user", "", message, remedy);
}

// Lines of subuid(5): NAME:FIRST:COUNT.
void check_subids(CheckReport* report) {
  if (geteuid() == 0) return;
  const char* name = getenv("USER");
  for (const char* file : {"/etc/subuid", "/etc/subgid"}) {
    auto text = read_file(AT_FDCWD, file);
    std::string lines = "\n" + (text.ok() ? *text : "");
    const bool found = lines.find(fmt::format("\n{}:", geteuid())) != std::string::npos ||
                       (name != nullptr && lines.find(fmt::format("\n{}:", name)) != std::string::npos);
    if (found)
      report->yes("user", fmt::format("{} has ids for this user", file));
    else
      report->warn("user", "", fmt::format("{} has no ids for this user: a container has one id only", file),
                   "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER");
  }
}

void check_controllers(CheckReport* report) {
  auto hierarchy = find_hierarchy();
  if (!hierarchy.ok()) return report->no("cgroup", "", hierarchy.error().text(), "mount cgroup2 on /sys/fs/cgroup");
  report->yes("cgroup", fmt::format("cgroup2 is mounted on {}", hierarchy->mount_point));
  auto offered = read_file(hierarchy->root.get(), "cgroup.controllers");
  auto text = read_file(AT_FDCWD, "/proc/cgroups");
  const auto states = parse_proc_cgroups(text.ok() ? *text : "");
  for (const char* controller : {"cpu", "cpuset", "hugetlb", "io", "memory", "pids", "rdma"}) {
    if (offered.ok() && lists_controller(*offered, controller))
      report->yes("cgroup", fmt::format("the controller {} is there", controller));
    else
      report->warn(
          "cgroup", "",
          fmt::format("no limits by the controller {}, {}", controller, why_controller_missing(controller, states)));
  }
  auto own = read_file(AT_FDCWD, "/proc/self/cgroup");
  auto path = own.ok() ? own_cgroup_path(*own) : Result<std::string>(own.error());
  if (geteuid() == 0 || !path.ok()) return;
  if (faccessat(hierarchy->root.get(), ("." + *path).c_str(), W_OK, AT_EACCESS) == 0)
    return report->yes("cgroup", fmt::format("{} is delegated to this user", *path));
  report->warn("cgroup", "", fmt::format("{} is not delegated to this user: no limits", *path),
               "systemd-run --user --scope --property=Delegate=yes minirun ...");
}

void check_seccomp_actions(CheckReport* report) {
  struct Action {
    const char* name;
    uint32_t value;
  };
  constexpr Action kActions[] = {
      {"KILL_PROCESS", SECCOMP_RET_KILL_PROCESS}, {"TRAP", SECCOMP_RET_TRAP},   {"ERRNO", SECCOMP_RET_ERRNO},
      {"NOTIFY", SECCOMP_RET_USER_NOTIF},         {"TRACE", SECCOMP_RET_TRACE}, {"LOG", SECCOMP_RET_LOG}};
  std::string missing;
  for (const Action& action : kActions) {
    if (!kernel_has_action(action.value)) missing += std::string(" ") + action.name;
  }
  if (missing.empty()) return report->yes("seccomp", "this kernel has every action");
  report->warn("seccomp", "", "this kernel lacks the actions" + missing);
}

void check_limits(CheckReport* report) {
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0)
    report->yes("limits", fmt::format("{} open files for minirun, {} at most", files.rlim_cur, files.rlim_max));
  auto most = read_file(AT_FDCWD, "/proc/sys/fs/nr_open");
  if (most.ok())
    report->yes("limits", "the kernel allows " + most->substr(0, most->find('\n')) + " open files a process");
  auto nested = is_in_user_namespace();
  const bool capable = (grantable_capabilities() >> CAP_SYS_RESOURCE & 1) != 0 && nested.ok() && !*nested;
  if (!capable)
    report->warn("limits", "", "no CAP_SYS_RESOURCE of the host: a container cannot raise limits of minirun's");
}

}  // namespace

CheckReport check_host() {
  CheckReport report;
  check_kernel(&report);
  check_user_namespace(&report);
  check_subids(&report);
  check_controllers(&report);
  check_seccomp_actions(&report);
  check_limits(&report);
  auto criu = find_criu();
  if (criu.ok())
    report.yes("criu", *criu);
  else
    report.warn("criu", "", "no checkpoint and restore: " + criu.error().text());
  return report;
}

}  // namespace minirun
