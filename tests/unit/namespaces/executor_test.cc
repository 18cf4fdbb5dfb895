// SPDX-License-Identifier: Apache-2.0
// Ring 2: the child's code on a kernel that only writes down, and on one that fails.
#include "namespaces/executor.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

constexpr int kControl = 9;

// Runs a plan and keeps its image for a look at the report.
struct Execution {
  explicit Execution(const Plan& plan) : image(serialize(plan, std::vector<int>(plan.slots.size(), 5), kControl)) {}
  int run() {
    Executor<FakeKernel> executor(kernel, reinterpret_cast<PlanHeader*>(image.data()));
    return executor.run();
  }
  const Report& report() const { return reinterpret_cast<const PlanHeader*>(image.data())->report; }
  FakeKernel kernel;
  std::string image;
};

constexpr const char* kCwd = "/w";

template <class Fields>
Plan one_step(const Fields& fields) {
  PlanBuilder builder;
  builder.add(fields);
  return builder.finish();
}

steps::Execute program(PlanBuilder& b, const std::vector<std::string>& candidates) {
  Texts list = b.list(candidates);
  return {list, b.text(candidates[0]), b.pointer_table({"true"}), b.pointer_table({})};
}

void add_workload(PlanBuilder& b) {
  b.add(steps::Session{});
  b.add(steps::CloseOnExec{3});
  b.add(program(b, {"/bin/true"}), "/process/args");
}

void add_tree(PlanBuilder& b) {
  Slot root = b.slot({SourceKind::rootfs_tree, "/r", true, 0, ""});
  Slot null = b.slot({SourceKind::null_device, "", false, 0, ""});
  b.add(steps::PlaceRoot{root, b.path("/"), abi::kMsSlave}, "/root");
  b.add(steps::Pivot{}, "/root");
  b.add(steps::MountNew{b.text("tmpfs"), {b.path("/dev"), 2, b.list(Parameters{{"size", "=1k"}})}}, "/mounts/0");
  b.add(steps::Attach{root, b.path("/data"), {.set = 1, .propagation = 1}}, "/mounts/1");
  b.add(steps::Directory{b.text("/dev")});
  b.add(steps::Device{b.path("null"), 0x103, 020666});
  b.add(steps::Symlink{b.text("/proc/self/fd"), b.path("fd"), {}, kOnlyIfTarget});
  b.add(steps::Terminal{b.text("/dev/pts"), 24, 80});
  b.add(steps::BindConsole{b.path("/dev/console")});
  b.add(steps::OpenProc{Procfs::own});
  b.add(steps::WriteProc{b.proc_path("sys/net/x"), b.text("1")}, "/linux/sysctl/x");
  b.add(steps::Mask{b.path("/proc/keys"), null}, "/linux/maskedPaths/0");
  b.add(steps::MakeReadonly{b.path("/proc/sys")}, "/linux/readonlyPaths/0");
}

// A little of everything, in the order of a real plan.
Plan whole_plan(bool with_init) {
  PlanBuilder b;
  b.add(steps::DieWithParent{});
  b.add(steps::NewNamespaces{0x02000000});
  add_tree(b);
  b.add(steps::Loopback{});
  b.add(steps::Hostname{b.text("h")}, "/hostname");
  b.add(steps::Rlimit{7, b.text("RLIMIT_NOFILE"), 1, 2});
  uint64_t nodes = 3;
  b.add(steps::MemoryPolicy{2, b.bytes(&nodes, sizeof nodes), b.text("MPOL_BIND on nodes 0-1")});
  b.add(steps::Bounding{(uint64_t{1} << 41) - 2, b.text("x")});
  b.add(steps::WorkingDirectory{b.path(kCwd), kTolerateDenied | kMakeMissing});
  b.add(steps::Identity{1000, 1000});
  b.add(steps::Capabilities{1, 1});
  b.add(steps::NoNewPrivileges{});
  b.add(steps::WaitAtGate{Gate::commit, b.text("the state")});
  b.add(steps::Outlive{});
  if (!with_init) {
    add_workload(b);
    return b.finish();
  }
  uint32_t supervise = b.add(steps::Supervise{.workload = b.size() + 1});
  add_workload(b);
  b.fields<steps::Supervise>(supervise).init = b.size();
  return b.finish();
}

// Calls whose failure the code takes on purpose, with the reason.
bool failure_is_taken(const std::vector<FakeKernel::Call>& calls, size_t at) {
  // kTolerateDenied of the working directory: it is opened, then entered.
  auto opens_it = [](const FakeKernel::Call& made) {
    return made.number == __NR_openat2 && strcmp(reinterpret_cast<const char*>(made.argument[1]), kCwd) == 0;
  };
  const FakeKernel::Call& call = calls[at];
  if (opens_it(call) || (call.number == __NR_fchdir && at > 0 && opens_it(calls[at - 1]))) return true;
  switch (call.number) {
    case __NR_close:
      return true;  // the number is free whatever it says
    case __NR_rt_sigprocmask:
      return true;  // cannot fail with valid arguments
    case __NR_futex:
      return true;  // the word itself is looked at again
    case __NR_rt_sigtimedwait:
      return true;  // EINTR: the wait goes on
    case __NR_wait4:
      return true;  // no child: the wait goes on
    case __NR_munmap:
      return true;  // only costs memory
    case __NR_kill:
      return true;  // the workload has ended
    case __NR_recvfrom:
      return true;  // the parent's hang-up is looked at, not its errors
    case __NR_close_range:
      return call.argument[2] == 0;  // the resident init's own descriptors
    case __NR_chdir:
      return true;  // the resident init's "/"
    default:
      return false;
  }
}

}  // namespace

// fs.suid_dumpable 1 would open it to tracers of its user until its exec, whether it dies with minirun or not.
TEST(Executor, AChangeOfIdsIsFollowedByItsProtection) {
  for (const Plan& plan : {one_step(steps::Identity{1000, 1000}), one_step(steps::BecomeRoot{})}) {
    Execution run(plan);
    ASSERT_EQ(run.run(), 0);
    const auto& calls = run.kernel.calls;
    auto ids = std::find_if(calls.begin(), calls.end(), [](const auto& c) { return c.number == __NR_setresuid; });
    ASSERT_NE(ids, calls.end());
    bool hidden = std::any_of(ids, calls.end(), [](const FakeKernel::Call& c) {
      return c.number == __NR_prctl && c.argument[0] == kPrSetDumpable && c.argument[1] == 0;
    });
    EXPECT_TRUE(hidden) << run.kernel.names();
  }
}

// EINVAL is what a sandbox or a filter of the outside may answer: no capability may stay for that.
TEST(Executor, TheBoundingSetLosesExactlyWhatItIsToldTo) {
  Execution run(one_step(steps::Bounding{0x1f0ull << 32 | 0x6, {}}));
  ASSERT_EQ(run.run(), 0);
  std::set<uint64_t> dropped;
  for (const FakeKernel::Call& call : run.kernel.calls)
    if (call.number == __NR_prctl && call.argument[0] == kPrCapbsetDrop) dropped.insert(call.argument[1]);
  EXPECT_EQ(dropped, (std::set<uint64_t>{1, 2, 36, 37, 38, 39, 40}));
}

TEST(Executor, EveryFailingCallStopsTheLaunchAndIsReported) {
  for (bool with_init : {false, true}) {
    Plan plan = whole_plan(with_init);
    Execution clean(plan);
    ASSERT_EQ(clean.run(), 0) << "step " << clean.report().step << " error " << clean.report().error;
    const std::vector<FakeKernel::Call> calls = clean.kernel.calls;
    ASSERT_GT(calls.size(), 60u);
    for (size_t n = 0; n < calls.size(); n++) {
      if (failure_is_taken(calls, n)) continue;
      Execution failing(plan);
      failing.kernel.fail_at = static_cast<long>(n);
      int status = failing.run();
      const Report& report = failing.report();
      std::string which = "call " + std::to_string(n) + ": " + call_name(static_cast<uint32_t>(calls[n].number));
      bool reported = report.state == kFailed && report.error == EPERM && report.step < plan.steps.size();
      bool sent = calls[n].number == __NR_sendmsg;  // the report has no reader, but it must not continue
      EXPECT_TRUE(reported || sent) << which << " state " << report.state << " error " << report.error;
      if (report.state == kFailed) {
        EXPECT_TRUE(status == 127 || failing.kernel.exit_status == 127) << which;
      }
    }
  }
}

TEST(Executor, NothingIsExecutedAfterAFailedStep) {
  Plan plan = whole_plan(true);
  Execution clean(plan);
  ASSERT_EQ(clean.run(), 0);
  for (size_t n = 0; n < clean.kernel.calls.size(); n++) {
    if (clean.kernel.calls[n].number == __NR_execve) break;
    if (failure_is_taken(clean.kernel.calls, n)) continue;
    Execution failing(plan);
    failing.kernel.fail_at = static_cast<long>(n);
    failing.run();
    EXPECT_EQ(failing.kernel.count(__NR_execve), 0u) << n;
  }
}

TEST(Executor, InitEndsWithTheWorkloadsStatus) {
  Execution execution(whole_plan(true));
  execution.run();
  EXPECT_EQ(execution.kernel.exit_status, 7);
}

TEST(Executor, AMissingPathIsToleratedOnlyByFlag) {
  PlanBuilder b;
  b.add(steps::MakeReadonly{b.path("/proc/none"), kTolerateMissing});
  b.add(steps::Mask{b.path("/proc/none"), {}, kTolerateMissing});
  b.add(steps::MakeReadonly{b.path("/proc/none")});
  Execution execution(b.finish());
  execution.kernel.answer = [](const FakeKernel::Call& call, long* result) {
    *result = -ENOENT;
    return call.number == __NR_openat2;
  };
  EXPECT_EQ(execution.run(), 127);
  EXPECT_EQ(execution.report().step, 2u);
  EXPECT_EQ(execution.report().error, ENOENT);
}

TEST(Executor, PathSearchSkipsMissingOnesAndRemembersDenial) {
  PlanBuilder b;
  b.add(program(b, {"/a/x", "/b/x", "/c/x"}));
  Execution execution(b.finish());
  int asked = 0;
  execution.kernel.answer = [&asked](const FakeKernel::Call& call, long* result) {
    if (call.number != __NR_execve) return false;
    *result = asked++ == 1 ? -EACCES : -ENOENT;
    return true;
  };
  EXPECT_EQ(execution.run(), 127);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(execution.report().error, EACCES);
  EXPECT_STREQ(execution.report().detail, "/b/x");
}

// From the loading of a filter that notifies to the parent's answer: no system call.
TEST(Executor, TheListenerIsOfferedInMemoryAndWaitsForTheAnswer) {
  for (uint32_t answer : {uint32_t{kListenerTaken}, uint32_t{kListenerRefused}}) {
    PlanBuilder b;
    uint64_t code = 0;
    b.add(steps::Seccomp{b.bytes(&code, sizeof code), 8, true}, "/linux/seccomp");
    b.add(steps::Umask{0});
    Execution execution(b.finish());
    auto* header = reinterpret_cast<PlanHeader*>(execution.image.data());
    execution.kernel.answer = [](const FakeKernel::Call& call, long* result) {
      *result = 17;
      return call.number == __NR_seccomp;
    };
    int looks = 0;
    execution.kernel.meanwhile = [&] {
      EXPECT_EQ(header->listener, kListenerOffered + 17U);
      EXPECT_EQ(execution.kernel.names(), "sigprocmask seccomp");
      if (++looks == 3) header->listener = answer;
    };
    bool taken = answer == kListenerTaken;
    EXPECT_EQ(execution.run(), taken ? 0 : 127);
    EXPECT_EQ(looks, 3);
    EXPECT_EQ(execution.kernel.count(__NR_umask), taken ? 1U : 0U);
    if (!taken) {
      EXPECT_EQ(execution.report().error, ECANCELED);
    }
  }
}

TEST(Executor, TheWorkloadIsToldItsNumber) {
  for (long pid : {1L, 20L, 4194304L}) {
    PlanBuilder b;
    PointerTable table = b.pointer_table({"A=b", "LISTEN_PID=0000000000"});
    b.add(steps::OwnPid{table, 1, b.text("LISTEN_PID")});
    Execution execution(b.finish());
    execution.kernel.answer = [pid](const FakeKernel::Call& call, long* result) {
      *result = pid;
      return call.number == __NR_getpid;
    };
    EXPECT_EQ(execution.run(), 0);
    uint64_t offset = 0;
    memcpy(&offset, execution.image.data() + table.at + sizeof offset, sizeof offset);
    EXPECT_EQ(execution.image.data() + offset, "LISTEN_PID=" + std::to_string(pid));
  }
}

// Of another build, or of no build at all.
TEST(Executor, AStepThatItDoesNotKnowIsAFailure) {
  Plan plan = one_step(steps::Loopback{});
  plan.steps[0].op = Op{steps::kCount};
  std::string image = serialize(plan, {}, kControl);
  FakeKernel kernel;
  Executor<FakeKernel> executor(kernel, reinterpret_cast<PlanHeader*>(image.data()));
  EXPECT_EQ(executor.run(), 127);
  EXPECT_EQ(reinterpret_cast<const PlanHeader*>(image.data())->report.error, ENOSYS);
}

TEST(Executor, OpenatIsTriedAgainWhenARenameRaced) {
  Execution execution(one_step(steps::MakeReadonly{{static_cast<uint32_t>(kDataOffset)}}));
  int asked = 0;
  execution.kernel.answer = [&asked](const FakeKernel::Call& call, long* result) {
    *result = -EAGAIN;
    return call.number == __NR_openat2 && asked++ < 3;
  };
  EXPECT_EQ(execution.run(), 0);
  EXPECT_EQ(execution.kernel.count(__NR_openat2), 4u);
}

TEST(Executor, AWorkingDirectoryOutsideTheRootIsRefused) {
  PlanBuilder b;
  b.add(steps::WorkingDirectory{b.path("/proc/self/fd/7")}, "/process/cwd");
  Execution execution(b.finish());
  execution.kernel.answer = [](const FakeKernel::Call& call, long* result) {
    if (call.number != __NR_getcwd) return false;
    strcpy(reinterpret_cast<char*>(call.argument[0]), "(unreachable)/host");
    *result = 19;
    return true;
  };
  EXPECT_EQ(execution.run(), 127);
  EXPECT_EQ(execution.report().error, EXDEV);
  EXPECT_EQ(execution.report().syscall, static_cast<uint32_t>(__NR_getcwd));
}

TEST(Executor, AParentThatDiedBeforeThePromiseEndsTheLaunch) {
  Execution execution(one_step(steps::DieWithParent{}));
  execution.kernel.answer = [](const FakeKernel::Call& call, long* result) {
    *result = 0;  // end of file
    return call.number == __NR_recvfrom;
  };
  EXPECT_EQ(execution.run(), 127);
}

TEST(Executor, SignalsAreUnblockedBeforeAFilterThatMayForbidIt) {
  PlanBuilder b;
  b.add(steps::Seccomp{b.bytes("xxxxxxxx", 8), 0});
  add_workload(b);
  Execution execution(b.finish());
  EXPECT_EQ(execution.run(), 0);
  std::string names = execution.kernel.names();
  EXPECT_LT(names.find("sigprocmask"), names.find("seccomp")) << names;
  EXPECT_EQ(execution.kernel.count(__NR_rt_sigprocmask), 1u) << "with the filter in place it may be the end";
}

TEST(Executor, ACloneThatFailsIsNamed) {
  Execution execution(whole_plan(true));
  execution.kernel.fail_clone = EAGAIN;
  EXPECT_EQ(execution.run(), 127);
  EXPECT_EQ(execution.report().syscall, static_cast<uint32_t>(__NR_clone3));
}

TEST(Executor, StdioThatTheCallerOnlyReadsIsNotGivenAway) {
  constexpr uint16_t kFile = 0100644, kDisk = 0060660, kDevice = 0020666, kPipe = 0010600;
  auto owned = [](uint16_t mode, long flags, long is_terminal) {
    Execution execution(one_step(steps::OwnStdio{1000}));
    execution.kernel.file_mode = mode;
    execution.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
      *result = call.number == __NR_fcntl ? flags : is_terminal;
      return call.number == __NR_fcntl || call.number == __NR_ioctl;
    };
    EXPECT_EQ(execution.run(), 0);
    return execution.kernel.count(__NR_fchown);
  };
  EXPECT_EQ(owned(kFile, O_RDONLY, -ENOTTY), 0u);
  EXPECT_EQ(owned(kFile, O_WRONLY | O_APPEND, -ENOTTY), 3u);
  EXPECT_EQ(owned(kDisk, O_RDWR, -ENOTTY), 0u);
  EXPECT_EQ(owned(kDevice, O_RDWR, -ENOTTY), 0u) << "/dev/null and the like";
  EXPECT_EQ(owned(kDevice, O_RDWR, 0), 3u) << "a terminal";
  EXPECT_EQ(owned(kPipe, O_RDONLY, -ENOTTY), 3u);
}

// The resident init's loop, with the signals that it takes from the queue.
struct Forwarding {
  explicit Forwarding(std::vector<std::pair<int, int>> signals_and_codes) : execution(whole_plan(true)) {
    execution.kernel.answer = [this, queue = std::move(signals_and_codes)](const FakeKernel::Call& call, long* result) {
      if (call.number == __NR_kill || call.number == __NR_rt_sigqueueinfo)
        forwarded.push_back(static_cast<int>(call.argument[1]));
      if (call.number != __NR_rt_sigtimedwait || next >= queue.size()) return false;
      *result = queue[next].first;
      int32_t code = queue[next].second;
      memcpy(reinterpret_cast<char*>(call.argument[1]) + 8, &code, sizeof code);
      next++;
      return true;
    };
    execution.run();
  }
  Execution execution;
  std::vector<int> forwarded;
  size_t next = 0;
};

TEST(Init, ForwardsEachSignalOnce) {
  constexpr int kUser = 0, kQueue = -1, kKernel = 0x80;
  Forwarding all({{15, kUser}, {34, kQueue}, {20, kUser}, {21, kKernel}, {1, kKernel}, {15, kUser}});
  EXPECT_EQ(all.forwarded, (std::vector<int>{15, 34, 20, 1, 15})) << "the kernel's own stop signals are left out";
}

TEST(Init, KeepsTheValueOfAQueuedSignal) {
  constexpr int kQueue = -1;
  Forwarding queued({{40, kQueue}});
  EXPECT_EQ(queued.execution.kernel.count(__NR_rt_sigqueueinfo), 1u);
  EXPECT_EQ(queued.execution.kernel.count(__NR_kill), 0u);
}

}  // namespace minirun
