// SPDX-License-Identifier: Apache-2.0
// `minirun top`: a table of what the containers use, on a terminal again and again.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "runtime/commands/command.h"
#include "runtime/commands/interval_option.h"
#include "runtime/container/container.h"
#include "runtime/inspect/terminal_screen.h"
#include "runtime/inspect/top_table.h"
#include "runtime/inspect/watcher.h"
#include "runtime/text/output.h"
#include "runtime/text/timestamp.h"

namespace minirun {
namespace {

using std::chrono::steady_clock;

constexpr ExitStatus kTopStatuses[] = {
    {"0", "done, or ended by q or Ctrl-C"},
    {"128+N", "signal N ended it"},
    {"1", "failed; one line on stderr says why"},
};

struct TopCommand {
  std::vector<std::string> ids;
  std::string delay = "1s";
  bool once = false;
  std::string format = "table";
};

void describe(Options& options, TopCommand& command) {
  options.value("-d,--delay", "SECONDS", command.delay, "time between two looks, such as 2 or 500ms (default: 1s)");
  options.flag("--once", command.once, "print one table and end; without a terminal on stdout, a table always is one");
  options.choice("-f,--format", {"table", "json"}, command.format,
                 "how to print; json: an object in a line for each look (default: table)");
  options.ids(command.ids);
}

std::vector<Line> lines_of(const std::vector<ContainerUsage>& containers, bool each_process, size_t width) {
  if (!each_process) return container_table(containers, width);
  const ContainerUsage& only = containers.front();
  if (only.pid == 0) return container_table(containers, width);
  std::vector<Line> lines = container_table(containers, width);
  for (const std::string& unseen : only.unseen)
    lines.push_back({cut_to_width("unseen: " + unseen, width), Tone::warning});
  lines.push_back({});
  for (Line& line : process_table(only, width)) lines.push_back(std::move(line));
  return lines;
}

class Top {
 public:
  Top(const GlobalOptions& global, const TopCommand& command, std::chrono::nanoseconds delay)
      : watcher_(global.root, command.ids, command.ids.size() == 1),
        each_process_(command.ids.size() == 1),
        json_(command.format == "json"),
        delay_(delay) {}

  Result<std::string> once();
  Result<Outcome> stream();  // of JSON
  Result<Outcome> on_screen();

 private:
  Result<void> look(const GoOn& go_on);
  std::string text() const;
  Result<void> draw(TerminalScreen& screen) const;

  Watcher watcher_;
  bool each_process_;
  bool json_;
  std::chrono::nanoseconds delay_;
  std::vector<ContainerUsage> containers_;
  std::string time_;
  steady_clock::time_point last_{};
  double interval_s_ = 0;
};

Result<void> Top::look(const GoOn& go_on) {
  auto now = steady_clock::now();
  containers_ = TRY(watcher_.look(go_on));
  if (last_ != steady_clock::time_point()) interval_s_ = std::chrono::duration<double>(now - last_).count();
  last_ = now;
  time_ = now_rfc3339(kMicroseconds);
  return {};
}

std::string Top::text() const {
  if (json_) return top_json(containers_, time_, interval_s_, each_process_);
  std::string all;
  const size_t width = isatty(STDOUT_FILENO) == 1 ? terminal_width() : 200;
  for (const Line& line : lines_of(containers_, each_process_, width)) all += line.text + "\n";
  return all;
}

Result<std::string> Top::once() {
  const GoOn always = [] { return true; };
  TRY(look(always));
  std::this_thread::sleep_until(last_ + delay_);
  TRY(look(always));
  return text();
}

Result<Outcome> Top::stream() {
  const GoOn always = [] { return true; };
  TRY(look(always));
  while (true) {
    std::this_thread::sleep_until(std::max(last_ + delay_, steady_clock::now()));
    TRY(look(always));
    TRY(write_output(text()));
  }
}

Result<void> Top::draw(TerminalScreen& screen) const {
  const size_t width = screen.width();
  auto running = std::count_if(containers_.begin(), containers_.end(), [](const auto& one) { return one.pid != 0; });
  std::string head = fmt::format("minirun top: {} of {} running, every {:g} s; q quits", running, containers_.size(),
                                 std::chrono::duration<double>(delay_).count());
  std::vector<Line> lines{{cut_to_width(head, width)}, {}};
  for (Line& line : lines_of(containers_, each_process_, width)) lines.push_back(std::move(line));
  return screen.draw(lines);
}

Result<Outcome> Top::on_screen() {
  TerminalScreen screen = TRY(TerminalScreen::open());
  const GoOn while_watched = [&screen] { return !screen.is_left(); };
  while (true) {
    auto looked = look(while_watched);
    if (!looked.ok() && looked.error().kind != ErrorKind::aborted) return looked.error();
    if (!looked.ok()) return Outcome{screen.exit_status()};
    TRY(draw(screen));
    // The machine gets a rest, even if a look takes longer than the delay.
    auto until = std::max(last_ + delay_, steady_clock::now() + delay_ / 10);
    auto event = TRY(screen.wait(until));
    for (; event == TerminalScreen::Event::redraw; event = TRY(screen.wait(until))) TRY(draw(screen));
    if (event == TerminalScreen::Event::left) return Outcome{screen.exit_status()};
  }
}

Result<Outcome> perform(const GlobalOptions& global, const TopCommand& command) {
  auto delay = TRY(parse_interval(command.delay, "--delay"));
  for (const std::string& id : command.ids) {
    auto found = find_container(global.root, id);
    if (!found.ok() && is_no_container(found.error())) return wrap(found.error(), id);
    TRY(check_id(id));
  }
  Top top(global, command, delay);
  if (command.once) return Outcome{0, TRY(top.once())};
  if (command.format == "json") return top.stream();
  if (!has_screen()) return Outcome{0, TRY(top.once())};
  return top.on_screen();
}

}  // namespace

Command top_command() {
  return Command::of<TopCommand, describe, perform>({
      .summary = "show what the containers use",
      .arguments = "[ID...]",
      .description =
          "Shows a line for each container, or for those that are named, the busiest first; for one ID also a line for "
          "each of its processes. \"-\" is a number that is not known, for example without the cgroup's controller. "
          "CPU% counts 100 for one processor, and QUOTA is its limit; THR% is how many of its periods were throttled; "
          "WAIT is the largest part of the time in which tasks waited for cpu (c), memory (m) or io (i), in percent; Z "
          "are zombies; FDS are the descriptors of the process that is nearest to its limit; OOM are OOM kills.\n\n"
          "On a terminal it shows a new table after each --delay, until q or Ctrl-C. If stdout is no terminal, or TERM "
          "is dumb, it prints one table. NO_COLOR switches colours off.",
      .examples = {{{"minirun top", "all containers, every second"},
                    {"minirun top --once --format json web1", "one JSON object, with the processes of web1"}}},
      .exit_statuses = kTopStatuses,
  });
}

}  // namespace minirun
