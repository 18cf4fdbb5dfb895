// SPDX-License-Identifier: Apache-2.0
// Namespaces and ids: a child process makes the namespaces and ends, and with it they are gone (unshare(2)).
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "namespaces/id_map.h"
#include "namespaces/sources.h"
#include "runtime/check/parts.h"
#include "runtime/oci/parse.h"
#include "runtime/oci/spec_facts.h"
#include "sys/file.h"

namespace minirun {

int in_child(int (*work)(const void*), const void* argument) {
  const pid_t pid = fork();
  if (pid == 0) _exit(work(argument));
  int status = 0;
  while (pid > 0 && waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int make_namespaces(const void* flags) {
  return unshare(*static_cast<const int*>(flags)) < 0 ? errno : 0;
}

int try_namespaces(int flags) {
  return in_child(make_namespaces, &flags);
}

namespace {

std::string why_none(int code, int flags) {
  if (code == ENOSPC) return "a limit of user.max_*_namespaces is reached";
  if (code == EPERM && (flags & CLONE_NEWUSER) != 0)
    return "this host forbids user namespaces, or minirun's root is a chroot";
  return code == EINVAL ? "this kernel lacks one of them" : std::strerror(code);
}

std::string names_of_types(const oci::Spec& spec) {
  std::string names;
  for (const oci::Namespace& ns : spec.linux_.namespaces)
    if (ns.path.empty()) names += (names.empty() ? "" : ", ") + std::string(oci::namespace_name(ns.type));
  return names;
}

// Whether a map of this process's user namespace has a place for the ids.
bool has_ids(const IdMaps& own, const oci::IdMapping& wanted) {
  const uint64_t end = uint64_t{wanted.host_id} + wanted.size;
  uint64_t at = wanted.host_id;
  for (bool found = true; found && at < end;) {
    found = false;
    for (const IdMap& map : own) {
      if (at < map.container_id || at >= uint64_t{map.container_id} + map.size) continue;
      at = uint64_t{map.container_id} + map.size;
      found = true;
    }
  }
  return at >= end;
}

void check_map(const std::vector<oci::IdMapping>& wanted, const IdMaps& own, const char* pointer, CheckReport* report) {
  for (size_t i = 0; i < wanted.size(); ++i)
    if (!has_ids(own, wanted[i]))
      report->no(
          "namespaces", fmt::format("{}/{}", pointer, i),
          fmt::format("maps ids from {} on, which minirun's own user namespace does not have", wanted[i].host_id),
          "see /proc/self/uid_map and gid_map");
}

}  // namespace

void check_namespaces(const CheckedBundle& bundle, CheckReport* report) {
  uint64_t types = 0;
  bool failed = false;
  for (size_t i = 0; i < bundle.spec.linux_.namespaces.size(); ++i) {
    const oci::Namespace& ns = bundle.spec.linux_.namespaces[i];
    if (ns.path.empty()) {
      if (ns.type != CLONE_NEWUSER || !bundle.entered) types |= ns.type;
      continue;
    }
    auto opened = open_namespace(ns.path, ns.type);
    const std::string pointer = fmt::format("/linux/namespaces/{}", i);
    if (!opened.ok()) {
      report->no("namespaces", pointer, opened.error().text());
      failed = true;
    } else if (bundle.entered && ns.type != CLONE_NEWUSER) {
      report->unknown("namespaces", pointer, "whether this user may join it");
    }
  }
  const int flags = static_cast<int>(types);
  const int code = flags == 0 ? 0 : try_namespaces(flags);
  if (code > 0) return report->no("namespaces", "/linux/namespaces", why_none(code, flags));
  if (code < 0) return report->unknown("namespaces", "/linux/namespaces", "a child process could not be made to try");
  if (!failed && flags != 0) report->yes("namespaces", names_of_types(bundle.spec) + ": can be made");
}

void check_id_maps(const CheckedBundle& bundle, CheckReport* report) {
  const oci::Linux& given = bundle.spec.linux_;
  if (bundle.new_user) {
    auto self = open_at(AT_FDCWD, "/proc/self/ns/user", O_RDONLY);
    auto uids = read_file(AT_FDCWD, "/proc/self/uid_map");
    if (self.ok() && uids.ok() && uids->find("4294967295") == std::string::npos) {
      auto own = read_id_maps(self->get());
      if (!own.ok()) return report->unknown("namespaces", "/linux/uidMappings", own.error().text());
      check_map(given.uid_mappings, own->uids, "/linux/uidMappings", report);
      check_map(given.gid_mappings, own->gids, "/linux/gidMappings", report);
    }
  }
  if (given.uid_mappings.empty() || !bundle.spec.process) return;
  const oci::User& user = bundle.spec.process->user;
  const char* kRemedy = "map it, or choose one that is mapped";
  if (!oci::maps_id(given.uid_mappings, user.uid))
    report->no("process", "/process/user/uid", fmt::format("{} is not in /linux/uidMappings", user.uid), kRemedy);
  if (!oci::maps_id(given.gid_mappings, user.gid))
    report->no("process", "/process/user/gid", fmt::format("{} is not in /linux/gidMappings", user.gid), kRemedy);
  for (size_t i = 0; i < user.additional_gids.size(); ++i)
    if (!oci::maps_id(given.gid_mappings, user.additional_gids[i]))
      report->no("process", fmt::format("/process/user/additionalGids/{}", i),
                 fmt::format("{} is not in /linux/gidMappings", user.additional_gids[i]), kRemedy);
}

}  // namespace minirun
