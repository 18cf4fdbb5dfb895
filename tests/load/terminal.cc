// SPDX-License-Identifier: Apache-2.0
// The caller's terminal when minirun is killed without a warning.
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tests/load/figure.h"
#include "tests/support/screen.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

constexpr int kKills = 300;

// From the start of the command until the workload has said "ready".
double start_ms(const std::vector<std::string>& command) {
  Screen screen;
  Clock clock;
  Running running(command, screen.options());
  if (!screen.wait_for("ready")) return 0;
  return clock.milliseconds();
}

// After `ms` milliseconds minirun is killed; soon the terminal is as it was. Counts how often it had been another.
std::string kill_after(const std::vector<std::string>& command, double ms, int& raw) {
  Screen screen;
  termios before = screen.settings();
  Running running(command, screen.options());
  usleep(static_cast<useconds_t>(ms * 1000));
  running.send(SIGKILL);
  if (!same(before, screen.settings())) ++raw;
  Outcome outcome = running.finish();
  if (outcome.code != -SIGKILL) return "ended before: " + describe(outcome) + screen.shown();
  if (eventually([&] { return same(before, screen.settings()); }, 2000)) return "";
  return "another terminal when killed after " + std::to_string(ms) + " ms";
}

}  // namespace

void terminals_of_the_killed(Figures& figures) {
  Bundle bundle, other;
  other.payload({"pause"});
  other.write();
  bundle.config["process"]["terminal"] = true;
  bundle.payload({"pause"});
  bundle.write();
  Place place;
  for (bool exec : {false, true}) {
    Figure figure{std::string("terminal as it was after kill -9 of ") + (exec ? "exec --tty" : "run")};
    if (exec) figure.fail(place.start(other.path(), "a"));
    auto command = exec ? place.minirun({"exec", "--tty", "a", "/bin/payload", "pause"})
                        : place.minirun({"run", "--bundle", bundle.path(), "b"});
    double whole = start_ms(command);
    if (!exec) (void)place.call({"delete", "--force", "b"});
    int kills = part_of(kKills), raw = 0;
    for (int i = 0; i < kills; ++i) {
      // From at once to some time after the workload has begun.
      std::string problem = kill_after(command, whole * 1.5 * i / kills, raw);
      if (!exec) problem += unless(0, place.call({"delete", "--force", "b"}));
      figure.count(problem);
    }
    if (raw == 0) figure.fail("the terminal was never another");
    figure.note = "raw in " + std::to_string(raw) + " of them when it was killed";
    if (exec) figure.fail(unless(0, place.call({"delete", "--force", "a"})));
    figure.fail(place.left());
    figures.push_back(figure);
  }
}

}  // namespace minirun::testing
