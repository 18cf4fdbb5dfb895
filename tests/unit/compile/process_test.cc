// SPDX-License-Identifier: Apache-2.0
#include <linux/sched.h>
#include <sys/syscall.h>

#include <cstring>

#include "runtime/seccomp/code.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

class CompileProcess : public CompileTest {
 protected:
  CompileProcess() { filter.filter.resize(3); }
  void become(uint32_t uid, uint32_t gid) {
    spec.process->user.uid = uid;
    spec.process->user.gid = gid;
  }
  SeccompProgram filter;
};

TEST_F(CompileProcess, PrivilegesGoInTheOrderThatEachNeeds) {
  become(1000, 100);
  spec.process->rlimits = {{7, 10, 20}};
  spec.process->user.additional_gids = {5, 6};
  auto all = lines();
  expect_order(all, {"change directory to /", "limit RLIMIT_NOFILE: soft 10, hard 20", "set the umask to 0022",
                     "give stdio to uid 1000", "set the additional groups: 5,6", "keep none in the bounding set",
                     "become uid 1000, gid 100", "set capabilities: none", "be killed when the parent dies",
                     "change directory to /", "set no_new_privs", "start the workload", "execute /bin/true"});
  EXPECT_EQ(step<steps::WorkingDirectory>().flags, kTolerateDenied | kMakeMissing);
  uint32_t groups[2];
  std::memcpy(groups, data(step<steps::Groups>().ids), sizeof groups);
  EXPECT_EQ(groups[1], 6u);
}

TEST_F(CompileProcess, RootNeedsNoSecondAttempt) {
  auto all = lines();
  EXPECT_EQ(find(all, "become"), -1);
  EXPECT_EQ(find(all, "give stdio"), -1);
  EXPECT_EQ(find(all, "change directory", find(all, "change directory") + 1), -1);
  EXPECT_EQ(step<steps::WorkingDirectory>().flags, kMakeMissing);
  EXPECT_TRUE(has(all, "set the additional groups: none")) << "those of the caller must go";
}

TEST_F(CompileProcess, UmaskOfTheConfig) {
  spec.process->user.umask = 077;
  EXPECT_TRUE(has(lines(), "set the umask to 0077"));
}

TEST_F(CompileProcess, WithNoNewPrivilegesTheFilterIsTheLastThing) {
  seccomp = &filter;
  become(1000, 1000);
  auto all = lines();
  expect_order(all, {"set capabilities: none", "set no_new_privs", "start the workload", "start a session",
                     "close descriptors from 3 on", "load a seccomp filter of 3 instructions", "execute"});
  EXPECT_EQ(all.back().find("execute"), 0u) << "nothing is for the init alone";
  EXPECT_TRUE(compiled.seccomp);
}

TEST_F(CompileProcess, WithoutNoNewPrivilegesTheFilterIsLoadedWithCapSysAdmin) {
  seccomp = &filter;
  spec.process->no_new_privileges = false;
  spec.process->capabilities = oci::Capabilities{{"CAP_KILL"}, {"CAP_KILL"}, {}, {"CAP_KILL"}, {}};
  become(1000, 1000);
  auto all = lines();
  expect_order(all, {"become uid 1000", "set capabilities: effective CAP_KILL,CAP_SYS_ADMIN", "start the workload",
                     "close descriptors", "load a seccomp filter", "set capabilities: effective CAP_KILL", "execute"});
  EXPECT_EQ(find(all, "set no_new_privs"), -1);
  // The init does not get the filter, but it gives the capability back too.
  EXPECT_EQ(all.back(), "set capabilities: effective CAP_KILL");
  EXPECT_EQ(step<steps::Supervise>().init, all.size() - 1);
  EXPECT_EQ(step<steps::Supervise>().init_count, 1u);
  options.init = false;
  all = lines();
  expect_order(all, {"load a seccomp filter", "set capabilities: effective CAP_KILL", "execute"});
  EXPECT_EQ(all.back().find("execute"), 0u);
}

TEST_F(CompileProcess, WithoutInitTheWorkloadIsPidOne) {
  options.init = false;
  auto all = lines();
  EXPECT_EQ(find(all, "start the workload"), -1);
  EXPECT_EQ(find(all, "start a session for the init"), -1);
  expect_order(all, {"start a session", "close descriptors", "execute"});
  EXPECT_FALSE(compiled.init);
}

TEST_F(CompileProcess, TheInitIsASubreaperOnlyWhereItIsNotPidOne) {
  (void)lines();
  EXPECT_EQ(step<steps::Supervise>().adopts, 0u);
  spec.linux_.namespaces.erase(spec.linux_.namespaces.begin());
  auto all = lines();
  EXPECT_EQ(step<steps::Supervise>().adopts, 1u);
  EXPECT_GE(find(all, "be killed when the parent dies", find(all, "start the workload")), 0)
      << "the end of the namespace does not take the workload along";
}

TEST_F(CompileProcess, DetachedItWaitsForTheStateAndOutlivesTheParent) {
  options.detach = true;
  become(1000, 1000);
  auto all = lines();
  expect_order(all, {"be killed when the parent dies", "become", "set no_new_privs", "wait for minirun", "start the"});
  EXPECT_EQ(find(all, "be killed when the parent dies", 1), -1) << "until then the first one counts";
}

TEST_F(CompileProcess, ATerminalBelongsToTheUser) {
  spec.process->terminal = true;
  spec.process->console_size = oci::ConsoleSize{24, 80};
  become(1000, 1000);
  auto all = lines();
  const auto& terminal = step<steps::Terminal>();
  EXPECT_STREQ(data(terminal.devpts), "/dev/pts");
  EXPECT_EQ(terminal.rows, 24u);
  EXPECT_EQ(terminal.columns, 80u);
  EXPECT_EQ(terminal.uid, 1000u);
  EXPECT_EQ(find(all, "give stdio"), -1) << "stdio is minirun's own terminal still";
  EXPECT_TRUE(has(all, "start a session with the terminal"));
  EXPECT_TRUE(compiled.terminal);
}

TEST_F(CompileProcess, ATerminalKeepsLineEndsBeforeAnythingIsWritten) {
  spec.process->terminal = true;
  EXPECT_EQ(find(lines(), "leave its line ends"), -1) << "it is shown on a screen, or its owner's to set up";
  options.line_ends = true;
  expect_order(lines(), {"open a terminal", "leave its line ends", "start a session with the terminal", "execute"});
}

TEST_F(CompileProcess, ATerminalTakesThePlaceOfTheCallersOutputBeforeTheWait) {
  spec.process->terminal = true;
  EXPECT_EQ(find(lines(), "read from and write to the terminal"), -1) << "minirun's messages still go there";
  options.create = true;
  expect_order(lines(), {"wait for minirun", "read from and write to the terminal", "outlive", "wait for start"});
}

TEST_F(CompileProcess, ACreatedContainerWaitsUnderItsFilterWhereThatAllowsTheWait) {
  constexpr const char *kFilter = "load a seccomp filter", *kWait = "wait for start on", *kHold = "wait with the init";
  constexpr const char* kDrop = "set capabilities: none";
  spec.process->no_new_privileges = false;
  seccomp = &filter;
  options.create = true;
  auto deny = [&](long number) {  // all but this
    filter.filter = {load(0), jump(BPF_JEQ, static_cast<uint32_t>(number), 0, 1),
                     statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO), statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  };
  for (bool init : {false, true}) {
    options.init = init;
    deny(SYS_getppid);
    filter.flags = 0;
    if (init)
      expect_order(lines(), {"start the workload", kFilter, kDrop, kHold, "execute", kDrop, kWait});
    else
      expect_order(lines(), {kFilter, kDrop, kWait, "execute"});
    deny(init ? SYS_futex : SYS_accept4);
    expect_order(lines(), {kWait, kFilter, kDrop, "execute"});
    deny(SYS_getppid);
    filter.flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    expect_order(lines(), {kWait, kFilter, kDrop, "execute"});
  }
  filter.flags = 0;
  std::erase_if(spec.linux_.namespaces, [](const auto& space) { return space.type == CLONE_NEWPID; });
  expect_order(lines(), {kWait, kFilter, kDrop, "execute"});
}

TEST_F(CompileProcess, PreservedDescriptorsAreKept) {
  options.preserve_fds = 2;
  EXPECT_TRUE(has(lines(), "close descriptors from 5 on at exec"));
  EXPECT_EQ(compiled.plan.first_kept_fd, 5u);
}

TEST_F(CompileProcess, ListeningDescriptorsComeFirstAndAreTold) {
  options.preserve_fds = 1;
  options.listen_fds = {2, "a:b"};
  spec.process->env = {"LISTEN_PID=7", "HOME=/", "LISTEN_FDS=7", "LISTEN_FDNAMES=x"};
  auto all = lines();
  expect_order(all, {"start the workload", "close descriptors from 6 on",
                     "give the workload its process id: LISTEN_PID", "execute"});
  EXPECT_EQ(compiled.plan.first_kept_fd, 6u);
  const auto& own_pid = step<steps::OwnPid>();
  EXPECT_EQ(own_pid.environment.at, step<steps::Execute>().environment.at);
  std::vector<std::string> env;
  for (uint64_t i = 0;; i++) {
    uint64_t offset = 0;
    std::memcpy(&offset, data(own_pid.environment) + i * sizeof offset, sizeof offset);
    if (offset == 0) break;
    env.emplace_back(data(offset));
  }
  EXPECT_EQ(env, (oci::Strings{"HOME=/", "LISTEN_FDNAMES=a:b", "LISTEN_FDS=2", "LISTEN_PID=0000000000"}));
  EXPECT_EQ(own_pid.index, 3u);
  EXPECT_EQ(parse_listen_fds("7", "2", "a", 7).count, 2u);
  EXPECT_EQ(parse_listen_fds("7", "2", "a", 7).names, "a");
  EXPECT_FALSE(parse_listen_fds("7", "2", nullptr, 7).names);
  for (const char* count : {"", "0", "-1", "2x", "99999999", "99999999999"})
    EXPECT_EQ(parse_listen_fds("7", count, "a", 7).count, 0u) << count;
  EXPECT_EQ(parse_listen_fds("8", "2", "a", 7).count, 0u) << "another process's";
  EXPECT_EQ(parse_listen_fds(nullptr, "2", "a", 7).count, 0u);
}

TEST_F(CompileProcess, SchedulerIoPriorityAndPersonality) {
  spec.process->scheduler = oci::Scheduler{SCHED_RR, {}, 50, 2, {}, {}, {}};
  spec.process->io_priority = oci::IoPriority{2, 3};
  spec.linux_.personality = oci::Personality{8, {}};
  auto all = lines();
  expect_order(all, {"set the personality to 0x8", "set the scheduler: SCHED_RR", "set the I/O priority: best effort 3",
                     "set capabilities", "start the workload"});
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
  } attributes;
  std::memcpy(&attributes, data(step<steps::Scheduler>().attributes), sizeof attributes);
  EXPECT_EQ(attributes.size, 48u);
  EXPECT_EQ(attributes.policy, static_cast<uint32_t>(SCHED_RR));
  EXPECT_EQ(attributes.priority, 50u);
  EXPECT_EQ(attributes.flags, 2u);
  EXPECT_EQ(step<steps::IoPriority>().value, (2u << 13) | 3u);
}

TEST_F(CompileProcess, ADeadlineIsTheWorkloadsAlone) {
  spec.process->scheduler = oci::Scheduler{SCHED_DEADLINE, {}, {}, 0, 10, 20, 30};
  auto all = lines();
  expect_order(all, {"set capabilities: effective CAP_SYS_NICE", "start the workload",
                     "set the scheduler: SCHED_DEADLINE", "set capabilities: none", "execute"});
  options.init = false;
  expect_order(lines(), {"set the scheduler: SCHED_DEADLINE", "set capabilities: none", "execute"});
}

TEST_F(CompileProcess, ASchedulerThatForkingResetsIsSetByTheWorkload) {
  constexpr uint64_t kResetOnFork = 1;
  spec.process->scheduler = oci::Scheduler{SCHED_RR, {}, 50, kResetOnFork, {}, {}, {}};
  expect_order(lines(), {"start the workload", "set the scheduler: SCHED_RR", "execute"});
}

TEST_F(CompileProcess, KernelParametersAreWrittenThroughItsOwnProcfs) {
  spec.linux_.sysctl = {{"net.ipv4.conf.eth0/1.forwarding", "1"}, {"net/ipv4/conf/eth0.1/mtu", "9000"}};
  spec.process->oom_score_adj = -500;
  expect_order(lines(), {"open a private procfs", "write 1 to /proc/sys/net/ipv4/conf/eth0.1/forwarding",
                         "write 9000 to /proc/sys/net/ipv4/conf/eth0.1/mtu", "write -500 to /proc/self/oom_score_adj"});
}

TEST_F(CompileProcess, OomScoreIsLeftAloneUnlessGiven) {
  EXPECT_EQ(find(lines(), "open a private procfs"), -1);
}

TEST_F(CompileProcess, OfVariablesWithOneNameTheLastStaysInItsPlace) {
  spec.process->env = {"A=1", "B=1", "A=2", "AB=1", "HOME=/x", "A=", "C=1", "C=1"};
  (void)lines();
  auto* table = reinterpret_cast<const uint64_t*>(data(step<steps::Execute>().environment));
  for (const char* entry : {"B=1", "AB=1", "HOME=/x", "A=", "C=1"}) EXPECT_STREQ(data(*table++), entry);
  EXPECT_EQ(*table, 0u);
}

TEST_F(CompileProcess, HomeIsAddedWhereThereIsNone) {
  spec.process->env = {"A=1"};
  (void)lines();
  auto* table = reinterpret_cast<const uint64_t*>(data(step<steps::Execute>().environment));
  EXPECT_STREQ(data(table[0]), "A=1");
  EXPECT_STREQ(data(table[1]), "HOME=/home/user");
  EXPECT_EQ(table[2], 0u);
  spec.process->env = {"HOME="};
  (void)lines();
  table = reinterpret_cast<const uint64_t*>(data(step<steps::Execute>().environment));
  EXPECT_STREQ(data(table[0]), "HOME=");
  EXPECT_EQ(table[1], 0u);
}

TEST_F(CompileProcess, CapabilitiesThatTheHostHasNotAreWarnedOf) {
  host.capabilities = 0;
  spec.process->capabilities = oci::Capabilities{{"CAP_KILL"}, {}, {}, {}, {}};
  EXPECT_TRUE(has(lines(), "keep none in the bounding set"));
  ASSERT_EQ(compiled.warnings.size(), 1u);
  EXPECT_EQ(compiled.warnings[0].find("/process/capabilities/bounding"), 0u);
}

TEST(ProgramCandidates, ArePathTimesName) {
  using V = std::vector<std::string>;
  EXPECT_EQ(program_candidates("sh", "/bin:/usr/bin"), (V{"/bin/sh", "/usr/bin/sh"}));
  EXPECT_EQ(program_candidates("/bin/sh", "/usr/bin"), (V{"/bin/sh"}));
  EXPECT_EQ(program_candidates("./sh", "/usr/bin"), (V{"./sh"}));
  EXPECT_EQ(program_candidates("sh", ""), (V{"./sh"}));
  EXPECT_EQ(program_candidates("sh", ":/bin:"), (V{"./sh", "/bin/sh", "./sh"}));
  EXPECT_EQ(program_candidates("sh", "/:tools"), (V{"/sh", "tools/sh"}));
}

TEST(SearchPath, IsTheLastOfTheEnvironmentOrTheUsualOne) {
  EXPECT_EQ(search_path_of({"PATH=/a", "X=1", "PATH=/b"}), "/b");
  EXPECT_EQ(search_path_of({"XPATH=/a"}), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
}

}  // namespace
}  // namespace minirun
