// SPDX-License-Identifier: Apache-2.0
// Signals in one burst, with values: all arrive, in their order.
#include <csignal>
#include <cstdio>

#include "tests/load/figure.h"
#include "tests/support/screen.h"

namespace minirun::testing {
namespace {

constexpr int kSignals = 2000;

enum class Way : uint8_t { run, run_without_init, run_with_terminal, exec, exec_with_terminal };

const char* name_of(Way way) {
  switch (way) {
    case Way::run:
      return "run";
    case Way::run_without_init:
      return "run --no-init";
    case Way::run_with_terminal:
      return "run with a terminal";
    case Way::exec:
      return "exec";
    case Way::exec_with_terminal:
      return "exec --tty";
  }
  abort();
}

std::vector<std::string> command(Way way, const std::string& bundle) {
  std::string count = std::to_string(part_of(kSignals));
  switch (way) {
    case Way::run:
    case Way::run_with_terminal:
      return {"run", "--bundle", bundle, "b"};
    case Way::run_without_init:
      return {"run", "--no-init", "--bundle", bundle, "b"};
    case Way::exec:
      return {"exec", "a", "/bin/payload", "queued", count};
    case Way::exec_with_terminal:
      return {"exec", "--tty", "a", "/bin/payload", "queued", count};
  }
  abort();
}

// Sent while minirun is stopped, so that all of them wait; or while it works.
void send(pid_t pid, int count, bool stopped, Figure& figure) {
  if (stopped && kill(pid, SIGSTOP) != 0) figure.fail("cannot stop minirun");
  for (int i = 0; i < count; ++i) {
    sigval value{};
    value.sival_int = i;
    if (sigqueue(pid, SIGRTMIN + 5, value) != 0) {
      figure.fail("the kernel queues only " + std::to_string(i) + " (ulimit -i)");
      break;
    }
  }
  if (stopped) (void)kill(pid, SIGCONT);
}

void burst(const Place& place, Way way, const std::string& bundle, bool stopped, Figure& figure) {
  int count = part_of(kSignals);
  Screen screen;
  bool terminal = way == Way::run_with_terminal || way == Way::exec_with_terminal;
  Running running(place.minirun(command(way, bundle)), terminal ? screen.options() : StartOptions());
  auto wait_for = [&](const char* text) { return terminal ? screen.wait_for(text) : running.wait_for(text); };
  figure.tried += count;
  if (!wait_for("ready")) return figure.fail("does not start: " + running.err() + screen.shown());
  send(running.pid(), count, stopped, figure);
  bool reported = wait_for("in order");
  std::string said = terminal ? screen.shown() : running.out();
  Outcome outcome = running.finish();
  int arrived = 0;
  size_t line = said.find("queued ");
  if (!reported || outcome.code != 0 || line == std::string::npos ||
      sscanf(said.c_str() + line, "queued %d in order", &arrived) != 1)
    figure.fail(describe(outcome) + said);
  figure.passed += arrived;
}

}  // namespace

void bursts_of_signals(Figures& figures) {
  Bundle bundle, other;
  bundle.payload({"queued", std::to_string(part_of(kSignals))});
  bundle.write();
  other.payload({"pause"});
  other.write();
  std::string terminal = bundle.path() + "/terminal";
  make_folders(terminal);
  bundle.config["process"]["terminal"] = true;
  bundle.config["root"]["path"] = bundle.rootfs();
  write_new_file(terminal + "/config.json", bundle.config.dump(), 0644);
  Place place;
  for (Way way : {Way::run, Way::run_without_init, Way::run_with_terminal, Way::exec, Way::exec_with_terminal}) {
    Figure figure("queued signals in bursts of " + std::to_string(part_of(kSignals)) +
                  ", arrived once and in order through " + name_of(way));
    bool joins = way == Way::exec || way == Way::exec_with_terminal;
    if (joins) figure.fail(place.start(other.path(), "a"));
    const std::string& path = way == Way::run_with_terminal ? terminal : bundle.path();
    for (bool stopped : {true, false}) burst(place, way, path, stopped, figure);
    if (joins) figure.fail(unless(0, place.call({"delete", "--force", "a"})));
    figure.fail(place.left());
    figures.push_back(figure);
  }
}

}  // namespace minirun::testing
