// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/join_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/compile/host_facts.h"
#include "sys/file.h"
#include "sys/pidfd.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

Result<ExecFacts> read_facts(pid_t pid) {
  constexpr std::pair<const char*, uint64_t> kTypes[] = {
      {"user", CLONE_NEWUSER}, {"mnt", CLONE_NEWNS},  {"pid", CLONE_NEWPID},   {"net", CLONE_NEWNET},
      {"ipc", CLONE_NEWIPC},   {"uts", CLONE_NEWUTS}, {"time", CLONE_NEWTIME}, {"cgroup", CLONE_NEWCGROUP}};
  ExecFacts facts;
  facts.privileged = geteuid() == 0;
  for (const auto& [name, type] : kTypes) {
    struct stat theirs {
    }, own{};
    if (stat(fmt::format("/proc/self/ns/{}", name).c_str(), &own) < 0) {
      if (errno == ENOENT) continue;  // a kernel without them
      return fail(errno, "inspect minirun's own {} namespace", name);
    }
    if (stat(fmt::format("/proc/{}/ns/{}", pid, name).c_str(), &theirs) < 0)
      return fail(errno, "inspect the {} namespace of the container", name);
    if (own.st_ino != theirs.st_ino || own.st_dev != theirs.st_dev) facts.namespaces |= type;
  }
  if ((facts.namespaces & CLONE_NEWUSER) == 0) return facts;
  auto setgroups = read_file(AT_FDCWD, fmt::format("/proc/{}/setgroups", pid));
  if (!setgroups.ok() && is_transient(setgroups.error().code)) return setgroups.error();
  facts.setgroups_denied = setgroups.ok() && setgroups->starts_with("deny");
  return facts;
}

}  // namespace

Result<ExecFacts> exec_facts(pid_t pid, int pidfd, const oci::Spec& spec) {
  auto facts = read_facts(pid);
  if (facts.ok() && !has_mount_namespace(spec)) {
    const std::string root = fmt::format("/proc/{}/root", pid);
    facts->root.reset(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!facts->root) facts = fail(errno, "open the root of the container");
  }
  if (TRY(has_ended(pidfd))) return fail(ErrorKind::state, "container not running");
  return facts;
}

Result<HostFacts> host_of_joined(const ExecFacts& facts) {
  HostFacts host = TRY(probe_host());
  if ((facts.namespaces & CLONE_NEWUSER) != 0) host.setgroups_denied = facts.setgroups_denied;
  return host;
}

}  // namespace minirun
