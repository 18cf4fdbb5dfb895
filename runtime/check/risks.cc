// SPDX-License-Identifier: Apache-2.0
// What the container gains over the host, or can take from it: warnings, as the config may mean it.
#include <fmt/format.h>
#include <sched.h>

#include "runtime/check/parts.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/parse.h"
#include "runtime/oci/spec_facts.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

void warn_of_namespaces(const CheckedBundle& bundle, CheckReport* report) {
  constexpr uint32_t kTypes[] = {CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNS, CLONE_NEWCGROUP};
  for (uint32_t type : kTypes) {
    if (oci::find_namespace(bundle.spec, type) == nullptr)
      report->warn("risk", "/linux/namespaces",
                   fmt::format("has no {} namespace: the container shares the host's", oci::namespace_name(type)));
  }
}

void warn_of_mounts(const CheckedBundle& bundle, CheckReport* report) {
  for (size_t i = 0; i < bundle.spec.mounts.size(); ++i) {
    const oci::Mount& mount = bundle.spec.mounts[i];
    const MountOptions& options = mount.parsed;
    if (options.bind || ((options.own.set | options.below.set) & abi::kMountAttrReadonly) != 0) continue;
    const bool cgroup = mount.type == "cgroup" || mount.type == "cgroup2";
    if (cgroup || mount.type == "sysfs")
      report->warn("risk", fmt::format("/mounts/{}", i),
                   fmt::format("is a writable {}", cgroup ? "tree of cgroups" : "sysfs"), "add the option ro");
  }
}

}  // namespace

void find_risks(const CheckedBundle& bundle, CheckReport* report) {
  const oci::Spec& spec = bundle.spec;
  for (const std::string& power : bundle.prepared.compiled.powers) {
    const size_t end = power.find(": ");
    if (end == std::string::npos) continue;
    report->warn("risk", power.substr(0, end), power.substr(end + 2));
  }
  if (!bundle.user_namespace && spec.process && spec.process->user.uid == 0)
    report->warn("risk", "/process/user/uid", "is the host's root, as the container has no user namespace");
  if (!spec.linux_.seccomp)
    report->warn("risk", "/linux/seccomp", "is missing: the container may make every system call");
  if (spec.process && !spec.process->no_new_privileges)
    report->warn("risk", "/process/noNewPrivileges", "is not true: setuid programs give the process more rights");
  const auto& resources = spec.linux_.resources;
  if (!resources || resources->pids_limit.value_or(-1) < 0)
    report->warn("risk", "/linux/resources/pids/limit", "is missing: the container may fill the host with processes");
  warn_of_namespaces(bundle, report);
  warn_of_mounts(bundle, report);
  for (size_t i = 0; resources && i < resources->devices.size(); ++i) {
    const oci::DeviceRule& rule = resources->devices[i];
    if (rule.allow && (rule.type == 'a' || !rule.major) &&
        (rule.access.empty() || rule.access.find_first_of("rw") != std::string::npos))
      report->warn("risk", fmt::format("/linux/resources/devices/{}", i), "allows all devices of the host");
  }
}

}  // namespace minirun
