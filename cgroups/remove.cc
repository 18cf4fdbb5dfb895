// SPDX-License-Identifier: Apache-2.0
// Waits until a cgroup is empty, and removes it with everything below it.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "cgroups/processes.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace minirun {
namespace {

using std::chrono::nanoseconds;
using std::chrono::steady_clock;

constexpr nanoseconds kFirstLook = std::chrono::microseconds(50);
constexpr nanoseconds kNotice = std::chrono::milliseconds(10);  // CGROUP_FILE_NOTIFY_MIN_INTV in kernel/cgroup
constexpr nanoseconds kLongest = std::chrono::seconds(1);

bool expired(Cgroup::Deadline deadline) {
  return steady_clock::now() >= deadline;
}

// Waits for a change of cgroup.events since it was read, for at most `most` and never past the deadline.
void wait_for_change(int events_fd, nanoseconds most, Cgroup::Deadline deadline) {
  auto left = std::clamp<nanoseconds>(deadline - steady_clock::now(), nanoseconds(0), most);
  timespec time{left / std::chrono::seconds(1), (left % std::chrono::seconds(1)).count()};
  pollfd wait{events_fd, POLLPRI, 0};
  (void)ppoll(&wait, 1, &time, nullptr);  // whatever ends it, the caller checks
}

// Removes child cgroups without children. Returns the name of one that remains because it has children or processes, or
// "".
Result<std::string> remove_leaves(int cgroup_fd) {
  std::string busy;
  TRY(for_each_entry(cgroup_fd, ".", [&](const dirent& entry) -> Result<bool> {
    bool refused = entry.d_type == DT_DIR && unlinkat(cgroup_fd, entry.d_name, AT_REMOVEDIR) < 0 && errno != ENOENT;
    if (refused) busy = entry.d_name;
    return true;
  }));
  return busy;
}

// Removes everything below the cgroup, depth first. One descriptor at a time however deep the tree is: the container
// may have made it. EBUSY: something in it has processes.
Result<void> remove_children(int cgroup_fd, Cgroup::Deadline deadline) {
  UniqueFd here = TRY(open_at(cgroup_fd, ".", O_PATH | O_DIRECTORY));
  std::vector<std::string> below;  // the names from the cgroup down to here
  for (;;) {
    std::string child = TRY(remove_leaves(here.get()));
    if (expired(deadline)) return fail(EBUSY, "remove child cgroups");
    if (!child.empty()) {
      auto next = open_at(here.get(), child, O_PATH | O_DIRECTORY);
      if (!next && next.error().code == ENOENT) continue;  // removed meanwhile
      if (!next) return next.error();
      here = std::move(*next);
      below.push_back(std::move(child));
      continue;
    }
    if (below.empty()) return {};
    here = TRY(open_at(here.get(), "..", O_PATH | O_DIRECTORY));
    // It has no children now: EBUSY means that it has processes.
    if (unlinkat(here.get(), below.back().c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
      return fail(errno, "remove child cgroup {}", below.back());
    below.pop_back();
  }
}

// rmdir(2) of the leaf, if it is the record's. Success also if it is gone.
Result<void> remove_leaf(int root_fd, const CgroupRecord& record) {
  const char* name = record.path.c_str() + 1;
  struct stat info {};
  if (fstatat(root_fd, name, &info, AT_SYMLINK_NOFOLLOW) < 0) {
    if (errno == ENOENT) return {};
    return fail(errno, "stat cgroup {}", record.path);
  }
  bool other = record.inode != 0 && (info.st_dev != record.device || info.st_ino != record.inode);
  if (other || unlinkat(root_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
  return fail(errno, "remove cgroup {}", record.path);
}

// Removes the directories above the leaf that were made with it. Those that others use by now stay, which is no error.
void remove_parents(int root_fd, const CgroupRecord& record) {
  std::string path = record.path;
  for (uint32_t left = record.made; left > 1; --left) {
    path.resize(path.rfind('/'));
    if (unlinkat(root_fd, path.c_str() + 1, AT_REMOVEDIR) < 0 && errno != ENOENT) return;
  }
}

// Reading cgroup.events arms the next poll(2) for POLLPRI. A cgroup that is gone has no processes.
Result<bool> says_populated(int events_fd, const std::string& path) {
  char text[128];
  ssize_t n = pread(events_fd, text, sizeof text, 0);
  if (n < 0 && errno == ENODEV) return false;
  if (n < 0) return fail(errno, "read cgroup.events of cgroup {}", path);
  return std::string_view(text, static_cast<size_t>(n)).find("populated 1") != std::string_view::npos;
}

// One try, when the cgroup has no processes. EBUSY: try again later.
Result<void> remove_tree(int root_fd, int leaf_fd, const CgroupRecord& record, Cgroup::Deadline deadline) {
  auto removed = remove_children(leaf_fd, deadline);
  if (!removed && removed.error().code != ENOENT && removed.error().code != ENODEV) return removed;
  if (record.made == 0) return {};  // it existed before, so it stays
  return remove_leaf(root_fd, record);
}

// Empty if the cgroup is gone.
Result<UniqueFd> open_events(int leaf_fd) {
  auto events = open_at(leaf_fd, "cgroup.events", O_RDONLY);
  if (!events && (events.error().code == ENOENT || events.error().code == ENODEV)) return UniqueFd();
  return events;
}

}  // namespace

Result<void> Cgroup::wait_until_empty(Deadline deadline) const {
  if (is_none()) return {};
  UniqueFd events = TRY(open_events(leaf_.get()));
  if (!events) return {};
  for (nanoseconds interval = kFirstLook; TRY(says_populated(events.get(), record_.path));
       interval = interval > kNotice ? kLongest : interval * 2) {
    if (expired(deadline))
      return fail(EBUSY, "cgroup {}: still in use by {}", record_.path, describe_processes(leaf_.get()));
    wait_for_change(events.get(), interval, deadline);
  }
  return {};
}

Result<bool> Cgroup::is_populated() const {
  if (is_none()) return false;
  UniqueFd events = TRY(open_events(leaf_.get()));
  return events ? says_populated(events.get(), record_.path) : false;
}

Result<void> Cgroup::remove(Processes processes, Deadline deadline) {
  if (is_none()) return {};
  // Usually all processes are gone and this suffices. (Also if another process removed it.)
  if (record_.made > 0 && remove_leaf(root_.get(), record_)) {
    remove_parents(root_.get(), record_);
    return {};
  }
  UniqueFd events = TRY(open_events(leaf_.get()));
  if (!events) {  // another process removed it
    remove_parents(root_.get(), record_);
    return {};
  }
  // The kernel sends at most one notice in 10 ms for a file, so that of a short-lived container's end comes late: until
  // then this polls at growing intervals.
  bool kills = processes == Processes::kill;
  for (nanoseconds interval = kFirstLook;; interval = interval > kNotice ? kLongest : interval * 2) {
    bool populated = TRY(says_populated(events.get(), record_.path));
    // Kills once at first, and again after a time without a notice, for processes that have moved in meanwhile.
    if (populated && kills && (interval == kFirstLook || interval > kNotice)) TRY(kill());
    Result<void> removed = fail(EBUSY, "");
    if (!populated) removed = remove_tree(root_.get(), leaf_.get(), record_, deadline);
    if (removed) break;
    if (removed.error().code != EBUSY) return removed;
    if (expired(deadline))
      return fail(EBUSY, "remove cgroup {}: still in use by {}", record_.path, describe_processes(leaf_.get()));
    // Busy without processes means that a child cgroup is just being made, which raises no event.
    wait_for_change(events.get(), populated ? interval : std::min(interval, kNotice), deadline);
  }
  remove_parents(root_.get(), record_);
  return {};
}

}  // namespace minirun
