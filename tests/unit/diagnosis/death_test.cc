// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/death.h"

#include <gtest/gtest.h>

#include <csignal>

namespace minirun {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Wait statuses as wait(2) gives them.
constexpr int exited(int code) {
  return code << 8;
}
constexpr int killed(int signal, bool core = false) {
  return signal | (core ? 0x80 : 0);
}

DeathFacts facts(int wait_status) {
  DeathFacts made;
  made.id = "web1";
  made.wait_status = wait_status;
  made.memory = MemoryFacts{};
  made.memory->limit_bytes = 64 * kMiB;
  made.memory->peak_bytes = 64 * kMiB;
  return made;
}

DeathFacts with_oom(DeathFacts made, OomCounts total, OomCounts local) {
  made.memory->total = total;
  made.memory->local = local;
  return made;
}

std::string line(const DeathFacts& of) {
  return death_line(of).value_or("(nothing)");
}

TEST(DeathLine, SaysNothingOfAnOrdinaryEnd) {
  EXPECT_EQ(line(facts(exited(0))), "(nothing)");
  EXPECT_EQ(line(facts(exited(1))), "(nothing)");
  EXPECT_EQ(line(facts(exited(127))), "(nothing)");
  EXPECT_EQ(line(facts(exited(255))), "(nothing)");
}

TEST(DeathLine, TellsOfTheOwnMemoryLimitWithLimitAndPeak) {
  EXPECT_EQ(line(with_oom(facts(killed(SIGKILL)), {1, 1}, {1, 1})),
            "minirun: web1: killed by the memory limit: memory.max 64 MiB, peak 64 MiB, 1 process killed (oom_kill)");
  // The same through an init, and through a shell that reports its child.
  DeathFacts through_init = with_oom(facts(exited(137)), {2, 2}, {2, 2});
  through_init.under_init = true;
  through_init.memory->peak_bytes = 64 * kMiB - 4096;
  EXPECT_EQ(line(through_init),
            "minirun: web1: killed by the memory limit: memory.max 64 MiB, peak 63.9 MiB (67104768 bytes), 2 processes "
            "killed (oom_kill)");
  EXPECT_EQ(line(with_oom(facts(exited(137)), {1, 1}, {1, 1})),
            "minirun: web1: killed by the memory limit: memory.max 64 MiB, peak 64 MiB, 1 process killed (oom_kill)");
}

TEST(DeathLine, LeavesOutAPeakThatTheKernelDoesNotTell) {
  DeathFacts old_kernel = with_oom(facts(killed(SIGKILL)), {1, 1}, {1, 1});
  old_kernel.memory->peak_bytes.reset();
  EXPECT_EQ(line(old_kernel),
            "minirun: web1: killed by the memory limit: memory.max 64 MiB, 1 process killed (oom_kill)");
}

TEST(DeathLine, TellsALimitAboveFromItsOwn) {
  EXPECT_EQ(
      line(with_oom(facts(killed(SIGKILL)), {0, 1}, {0, 1})),
      "minirun: web1: killed by the OOM killer, though not by its own limit: a cgroup above it or the whole host ran "
      "out of memory; memory.max 64 MiB, peak 64 MiB, 1 process killed (oom_kill)");
  DeathFacts unlimited = with_oom(facts(killed(SIGKILL)), {0, 1}, {0, 1});
  unlimited.memory->limit_bytes.reset();
  EXPECT_NE(line(unlimited).find("; memory.max max, peak 64 MiB"), std::string::npos);
}

TEST(DeathLine, TellsALimitThatTheWorkloadSetBelow) {
  EXPECT_EQ(
      line(with_oom(facts(killed(SIGKILL)), {1, 1}, {0, 0})),
      "minirun: web1: killed by a memory limit that the workload set on a cgroup of its own below the container's: 1 "
      "process killed (oom_kill)");
}

TEST(DeathLine, TellsOfAChildThatWasKilledWhileTheWorkloadWentOn) {
  EXPECT_EQ(
      line(with_oom(facts(exited(0)), {3, 1}, {3, 1})),
      "minirun: web1: ended with code 0; while it ran, part of it was killed by the memory limit: memory.max 64 MiB, "
      "peak 64 MiB, 1 process killed (oom_kill)");
  EXPECT_EQ(line(with_oom(facts(killed(SIGSEGV)), {1, 2}, {1, 2})),
            "minirun: web1: crashed: SIGSEGV (Segmentation fault); while it ran, part of it was killed by the memory "
            "limit: memory.max 64 MiB, peak 64 MiB, 2 processes killed (oom_kill)");
}

TEST(DeathLine, TellsOfAMemoryLimitThatOnlyCrashedIt) {
  EXPECT_EQ(line(with_oom(facts(killed(SIGSEGV)), {1, 0}, {1, 0})),
            "minirun: web1: crashed: SIGSEGV (Segmentation fault); its memory limit was reached: memory.max 64 MiB, "
            "peak 64 MiB");
}

TEST(DeathLine, TellsAKillFromOutsideFromTheMemoryLimit) {
  EXPECT_EQ(line(facts(killed(SIGKILL))), "minirun: web1: killed by SIGKILL from outside, not by a memory limit");
  DeathFacts blind = facts(killed(SIGKILL));
  blind.memory.reset();
  EXPECT_EQ(
      line(blind),
      "minirun: web1: killed by SIGKILL (without a memory controller minirun cannot know whether memory ran out)");
}

TEST(DeathLine, CallsACrashACrash) {
  EXPECT_EQ(line(facts(killed(SIGSEGV))), "minirun: web1: crashed: SIGSEGV (Segmentation fault)");
  EXPECT_EQ(line(facts(killed(SIGABRT, true))), "minirun: web1: crashed: SIGABRT (Aborted), core dumped");
  DeathFacts through_init = facts(exited(128 + SIGBUS));
  through_init.under_init = true;
  EXPECT_EQ(line(through_init), "minirun: web1: crashed: SIGBUS (Bus error)");
}

TEST(DeathLine, BlamesTheSeccompFilterOnlyWhereThereIsOne) {
  DeathFacts filtered = facts(killed(SIGSYS, true));
  filtered.seccomp = true;
  EXPECT_EQ(line(filtered), "minirun: web1: its seccomp filter killed it (bad system call), core dumped");
  EXPECT_EQ(line(facts(killed(SIGSYS))), "minirun: web1: crashed: SIGSYS (Bad system call)");
}

TEST(DeathLine, TellsWhoSentASignalThatMinirunPassedOn) {
  DeathFacts stopped = facts(killed(SIGTERM));
  EXPECT_EQ(line(stopped), "minirun: web1: ended by SIGTERM");
  stopped.forwarded_signal = SIGTERM;
  EXPECT_EQ(line(stopped), "minirun: web1: ended by SIGTERM, passed on by minirun");
  stopped.forwarded_signal = SIGHUP;
  EXPECT_EQ(line(stopped), "minirun: web1: ended by SIGTERM");
  DeathFacts killed_by_user = facts(killed(SIGKILL));
  killed_by_user.forwarded_signal = SIGKILL;
  EXPECT_EQ(line(killed_by_user), "minirun: web1: killed by SIGKILL, passed on by minirun");
}

TEST(DeathLine, NamesTheResourceLimitBehindASignal) {
  EXPECT_EQ(line(facts(killed(SIGXCPU))),
            "minirun: web1: killed by SIGXCPU: its CPU time limit (RLIMIT_CPU) is used up");
  EXPECT_EQ(line(facts(killed(SIGXFSZ))), "minirun: web1: killed by SIGXFSZ: a file grew past RLIMIT_FSIZE");
}

TEST(DeathLine, NamesARealTimeSignalByNumber) {
  EXPECT_EQ(line(facts(killed(40))), "minirun: web1: ended by signal 40");
}

TEST(DeathLine, DoesNotTakeAWorkloadsOwnCodeForASignal) {
  // Without an init a code above 128 may be the workload's own; only what looks like a kill or a crash is worth a line.
  EXPECT_EQ(line(facts(exited(143))), "(nothing)");
  EXPECT_EQ(line(facts(exited(200))), "(nothing)");
  EXPECT_EQ(line(facts(exited(139))), "minirun: web1: ended with code 139, as shells report SIGSEGV");
}

TEST(DeathLine, TellsThatTheLimitOnProcessesWasHit) {
  DeathFacts bomb = facts(exited(2));
  bomb.pids_limit = 20;
  bomb.pids_limit_hits = 7;
  EXPECT_EQ(line(bomb), "minirun: web1: ended with code 2; a new process or thread was refused 7 times by pids.max 20");
  bomb.wait_status = killed(SIGABRT);
  EXPECT_EQ(line(bomb),
            "minirun: web1: crashed: SIGABRT (Aborted); a new process or thread was refused 7 times by pids.max 20");
  bomb.wait_status = exited(0);
  EXPECT_EQ(line(bomb), "(nothing)");
  bomb.wait_status = exited(1);
  bomb.pids_limit.reset();
  bomb.pids_limit_hits = 1;
  EXPECT_EQ(line(bomb),
            "minirun: web1: ended with code 1; a new process or thread was refused 1 time by a pids.max above its own");
}

TEST(HumanBytes, IsExactOrSaysTheBytes) {
  EXPECT_EQ(human_bytes(0), "0 bytes");
  EXPECT_EQ(human_bytes(1023), "1023 bytes");
  EXPECT_EQ(human_bytes(1024), "1 KiB");
  EXPECT_EQ(human_bytes(1025), "1.0 KiB (1025 bytes)");
  EXPECT_EQ(human_bytes(64 * kMiB), "64 MiB");
  EXPECT_EQ(human_bytes(64 * kMiB - 1), "63.9 MiB (67108863 bytes)");
  EXPECT_EQ(human_bytes(3 * 512 * kMiB), "1.5 GiB (1610612736 bytes)");
  EXPECT_EQ(human_bytes(UINT64_MAX), "15.9 EiB (18446744073709551615 bytes)");
}

}  // namespace
}  // namespace minirun
