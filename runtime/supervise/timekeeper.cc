// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/timekeeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>

#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr std::chrono::seconds kDyingTime{10};
// The time between two reads of the counter: no CPU runs longer than that past the limit.
constexpr nanoseconds kShortestLook = milliseconds(10);
constexpr nanoseconds kLongestLook = std::chrono::hours(1);

// usage_usec, the first line of cpu.stat (cgroup-v2.rst, "CPU Interface Files"): user and system time of all present
// and former processes in the cgroup and below it. It needs no controller. Absent: the cgroup was removed.
Result<std::optional<uint64_t>> read_cpu_time(int cpu_stat) {
  constexpr std::string_view kKey = "usage_usec ";
  char text[1024];
  ssize_t n = pread(cpu_stat, text, sizeof text, 0);
  if (n < 0 && errno == ENODEV) return std::optional<uint64_t>();
  if (n < 0) return fail(errno, "read cpu.stat");
  std::string_view line(text, static_cast<size_t>(n));
  uint64_t usage = 0;
  bool good = line.starts_with(kKey) &&
              std::from_chars(line.data() + kKey.size(), line.data() + line.size(), usage).ec == std::errc();
  if (!good) return fail(EINVAL, "read cpu.stat");
  return std::optional(usage);
}

}  // namespace

Result<Timekeeper> Timekeeper::start(const Deadline& deadline, const Cgroup& cgroup) {
  Timekeeper keeper;
  keeper.deadline_ = deadline;
  if (!deadline.any() || cgroup.is_none()) return keeper;
  keeper.kill_ = TRY(open_at(cgroup.fd(), "cgroup.kill", O_WRONLY));
  keeper.freeze_ = TRY(open_at(cgroup.fd(), "cgroup.freeze", O_WRONLY));
  if (!deadline.cpu_time) return keeper;
  keeper.cpu_stat_ = TRY(open_at(cgroup.fd(), "cpu.stat", O_RDONLY));
  keeper.cpu_before_us_ = TRY(read_cpu_time(keeper.cpu_stat_.get())).value_or(0);
  keeper.next_look_ = Clock::now();
  return keeper;
}

int Timekeeper::patience_ms() const {
  if (!*this) return -1;
  Clock::time_point next = next_look_;
  if (stage_ == Stage::running && deadline_.end) next = std::min(next, *deadline_.end);
  if (next == Clock::time_point::max()) return -1;
  auto left = std::chrono::ceil<milliseconds>(next - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, std::chrono::ceil<milliseconds>(kLongestLook).count()));
}

// n CPUs use at most n seconds of CPU time in a second, so no earlier read is needed.
Result<TimeLimit> Timekeeper::look() {
  auto now = Clock::now();
  if (deadline_.end && now >= *deadline_.end) return TimeLimit::timeout;
  if (!cpu_stat_ || now < next_look_) return TimeLimit::none;
  auto used = TRY(read_cpu_time(cpu_stat_.get()));
  next_look_ = Clock::time_point::max();
  if (!used) return TimeLimit::none;
  nanoseconds left = *deadline_.cpu_time - std::chrono::microseconds(*used - cpu_before_us_);
  if (left <= nanoseconds(0)) return TimeLimit::cpu_time;
  long cpus = std::max(sysconf(_SC_NPROCESSORS_ONLN), 1L);
  next_look_ = now + std::clamp(left / cpus, kShortestLook, kLongestLook);
  return TimeLimit::none;
}

// A paused container cannot act on its signal, so it is thawed with the signal pending. The SIGKILL that follows is the
// only remedy for errors: a cgroup that is gone, a receiver that may not be signalled.
void Timekeeper::ask(int pidfd) {
  stage_ = Stage::asked;
  next_look_ = Clock::now() + deadline_.grace;
  (void)send_signal(pidfd, deadline_.stop_signal);
  if (freeze_) (void)!write(freeze_.get(), "0", 1);
}

// The cgroup first: frozen with it, the outer process of an exec would keep its clone from being reaped.
void Timekeeper::kill(int pidfd) {
  stage_ = Stage::killed;
  next_look_ = Clock::now() + kDyingTime;
  if (kill_) (void)!write(kill_.get(), "1", 1);
  (void)send_signal(pidfd, SIGKILL);
}

void Timekeeper::was_killed() {
  if (stage_ != Stage::running || !deadline_.end || Clock::now() < *deadline_.end) return;
  limit_ = TimeLimit::timeout;
  stage_ = Stage::killed;
}

Result<void> Timekeeper::turn(int pidfd) {
  if (!*this) return {};
  if (stage_ == Stage::running) {
    TimeLimit reached = TRY(look());
    if (reached == TimeLimit::none || TRY(has_ended(pidfd))) return {};
    limit_ = reached;
    if (deadline_.grace > nanoseconds(0))
      ask(pidfd);
    else
      kill(pidfd);
    return {};
  }
  if (Clock::now() < next_look_) return {};
  if (stage_ == Stage::killed) return fail(ErrorKind::host, "its time is over, and it does not end after SIGKILL");
  kill(pidfd);
  return {};
}

}  // namespace minirun
