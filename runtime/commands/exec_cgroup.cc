// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/exec_cgroup.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <iterator>

#include "cgroups/freezer.h"
#include "cgroups/hierarchy.h"
#include "runtime/oci/annotations.h"
#include "sys/file.h"

namespace minirun {

// A cgroup that passes its controllers on (systemd in the container) can hold no process itself: then the one where the
// container's first process is.
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
    bool leaves_it = delegated_cgroup(record.annotations).has_value();  // so that it may pass them on later
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
  constexpr int kLookAgainMs = 200;  // a freeze that is not complete yet ends without an event
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
