// SPDX-License-Identifier: Apache-2.0
#include "cgroups/signal.h"

#include <cstdlib>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "cgroups/walk.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/pidfd.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

constexpr size_t kMostProcsBytes = 64 << 20;  // PID_MAX_LIMIT numbers
constexpr int kMostPasses = 64;               // for a cgroup that forks faster than it is signalled
constexpr size_t kBatch = 64;                 // descriptors at a time

std::set<pid_t> pids_in(std::string_view text) {
  std::set<pid_t> pids;
  while (!text.empty()) {
    std::string line(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    pid_t pid = static_cast<pid_t>(strtol(line.c_str(), nullptr, 10));
    if (pid > 0) pids.insert(pid);  // 0: outside of our pid namespace
  }
  return pids;
}

// EOPNOTSUPP: a threaded cgroup, whose processes are listed above.
Result<std::set<pid_t>> read_pids(int cgroup_fd) {
  auto text = read_file(cgroup_fd, "cgroup.procs", kMostProcsBytes);
  if (text.ok()) return pids_in(*text);
  int code = text.error().code;
  if (code == ENOENT || code == ENODEV || code == EOPNOTSUPP) return std::set<pid_t>{};
  return text.error();
}

class Sender {
 public:
  Sender(int signal, pid_t spared) : signal_(signal), spared_(spared) {}

  // Signals one cgroup once. Adds to the number of processes found.
  Result<void> send_to(int cgroup_fd) {
    std::vector<std::pair<pid_t, UniqueFd>> held;
    for (pid_t pid : TRY(read_pids(cgroup_fd))) {
      if (pid == spared_ || done_.contains(pid)) continue;
      auto pidfd = open_pidfd(pid);
      if (!pidfd.ok() && is_transient(pidfd.error().code)) return pidfd.error();
      if (pidfd.ok()) held.emplace_back(pid, std::move(pidfd).value());
      if (held.size() == kBatch) TRY(deliver(cgroup_fd, &held));
    }
    return deliver(cgroup_fd, &held);
  }

  size_t count() const { return done_.size(); }

 private:
  // A process that is listed again while its pidfd is held is the right one.
  Result<void> deliver(int cgroup_fd, std::vector<std::pair<pid_t, UniqueFd>>* held) {
    if (held->empty()) return {};
    std::set<pid_t> inside = TRY(read_pids(cgroup_fd));
    for (const auto& [pid, pidfd] : *held) {
      if (!inside.contains(pid)) continue;
      auto sent = send_signal(pidfd.get(), signal_);
      if (!sent.ok()) return fail(sent.error().code, "send signal {} to process {}", signal_, pid);
      if (*sent) done_.insert(pid);
    }
    held->clear();
    return {};
  }

  int signal_;
  pid_t spared_;
  std::set<pid_t> done_;
};

}  // namespace

Result<size_t> signal_processes(int cgroup_fd, int signal, pid_t spared) {
  Sender sender(signal, spared);
  for (int pass = 0; pass < kMostPasses; pass++) {
    size_t before = sender.count();
    Result<void> sent;
    TRY(walk_cgroups(cgroup_fd, {}, [&](const std::string&, int fd) {
      if (sent.ok()) sent = sender.send_to(fd);
      return sent.ok();
    }));
    if (!sent.ok()) return sent.error();
    if (sender.count() == before) break;
  }
  return sender.count();
}

}  // namespace minirun
