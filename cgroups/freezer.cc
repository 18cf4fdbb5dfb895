// SPDX-License-Identifier: Apache-2.0
#include "cgroups/freezer.h"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>

#include "cgroups/processes.h"
#include "sys/file.h"

namespace minirun {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// The kernel sends at most one notice in 10 ms for a file (CGROUP_FILE_NOTIFY_MIN_INTV), so this looks again at the
// latest then.
constexpr milliseconds kLongest{100};

Result<bool> events_say(int events_fd, const char* words, const std::string& path) {
  char text[128];
  ssize_t n = pread(events_fd, text, sizeof text, 0);  // arms the next poll(2) for POLLPRI
  if (n < 0) return fail(errno, "read cgroup.events of cgroup {}", path);
  return std::string_view(text, static_cast<size_t>(n)).find(words) != std::string_view::npos;
}

// Writes cgroup.freeze and waits for the words in cgroup.events. False: not before the deadline.
Result<bool> change(const Cgroup& cgroup, const char* value, const char* words, Cgroup::Deadline deadline) {
  const std::string& path = cgroup.record().path;
  UniqueFd events = TRY(open_at(cgroup.fd(), "cgroup.events", O_RDONLY));
  auto written = write_control(cgroup.fd(), "cgroup.freeze", value);
  if (!written) return fail(written.error().code, "write {} to cgroup.freeze of cgroup {}", value, path);
  for (;;) {
    if (TRY(events_say(events.get(), words, path))) return true;
    auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left <= milliseconds(0)) return false;
    pollfd wait{events.get(), POLLPRI, 0};
    (void)poll(&wait, 1, static_cast<int>(std::min(left, kLongest).count()));  // the next check finds out why
  }
}

}  // namespace

Result<bool> is_frozen(int dirfd, const std::string& path) {
  UniqueFd fd = TRY(open_at(dirfd, path + "/cgroup.freeze", O_RDONLY));
  char digit = 0;
  if (read(fd.get(), &digit, 1) < 0) return fail(errno, "read cgroup.freeze of cgroup {}", path);
  return digit == '1';
}

Result<void> freeze(const Cgroup& cgroup, Cgroup::Deadline deadline) {
  auto frozen = change(cgroup, "1", "frozen 1", deadline);
  if (frozen.ok() && *frozen) return {};
  std::string why = frozen.ok() ? describe_unfrozen_processes(cgroup.fd()) + " cannot be frozen" : "";
  // Thaws those that are frozen: a failed pause must have no effect.
  auto undone = write_control(cgroup.fd(), "cgroup.freeze", "0");
  const char* lost = undone.ok() ? "" : ", nor can the others be thawed again";
  if (!frozen.ok()) return fail(frozen.error().kind, "{}{}", frozen.error().text(), lost);
  return fail(ETIMEDOUT, "cgroup {}: {}{}", cgroup.record().path, why, lost);
}

Result<void> thaw(const Cgroup& cgroup, Cgroup::Deadline deadline) {
  if (TRY(change(cgroup, "0", "frozen 0", deadline))) return {};
  return fail(ETIMEDOUT, "cgroup {} stays frozen, as one above it is", cgroup.record().path);
}

}  // namespace minirun
