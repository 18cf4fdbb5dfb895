// SPDX-License-Identifier: Apache-2.0
// `minirun events`: prints a container's counters, once or repeatedly, and its OOM kills.
#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "cgroups/stats.h"
#include "runtime/commands/command.h"
#include "runtime/commands/stats_event.h"
#include "runtime/container/container.h"
#include "runtime/text/duration.h"
#include "runtime/text/output.h"
#include "sys/file.h"

namespace minirun {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

struct EventsCommand {
  std::string id;
  bool stats = false;
  std::string interval = "5s";
};

void describe(Options& options, EventsCommand& command) {
  options.flag("--stats", command.stats, "print the counters once");
  options.value("--interval", "TIME", command.interval, "time between two prints, such as 500ms or 1m (default: 5s)");
  options.id(command.id);
}

bool is_gone(const Error& error) {
  return error.code == ENODEV || error.code == ENOENT;
}

// The stream, until the container ends.
class EventStream {
 public:
  EventStream(std::string id, int init_fd, const Cgroup& cgroup, std::chrono::nanoseconds interval)
      : id_(std::move(id)), init_fd_(init_fd), cgroup_(cgroup), interval_(interval) {}

  Result<void> run();

 private:
  Result<void> print_oom_kills();
  Result<bool> wait(steady_clock::time_point until);

  std::string id_;
  int init_fd_;
  const Cgroup& cgroup_;
  std::chrono::nanoseconds interval_;
  UniqueFd memory_events_;  // empty without the memory controller
  uint64_t oom_kills_ = 0;
};

// One line for each observed change; none when the cgroup is gone.
Result<void> EventStream::print_oom_kills() {
  if (memory_events_) {
    char text[512];
    (void)!pread(memory_events_.get(), text, sizeof text, 0);  // arms the next poll(2) for POLLPRI
  }
  auto stats = read_stats(cgroup_.fd());
  if (!stats.ok()) return is_gone(stats.error()) ? Result<void>() : Result<void>(stats.error());
  uint64_t kills = stats->oom_kills.value_or(oom_kills_);
  bool more = kills > oom_kills_;
  oom_kills_ = kills;
  return more ? write_output(oom_event(id_)) : Result<void>();
}

// Waits until that time or an event. False: the container has ended.
Result<bool> EventStream::wait(steady_clock::time_point until) {
  auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
  pollfd fds[] = {{init_fd_, POLLIN, 0}, {memory_events_.get(), POLLPRI, 0}};  // poll(2) ignores a negative one
  int ready = poll(fds, 2, static_cast<int>(std::clamp<int64_t>(left.count(), 0, INT_MAX)));
  if (ready < 0 && errno != EINTR) return fail(errno, "poll");
  return ready <= 0 || fds[0].revents == 0;
}

Result<void> EventStream::run() {
  auto opened = open_at(cgroup_.fd(), "memory.events", O_RDONLY);
  if (opened.ok()) memory_events_ = std::move(opened).value();
  auto stats = read_stats(cgroup_.fd());
  if (stats.ok()) oom_kills_ = stats->oom_kills.value_or(0);  // earlier ones are not reported
  for (auto next = steady_clock::now() + interval_;;) {
    bool lives = TRY(wait(next));
    TRY(print_oom_kills());
    if (!lives) return {};
    if (steady_clock::now() < next) continue;
    auto line = stats_event(id_, cgroup_.fd());
    if (!line.ok() && is_gone(line.error())) return {};
    if (!line.ok()) return line.error();
    TRY(write_output(*line));
    next = std::max(next + interval_, steady_clock::now());
  }
}

Result<std::string> events(const GlobalOptions& global, const EventsCommand& command) {
  auto interval = parse_duration(command.interval);
  if (!interval.ok()) return wrap(interval.error(), "--interval");
  if (interval->count() <= 0) return fail(ErrorKind::usage, "--interval: must be greater than 0");
  Container container = TRY(find_container(global.root, command.id));
  Cgroup cgroup = TRY(open_running_cgroup(container));
  if (command.stats) return stats_event(command.id, cgroup.fd());
  TRY(EventStream(command.id, container.init.get(), cgroup, *interval).run());
  return std::string();
}

Result<Outcome> perform(const GlobalOptions& global, const EventsCommand& command) {
  return Outcome{0, TRY(events(global, command))};
}

}  // namespace

Command events_command() {
  return Command::of<EventsCommand, describe, perform>({
      .summary = "print counters and events of a container",
      .arguments = "ID",
      .description =
          "Prints the counters of the container's cgroup as JSON every --interval, and a line whenever the memory "
          "limit kills a process. With --stats it prints the counters once.",
      .examples = {{{"minirun events --stats web1", "the counters now"},
                    {"minirun events --interval 500ms web1", "twice a second until web1 ends"}}},
  });
}

}  // namespace minirun
