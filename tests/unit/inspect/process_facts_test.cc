// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/process_facts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/inspect/cgroup_facts.h"
#include "sys/fd.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

constexpr const char* kStat =
    "24 (a) R 1 (x) S 7 24 24 0 -1 4194304 100 0 0 0 12 30 0 0 20 0 11 0 5000 1000000 256 18446744073709551615 1 1 0 0 "
    "0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

TEST(ProcessStat, NameEndsAtTheLastParenthesis) {
  auto stat = parse_process_stat(kStat);
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->name, "a) R 1 (x");
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 7);
  EXPECT_EQ(stat->cpu_ticks, 42u);
  EXPECT_EQ(stat->threads, 11u);
  EXPECT_EQ(stat->start_ticks, 5000u);
  EXPECT_EQ(stat->resident_bytes, 256u * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
}

TEST(ProcessStat, OfOtherTextsIsNothing) {
  for (const char* text : {"", "24", "24 (sh", "24 sh) S 1", "24 (sh)", "24 (sh) ", "24 (sh) S", "24 (sh) S x y",
                           "24 (sh) S 1 2 3", ") ("})
    EXPECT_FALSE(parse_process_stat(text)) << text;
}

TEST(ProcessStatus, SignalsAndNumbers) {
  auto status = parse_process_status(
      "Name:\tsh\\nUid:\t7\nUid:\t1000\t1000\t1000\t1000\nTracerPid:\t9\nNSpid:\t240\t12\t1\n"
      "SigBlk:\t0000000000000001\nSigIgn:\t8000000000000000\nSigCgt:\t0000000000004002\n"
      "voluntary_ctxt_switches:\t77\nnonvoluntary_ctxt_switches:\t5\n");
  ASSERT_TRUE(status);
  EXPECT_EQ(status->uid, 1000u);
  EXPECT_EQ(status->tracer, 9);
  EXPECT_EQ(status->innermost_pid, 1);
  EXPECT_EQ(status->blocked, 1u);
  EXPECT_EQ(status->ignored, 1ULL << 63);
  EXPECT_EQ(status->caught, 0x4002u);
  EXPECT_EQ(status->sleeps, 77u);
  EXPECT_FALSE(parse_process_status(""));
  EXPECT_FALSE(parse_process_status("Name:\tsh\n"));
}

TEST(OpenFilesLimit, IsTheSoftOne) {
  const std::string kHead = "Limit                     Soft Limit           Hard Limit           Units     \n";
  EXPECT_EQ(
      parse_open_files_limit(kHead + "Max open files            1024                 524288               files\n"),
      1024u);
  EXPECT_FALSE(parse_open_files_limit(kHead + "Max open files            unlimited            unlimited  files\n"));
  EXPECT_FALSE(parse_open_files_limit(kHead));
}

TEST(LookAtProcess, CountsDescriptorsByTheirNames) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  UniqueFd one(pair[0]), other(pair[1]);
  auto counted = look_at_process(getpid(), Detail::counts);
  auto all = look_at_process(getpid(), Detail::all);
  ASSERT_TRUE(counted.ok() && all.ok());
  EXPECT_GE(all->files->sockets, 2u);
  EXPECT_TRUE(all->files->waits_by_epoll);
  EXPECT_GE(counted->files->open, 6u);
  EXPECT_EQ(counted->files->sockets, 0u);
  EXPECT_FALSE(counted->status);
  EXPECT_EQ(all->status->uid, geteuid());
  EXPECT_TRUE(is_same(*counted, *all));
}

TEST(LookAtProcess, OfAZombieAndOfNone) {
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT), 0);
  auto zombie = look_at_process(pid, Detail::all);
  ASSERT_TRUE(zombie.ok()) << zombie.error().text();
  EXPECT_EQ(zombie->stat.state, 'Z');
  EXPECT_FALSE(zombie->files);
  ASSERT_EQ(waitpid(pid, nullptr, 0), pid);
  auto none = look_at_process(pid, Detail::all);
  ASSERT_FALSE(none.ok());
  EXPECT_TRUE(none.error().code == ENOENT || none.error().code == ESRCH) << none.error().text();
}

TEST(CgroupFacts, WhatHasNoFileIsAbsent) {
  TemporaryDirectory directory;
  UniqueFd fd(open(directory.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  auto facts = look_at_cgroup(fd.get());
  ASSERT_TRUE(facts.ok());
  EXPECT_FALSE(facts->stats.oom_kills || facts->pids_max || facts->cpu_quota_us || facts->cpu_pressure ||
               facts->frozen);
  directory.write("pids.max", "max\n", 0644);
  directory.write("cpu.max", "max 100000\n", 0644);
  facts = look_at_cgroup(fd.get());
  EXPECT_FALSE(facts->pids_max || facts->cpu_quota_us);
  EXPECT_EQ(facts->cpu_period_us, 100000u);
}

TEST(CgroupFacts, OfEachFile) {
  TemporaryDirectory directory;
  UniqueFd fd(open(directory.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  directory.write("pids.max", "64\n", 0644);
  directory.write("cpu.max", "50000 100000\n", 0644);
  directory.write("memory.stat", "anon 5\nshmem 77\nswapcached 1\ninactive_file 99\n", 0644);
  directory.write("memory.pressure",
                  "some avg10=0.00 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
                  0644);
  directory.write("cgroup.events", "populated 1\nfrozen 1\n", 0644);
  auto facts = look_at_cgroup(fd.get());
  ASSERT_TRUE(facts.ok());
  EXPECT_EQ(facts->pids_max, 64u);
  EXPECT_EQ(facts->cpu_quota_us, 50000u);
  EXPECT_EQ(facts->tmpfs_bytes, 77u);
  EXPECT_EQ(facts->reclaimable_bytes, 99u);
  EXPECT_EQ(facts->memory_pressure->some_us, 12u);
  EXPECT_EQ(facts->memory_pressure->full_us, 7u);
  EXPECT_EQ(facts->frozen, true);
}

}  // namespace
}  // namespace minirun
