// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/exit_report.h"

#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

namespace minirun {
namespace {

using nlohmann::json;

constexpr int exit_code(int code) {
  return code << 8;
}

ExitReport ended(int wait_status) {
  ExitReport report;
  report.command = "run";
  report.death.id = "web1";
  report.death.wait_status = wait_status;
  report.exit_status = wait_status & 0x7f ? 128 + (wait_status & 0x7f) : wait_status >> 8;
  report.source = StatusSource::kernel;
  report.own_wait_status = true;
  return report;
}

ExitReport with_kills(ExitReport report, uint64_t oom, uint64_t local, uint64_t kills) {
  report.counters = CountersOf::own;
  report.usage.counters.oom = oom;
  report.usage.counters.oom_local = local;
  report.usage.counters.oom_kill = kills;
  take_usage(report.usage, &report.death);
  return report;
}

json json_of(const ExitReport& report) {
  std::string line = report_line_of(report);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
  return json::parse(line);
}

std::string cause(const ExitReport& report) {
  return json_of(report).value("cause", "");
}

TEST(ExitReport, NamesTheCause) {
  EXPECT_EQ(cause(ended(exit_code(0))), "exited");
  EXPECT_EQ(cause(ended(exit_code(3))), "exited");
  EXPECT_EQ(cause(ended(SIGSEGV | 0x80)), "signal");
  EXPECT_EQ(cause(ended(SIGSYS)), "signal");
  ExitReport filtered = ended(SIGSYS);
  filtered.death.seccomp = true;
  EXPECT_EQ(cause(filtered), "seccomp");
  ExitReport in_its_place = with_kills(ended(SIGKILL), 1, 1, 1);
  EXPECT_EQ(cause(in_its_place), "oom");
  in_its_place.death.killed_for_filter = true;
  EXPECT_EQ(cause(in_its_place), "seccomp");
  EXPECT_EQ(json_of(in_its_place)["oom"]["main"], false);
  in_its_place.death.wait_status = exit_code(0);
  EXPECT_EQ(cause(in_its_place), "exited");
  // As a shell reports the signal of its last command: the shell exited.
  EXPECT_EQ(cause(ended(exit_code(139))), "exited");
  // As an init reports it.
  ExitReport of_init = ended(exit_code(139));
  of_init.death.under_init = true;
  EXPECT_EQ(cause(of_init), "signal");
  EXPECT_EQ(json_of(of_init)["signal"], json({{"number", SIGSEGV}, {"name", "SIGSEGV"}}));
}

TEST(ExitReport, DeadlinesAndFailedLaunchesComeFirst) {
  ExitReport report = with_kills(ended(SIGKILL), 1, 1, 1);
  report.limit = "timeout";
  EXPECT_EQ(cause(report), "timeout");
  report.limit = "cpu-time";
  EXPECT_EQ(cause(report), "cpu-time");
  ExitReport failed;
  for (const auto& [kind, status, name] :
       {std::tuple(ErrorKind::exec, 127, "exec-failed"), std::tuple(ErrorKind::setup, 1, "setup-failed"),
        std::tuple(ErrorKind::config, 1, "setup-failed"), std::tuple(ErrorKind::aborted, 143, "stopped"),
        std::tuple(ErrorKind::aborted, 124, "timeout")}) {
    failed.error = fail(kind, "mount x");
    failed.error->exit_status = status;
    EXPECT_EQ(cause(failed), name);
    EXPECT_EQ(json_of(failed)["error"]["msg"], "mount x");
    EXPECT_EQ(json_of(failed)["error"]["exit_status"], status);
  }
}

TEST(ExitReport, AProcessKilledForMemoryBeforeACleanEndIsNoCause) {
  ExitReport report = with_kills(ended(exit_code(0)), 1, 1, 1);
  EXPECT_EQ(cause(report), "exited");
  EXPECT_EQ(json_of(report)["oom"], json({{"kills", 1}, {"main", false}, {"limit", "own"}}));
  report.stop.signal = SIGTERM;
  EXPECT_EQ(cause(report), "stopped");
  // stop had to kill it, long after the other process's end.
  report = with_kills(ended(SIGKILL), 1, 1, 1);
  EXPECT_EQ(cause(report), "oom");
  EXPECT_TRUE(json_of(report)["oom"]["main"]);
  report.stop = {SIGTERM, true, {}, {}};
  EXPECT_EQ(cause(report), "stopped");
  EXPECT_FALSE(json_of(report)["oom"]["main"]);
  report.stop = {SIGKILL, false, {}, {}};
  EXPECT_EQ(cause(report), "stopped");
  // A shell whose last command was killed.
  report = with_kills(ended(exit_code(137)), 1, 1, 1);
  EXPECT_EQ(cause(report), "oom");
  EXPECT_FALSE(json_of(report)["oom"]["main"]);
}

TEST(ExitReport, SaysWhoseMemoryRanOut) {
  auto limit = [](const ExitReport& report) { return json_of(report)["oom"].value("limit", ""); };
  EXPECT_EQ(limit(with_kills(ended(SIGKILL), 1, 1, 1)), "own");
  EXPECT_EQ(limit(with_kills(ended(SIGKILL), 1, 0, 1)), "below");
  ExitReport outside = with_kills(ended(SIGKILL), 0, 0, 1);
  EXPECT_EQ(limit(outside), "");
  const Ancestors before{{{"/a/b", 3}, {"/a", 1}}, true};
  auto judged = [&](const Ancestors* earlier, const Ancestors& now) {
    ExitReport report = outside;
    take_ancestors(earlier, now, &*report.death.memory);
    return json_of(report)["oom"];
  };
  EXPECT_EQ(judged(&before, {{{"/a/b", 3}, {"/a", 2}}, true}),
            json({{"kills", 1}, {"main", true}, {"limit", "ancestor"}, {"cgroup", "/a"}}));
  EXPECT_EQ(judged(&before, {{{"/a/b", 4}, {"/a", 2}}, true})["cgroup"], "/a/b");  // the nearest
  EXPECT_EQ(judged(&before, before)["limit"], "host");
  EXPECT_FALSE(judged(&before, {before.limited, false}).contains("limit"));
  // An unknown past is not guessed at.
  EXPECT_FALSE(judged(nullptr, before).contains("limit"));
  EXPECT_EQ(judged(nullptr, {{{"/a", 0}}, true})["limit"], "host");
  // The own limit comes before those above.
  ExitReport own = with_kills(ended(SIGKILL), 1, 1, 1);
  take_ancestors(&before, {{{"/a", 9}}, true}, &*own.death.memory);
  EXPECT_EQ(limit(own), "own");
  EXPECT_NE(death_line(own.death)->find("the memory limit: memory.max"), std::string::npos);
  take_ancestors(&before, {{{"/a", 9}}, true}, &*outside.death.memory);
  EXPECT_NE(death_line(outside.death)->find("the memory limit of cgroup /a, which is above the container's"),
            std::string::npos);
}

TEST(ExitReport, AStopIsTheCauseOnlyIfItCanHaveBeen) {
  ExitReport report = ended(SIGTERM);
  report.stop.signal = SIGTERM;
  EXPECT_EQ(cause(report), "stopped");
  report = ended(SIGSEGV);
  report.stop.signal = SIGTERM;
  EXPECT_EQ(cause(report), "signal");
  report = ended(SIGKILL);
  report.stop.signal = SIGTERM;
  EXPECT_EQ(cause(report), "signal");
  report.stop.killed = true;
  EXPECT_EQ(cause(report), "stopped");
}

TEST(ExitReport, LeavesOutWhatIsNotKnown) {
  ExitReport report;
  report.command = "delete";
  report.death.id = "web1";
  report.death.wait_status = 9;  // meaningless
  EXPECT_EQ(json_of(report),
            json({{"id", "web1"}, {"command", "delete"}, {"counters", "none"}, {"times", json::object()}}));
  report.counters = CountersOf::gone;
  report.runtime_killed = true;
  EXPECT_EQ(cause(report), "runtime-killed");
  EXPECT_EQ(json_of(report)["counters"], "gone");
  report.stop.signal = SIGTERM;
  report.runtime_killed = false;
  EXPECT_EQ(cause(report), "stopped");
}

TEST(ExitReport, PeaksOfAWholeContainerAreNotThoseOfAnExec) {
  ExitReport report = ended(0);
  report.usage.memory_peak_bytes = report.usage.pids_peak = 7;
  report.usage.memory_max_bytes = report.usage.pids_max = 9;
  report.counters = CountersOf::own;
  EXPECT_EQ(json_of(report)["memory"], json({{"peak_bytes", 7}, {"limit_bytes", 9}}));
  EXPECT_EQ(json_of(report)["pids"], json({{"peak", 7}, {"limit", 9}}));
  report.counters = CountersOf::container;
  EXPECT_EQ(json_of(report)["memory"], json({{"limit_bytes", 9}}));
  EXPECT_EQ(json_of(report)["pids"], json({{"limit", 9}}));
}

TEST(ExitReport, CountsFromItsOwnBeginning) {
  UsageCounters before, now;
  before.oom_kill = 5;
  before.cpu_us = 100;
  now.oom_kill = 6;
  now.cpu_us = 90;  // a counter that was reset
  now.read_bytes = 8;
  UsageCounters grown = now.since(before);
  EXPECT_EQ(grown.oom_kill, 1U);
  EXPECT_EQ(grown.cpu_us, 0U);
  EXPECT_EQ(grown.read_bytes, 8U);
  EXPECT_FALSE(grown.pids_hits.has_value());
}

}  // namespace
}  // namespace minirun
