// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/exec_cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "cgroups/freezer.h"
#include "cgroups/hierarchy.h"
#include "runtime/oci/annotations.h"
#include "runtime/text/random_id.h"
#include "sys/file.h"

namespace minirun {
namespace {

bool has(const oci::Strings& list, const char* word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

// Why processes of the container might move to another cgroup, for which they must be able to write to cgroup.procs;
// "": they cannot. A user namespace cannot write to files of a cgroup that root made, unless they are given to it, for
// which config.json has a writable mount.
std::string way_out(const oci::Spec& spec) {
  bool own_mounts = false, own_users = false;
  for (const oci::Namespace& ns : spec.linux_.namespaces) {
    own_mounts = own_mounts || ns.type == CLONE_NEWNS;
    own_users = own_users || ns.type == CLONE_NEWUSER;
  }
  if (!own_mounts) return "it has the host's mounts";
  for (const oci::Mount& mount : spec.mounts) {
    bool cgroups = mount.type.starts_with("cgroup") || mount.source.starts_with("/sys/fs/cgroup");
    if (cgroups && !has(mount.options, "ro") && !has(mount.options, "rro"))
      return fmt::format("its mount {} is writable", mount.destination);
  }
  const auto& capabilities = spec.process->capabilities;
  bool may_mount = capabilities && has(capabilities->bounding, "CAP_SYS_ADMIN");
  return may_mount && (!own_users || geteuid() != 0) ? "it has CAP_SYS_ADMIN, and can mount one writable" : "";
}

}  // namespace

Result<Cgroup> make_exec_tree(const ContainerRecord& record, const oci::Spec& spec) {
  if (record.cgroup.path.empty())
    return fail(ErrorKind::state, "--tree, --timeout and --cpu-time need a cgroup, and the container has none");
  std::string way = way_out(spec);
  if (!way.empty())
    return fail(ErrorKind::state,
                "--tree, --timeout and --cpu-time need a cgroup that processes of the container cannot leave: {}", way);
  TRY(open_cgroup(record));  // it is the container's own
  Hierarchy hierarchy = TRY(find_hierarchy());
  return Cgroup::create(hierarchy, fmt::format("{}/minirun-exec-{}", record.cgroup.path, TRY(make_up_id())), {});
}

// A cgroup that passes its controllers on (systemd in the container) can hold no process itself: this then takes the
// cgroup of the container's first process.
Result<Cgroup> exec_cgroup(const ContainerRecord& record, const std::vector<std::string>& options) {
  if (record.cgroup.path.empty() && options.empty()) return Cgroup::none();
  Cgroup own = TRY(open_cgroup(record));
  std::string below;
  if (!options.empty()) {
    below = options.back();
    if (options.size() > 1)
      return fail(ErrorKind::usage, "--cgroup {}: must be given once: cgroup v2 has a single tree", below);
    if (below.find(':') != std::string::npos)
      return fail(ErrorKind::usage,
                  "--cgroup {}: must be a path below the container's cgroup: controllers are for cgroup v1", below);
    while (below.starts_with('/')) below.erase(0, 1);
    while (below.ends_with('/')) below.pop_back();
  } else {
    auto enabled = read_file(own.fd(), "cgroup.subtree_control");
    bool leaves_it = delegated_cgroup(record.annotations).has_value();  // so that it may later pass controllers on
    if (!enabled.ok() || (enabled->find_first_not_of(" \n") == std::string::npos && !leaves_it)) return own;
    auto text = read_file(AT_FDCWD, fmt::format("/proc/{}/cgroup", record.init.pid));
    auto path = text.ok() ? own_cgroup_path(*text) : Result<std::string>(text.error());
    if (path.ok() && path->starts_with(record.cgroup.path + "/")) below = path->substr(record.cgroup.path.size() + 1);
  }
  if (below.empty()) return own;
  Hierarchy hierarchy = TRY(find_hierarchy());
  auto opened = Cgroup::open(hierarchy, {record.cgroup.path + "/" + below, 0, 0, 0});
  if (!opened.ok() && !options.empty()) return wrap(opened.error(), "--cgroup " + options.back());
  return opened;
}

Result<bool> await_thaw(const Container& container, Signals& signals) {
  constexpr int kLookAgainMs = 200;  // an incomplete freeze can end without an event
  Cgroup cgroup = TRY(open_cgroup(container.record));
  UniqueFd events = TRY(open_at(cgroup.fd(), "cgroup.events", O_RDONLY));
  for (;;) {
    TRY(signals.check_abort());
    char text[256];  // poll(2) waits for what changed since the last read
    if (pread(events.get(), text, sizeof text, 0) < 0) return fail(errno, "read cgroup.events");
    if (!TRY(is_frozen(cgroup.fd(), "."))) return true;
    pollfd polls[] = {{events.get(), POLLPRI, 0}, {container.init.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    if (poll(polls, std::size(polls), kLookAgainMs) < 0 && errno != EINTR) return fail(errno, "wait for the container");
    if (polls[1].revents != 0) return false;
  }
}

}  // namespace minirun
