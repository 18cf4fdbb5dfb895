// SPDX-License-Identifier: Apache-2.0
// The rules about processes that do not do what they should.
#include <gtest/gtest.h>

#include <csignal>

#include "tests/unit/inspect/facts.h"

namespace minirun {
namespace {

ProcessFacts& node(Sample& sample) {
  return sample.processes[1];
}

void set_state(Facts* facts, char state) {
  node(facts->before).stat.state = node(facts->after).stat.state = state;
}

TEST(ProcessRules, Frozen) {
  Facts facts = healthy();
  facts.after.cgroup->frozen = true;
  EXPECT_EQ(found(facts), "frozen: its 3 processes are frozen, by a cgroup above it");
  facts.after.status = "paused";
  EXPECT_EQ(found(facts), "frozen: its 3 processes are frozen (minirun pause, or an engine's)");
  EXPECT_EQ(findings_of(facts)[0].remedy, "minirun resume web1");
}

TEST(ProcessRules, Uninterruptible) {
  Facts facts = healthy();
  set_state(&facts, 'D');
  node(facts.after).wait_channel = "nfs_wait_bit_killable";
  EXPECT_EQ(found(facts),
            "uninterruptible: node (11) waits in the kernel in nfs_wait_bit_killable (state D) the whole time");
  node(facts.before).status->sleeps = 1;
  node(facts.after).status->sleeps = 2;
  EXPECT_EQ(found(facts), "") << "it has woken: it uses a disk";
  node(facts.before).status = std::nullopt;
  EXPECT_NE(found(facts), "") << "not known";
  node(facts.before).stat.start_ticks = 5;
  EXPECT_EQ(found(facts), "") << "another process with that number";
}

TEST(ProcessRules, AWaitOfMillisecondsIsOrdinary) {
  Facts facts = healthy();
  set_state(&facts, 'D');
  facts.after.time = facts.before.time + std::chrono::milliseconds(20);
  EXPECT_EQ(found(facts), "");
}

TEST(ProcessRules, UninterruptibleNamesThreeAndCountsTheOthers) {
  Facts facts = healthy();
  for (pid_t pid = 20; pid < 30; ++pid) add(&facts, process_facts(pid, 11, "dd", 'D'));
  auto findings = findings_of(facts);
  ASSERT_EQ(findings.size(), 3u);
  EXPECT_EQ(findings[2].text, "dd (22) waits in the kernel (state D) the whole time; 7 more in this state");
}

TEST(ProcessRules, Stopped) {
  Facts facts = healthy();
  set_state(&facts, 'T');
  EXPECT_EQ(found(facts), "stopped: node (11) is stopped by a signal");
  EXPECT_EQ(findings_of(facts)[0].remedy, "kill -CONT 11");
  set_state(&facts, 't');
  node(facts.after).status->tracer = 12;
  EXPECT_EQ(found(facts), "stopped: node (11) is stopped by worker (12)");
  node(facts.after).status->tracer = 99;
  EXPECT_EQ(found(facts), "stopped: node (11) is stopped by process 99");
  node(facts.before).stat.state = 'S';
  EXPECT_EQ(found(facts), "");
}

TEST(ProcessRules, EventLoop) {
  Facts facts = healthy();
  set_state(&facts, 'R');
  node(facts.after).files->waits_by_epoll = true;
  node(facts.after).stat.cpu_ticks = 97;
  EXPECT_EQ(found(facts),
            "event-loop: node (11) serves events (epoll), but its first thread has not waited for one in 1.0 s: it "
            "computes, at 97 % of a CPU");
  node(facts.after).status->sleeps = 1;
  EXPECT_EQ(found(facts), "") << "it waited";
  node(facts.after).status->sleeps = 0;
  node(facts.after).files->waits_by_epoll = false;
  EXPECT_EQ(found(facts), "") << "it only computes";
}

TEST(ProcessRules, Zombies) {
  Facts facts = healthy();
  for (pid_t pid = 20; pid < 24; ++pid) add(&facts, process_facts(pid, 11, "sh", 'Z'));
  EXPECT_EQ(found(facts), "");
  facts.after.processes.push_back(process_facts(24, 11, "sh", 'Z'));
  EXPECT_EQ(found(facts), "") << "the fifth has just ended";
  facts.before.processes.push_back(process_facts(24, 11, "sh", 'Z'));
  EXPECT_EQ(found(facts), "zombies: 5 zombies of node (11), which does not wait for its children");
}

TEST(ProcessRules, StopSignalOfPid1) {
  Facts facts = healthy();
  facts.before.resident_init = facts.after.resident_init = false;
  ProcessFacts& first = facts.after.processes[0];
  EXPECT_EQ(found(facts), "") << "it has a handler";
  first.status->caught = 0;
  EXPECT_EQ(
      found(facts),
      "stop-signal: SIGTERM goes to minirun-init (10), which has no handler for it, and the kernel drops it for pid "
      "1, while its child node (11) has one: stop has to kill after its timeout");
  node(facts.after).status->caught = 0;
  EXPECT_EQ(
      found(facts),
      "stop-signal: SIGTERM goes to minirun-init (10), which has no handler for it, and the kernel drops it for pid "
      "1: stop has to kill after its timeout");
  first.status->blocked = 1U << (SIGTERM - 1);
  EXPECT_EQ(found(facts), "") << "it may read it from a descriptor";
  first.status->blocked = 0;
  first.status->ignored = 1U << (SIGTERM - 1);
  EXPECT_EQ(found(facts),
            "stop-signal: SIGTERM goes to minirun-init (10), which ignores it: stop has to kill after its timeout");
}

TEST(ProcessRules, StopSignalBelowTheInit) {
  Facts facts = healthy();
  node(facts.after).status->caught = 0;
  EXPECT_EQ(found(facts),
            "stop-signal: SIGTERM goes to node (11), which has no handler and ends at once; its child worker (12) has "
            "one, and is killed without its time to clean up");
  facts.after.processes[2].status->caught = 0;
  EXPECT_EQ(found(facts), "") << "it ends by the signal";
  facts.stop_signal = SIGKILL;
  node(facts.after).status->ignored = ~0ULL;
  EXPECT_EQ(found(facts), "") << "nothing can ignore it";
  facts.stop_signal = 40;
  EXPECT_NE(found(facts).find("SIGRTMIN+6 goes to node (11), which ignores it"), std::string::npos) << found(facts);
  facts.after.status = "created";
  EXPECT_EQ(found(facts), "") << "its workload does not run yet";
}

TEST(ProcessRules, StopSignalOfAProgramThatWaitsForIt) {
  Facts facts = healthy();
  node(facts.after).status->caught = 0;
  node(facts.after).wait_channel = "do_sigtimedwait.isra.0";
  EXPECT_EQ(found(facts), "");
}

TEST(ProcessRules, StopSignalThatAShellInBetweenKeeps) {
  Facts facts = healthy();
  node(facts.after).stat.name = "npm start";
  facts.after.processes[2].stat.name = "sh";
  facts.after.processes[2].status->caught = 0;
  EXPECT_EQ(found(facts), "") << "the shell has no child";
  facts.after.processes.push_back(process_facts(13, 12, "node"));
  EXPECT_EQ(
      found(facts),
      "stop-signal: npm start (11) handles SIGTERM, but between it and node (13), which handles it too, is sh (12), "
      "which has no handler: if it ends by the signal, node (13) is killed without its time to clean up");
  facts.after.processes[2].status->caught = 1U << (SIGTERM - 1);
  EXPECT_EQ(found(facts), "");
  facts.after.processes[2].status->caught = 0;
  facts.after.processes.push_back(process_facts(14, 11, "other"));
  EXPECT_EQ(found(facts), "") << "it may be a supervisor, which knows its children";
}

TEST(ProcessRules, MainProcessIsTheOldestChildOfTheInit) {
  Facts facts = healthy();
  ProcessFacts orphan = process_facts(9, 10, "orphan");
  orphan.stat.start_ticks = 2000;
  facts.after.processes.insert(facts.after.processes.begin(), orphan);
  EXPECT_EQ(main_process(facts.after)->pid, 11);
  facts.after.resident_init = false;
  EXPECT_EQ(main_process(facts.after)->pid, 10);
  facts.after.first = 77;
  EXPECT_EQ(main_process(facts.after), nullptr);
}

TEST(ProcessRules, NamesAreSafeToPrint) {
  Facts facts = healthy();
  set_state(&facts, 'T');
  node(facts.after).stat.name = "\033[2J\nx";
  EXPECT_EQ(found(facts), "stopped: \\x1b[2J\\x0ax (11) is stopped by a signal");
}

TEST(Findings, AreSortedByWhatIsWorst) {
  Facts facts = healthy();
  facts.after.cgroup->stats.swap_current_bytes = 100 << 20;
  set_state(&facts, 'T');
  auto findings = findings_of(facts);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].rule, "stopped");
  EXPECT_EQ(findings[1].rule, "swap");
}

}  // namespace
}  // namespace minirun
