// The end of a cgroup: waiting until it is empty, and taking it away with everything below it.
#include <dirent.h>
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
#include "sys/file.h"

namespace minirun {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

bool expired(Cgroup::Deadline deadline) {
  return steady_clock::now() >= deadline;
}

// How long poll(2) may wait: never past the deadline, rounded up so that the last wait does not become a busy loop.
int poll_time_ms(Cgroup::Deadline deadline, milliseconds most) {
  auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
  return static_cast<int>(std::clamp(left, milliseconds(0), most).count());
}

// Removes the child cgroups that have no children themselves. Returns the name of one that has (or has processes) and
// so is still there; empty when none is left.
Result<std::string> remove_leaves(int cgroup_fd) {
  UniqueFd fd = TRY(open_at(cgroup_fd, ".", O_RDONLY | O_DIRECTORY));  // its own position, for reading the directory
  DIR* directory = fdopendir(fd.get());
  if (directory == nullptr) return fail(errno, "read a cgroup directory");
  (void)fd.release();  // closedir closes it
  std::string busy;
  while (dirent* entry = readdir(directory)) {
    if (entry->d_type != DT_DIR || entry->d_name[0] == '.') continue;
    if (unlinkat(cgroup_fd, entry->d_name, AT_REMOVEDIR) < 0 && errno != ENOENT) busy = entry->d_name;
  }
  closedir(directory);
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
      if (!next && next.error().code == ENOENT) continue;  // it has just gone
      if (!next) return next.error();
      here = std::move(*next);
      below.push_back(std::move(child));
      continue;
    }
    if (below.empty()) return {};
    here = TRY(open_at(here.get(), "..", O_PATH | O_DIRECTORY));
    // No children any more: what still refuses has processes.
    if (unlinkat(here.get(), below.back().c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
      return fail(errno, "remove child cgroup {}", below.back());
    below.pop_back();
  }
}

// rmdir(2) of the leaf, as long as it is the one of the record. Success also when it is gone.
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

// The directories above the leaf that were made with it. Those that others use by now stay: that is no error.
void remove_parents(int root_fd, const CgroupRecord& record) {
  std::string path = record.path;
  for (uint32_t left = record.made; left > 1; --left) {
    path.resize(path.rfind('/'));
    if (unlinkat(root_fd, path.c_str() + 1, AT_REMOVEDIR) < 0 && errno != ENOENT) return;
  }
}

// Reading cgroup.events arms the next poll(2) for POLLPRI. A cgroup that is gone has no processes.
Result<bool> is_populated(int events_fd, const std::string& path) {
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
  if (record.made == 0) return {};  // it was there before: it is left as it was found
  return remove_leaf(root_fd, record);
}

}  // namespace

Result<void> Cgroup::remove(Processes processes, Deadline deadline) {
  // Mostly everybody is gone already and this is all.
  if (record_.made > 0 && remove_leaf(root_.get(), record_)) {
    remove_parents(root_.get(), record_);
    return {};
  }
  UniqueFd events;
  if (auto opened = open_at(leaf_.get(), "cgroup.events", O_RDONLY)) {
    events = std::move(*opened);
  } else if (opened.error().code == ENOENT || opened.error().code == ENODEV) {
    return {};  // removed by somebody else
  } else {
    return opened.error();
  }
  for (;;) {
    bool populated = TRY(is_populated(events.get(), record_.path));
    if (populated && processes == Processes::kill) TRY(kill());
    Result<void> removed = fail(EBUSY, "");
    if (!populated) removed = remove_tree(root_.get(), leaf_.get(), record_, deadline);
    if (removed) break;
    if (removed.error().code != EBUSY) return removed;
    if (expired(deadline))
      return fail(EBUSY, "remove cgroup {}: still in use by {}", record_.path, describe_processes(leaf_.get()));
    // Woken by the kernel when the last process has gone. Without processes it is a child cgroup that is just being
    // made or taken away, of which there is no notice: look again soon.
    pollfd wait{events.get(), POLLPRI, 0};
    (void)poll(&wait, 1, poll_time_ms(deadline, populated ? milliseconds(1000) : milliseconds(5)));
  }
  remove_parents(root_.get(), record_);
  return {};
}

}  // namespace minirun
