// SPDX-License-Identifier: Apache-2.0
// The steps of a process that begins outside of the namespaces that it joins, on a kernel that only writes down, and on
// one that fails.
#include <gtest/gtest.h>
#include <sched.h>

#include <atomic>
#include <thread>

#include "namespaces/executor.h"
#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

constexpr int kOwnControl = 9;
constexpr int kMinirun = 4711;
constexpr long kBorn = 77;
constexpr uint32_t kFirst = 3;

struct BirthRun {
  explicit BirthRun(const Plan& plan) : image(serialize(plan, {5, 12, 14}, kOwnControl)) {
    header()->memory = 10;
    header()->birth.parent = kMinirun;
    kernel.answer = [this](const FakeKernel::Call& call, long* result) { return answer(call, result); };
  }
  PlanHeader* header() { return reinterpret_cast<PlanHeader*>(image.data()); }
  int run() {
    Executor<FakeKernel> executor(kernel, header());
    return executor.run();
  }

  bool answer(const FakeKernel::Call& call, long* result) {
    if (call.number == __NR_clone) {
      *result = clone_result;
      header()->birth.child = kBorn;
      return true;
    }
    if (call.number == __NR_getppid) {
      *result = parent_seen;
      return true;
    }
    if (call.number == __NR_futex) {  // minirun has written the number meanwhile
      if (call.argument[1] == 0) header()->birth.word = kBornCommitted;
      return true;
    }
    if (call.number == __NR_recvfrom && call.argument[3] == 0) {
      Envelope mapped{Message::mapped, 0};
      memcpy(reinterpret_cast<void*>(call.argument[1]), &mapped, sizeof mapped);
      *result = hung_up ? 0 : static_cast<long>(sizeof mapped);
      return true;
    }
    if (call.number == __NR_fsconfig && call.argument[3] != 0) {
      const std::string value = reinterpret_cast<const char*>(call.argument[3]);
      *result = value == "?" ? -bad_value : good_value;
      return true;
    }
    if (call.number == __NR_fstatfs) {
      *reinterpret_cast<long*>(call.argument[1]) = magic;
      return true;
    }
    return false;
  }

  FakeKernel kernel;
  std::string image;
  long clone_result = 0;  // this is the new process
  long parent_seen = 0;
  bool hung_up = false;
  long bad_value = EINVAL, good_value = 0;
  long magic = 0x9fa0;
};

void add_execute(PlanBuilder& b) {
  Texts candidates = b.list(std::vector<std::string>{"/bin/true"});
  b.add(steps::Execute{candidates, b.text("/bin/true"), b.pointer_table({"true"}), b.pointer_table({})},
        "/process/args");
}

// As compile() emits it for a container that joins a pid namespace beside a new user namespace.
Plan joining_plan(bool create) {
  PlanBuilder b;
  b.add(steps::DieWithParent{});
  b.add(steps::JoinNamespace{{0}, CLONE_NEWPID}, "/linux/namespaces/0");
  b.add(steps::NewNamespaces{CLONE_NEWUSER | CLONE_NEWNS}, "/linux/namespaces");
  b.add(steps::AwaitIdMaps{});
  b.add(steps::BecomeRoot{});
  b.add(steps::DieWithParent{});
  b.add(steps::OpenRoot{});
  NewMount proc{.target = b.path("/proc"), .parameters = b.list(Parameters{{"source", "=proc"}})};
  b.add(steps::MountProc{{0}, proc}, "/mounts/0");
  if (create) {
    b.add(steps::CloseOnExec{kFirst});
    b.add(steps::CloseDescriptors{kFirst, LeftOpen::wait, {1}, {2}});
    b.add(steps::Birth{{}, BirthWay::alone});
  } else {
    b.add(steps::CloseDescriptors{kFirst});
    b.add(steps::Birth{{}, BirthWay::held});
  }
  b.add(steps::DieWithParent{});
  b.add(steps::AwaitCommit{});
  b.add(steps::Outlive{});
  add_execute(b);
  return b.finish();
}

bool birth_survives(const FakeKernel::Call& call) {
  switch (call.number) {
    case __NR_close:
    case __NR_rt_sigprocmask:
    case __NR_futex:  // the word itself is looked at again
    case __NR_read:   // a filesystem's words for an error
      return true;
    case __NR_setgroups:
      return true;  // EPERM: denied to the unprivileged
    case __NR_recvfrom:
      return call.argument[3] != 0;  // the parent's hang-up is looked at, not its errors
    default:
      return false;
  }
}

TEST(ExecutorBirth, EveryFailingCallStopsTheLaunchAndIsReported) {
  for (bool create : {false, true}) {
    Plan plan = joining_plan(create);
    BirthRun clean(plan);
    ASSERT_EQ(clean.run(), 0) << "step " << clean.header()->report.step << " error " << clean.header()->report.error;
    ASSERT_EQ(clean.kernel.count(__NR_execve), 1u);
    for (size_t n = 0; n < clean.kernel.calls.size(); n++) {
      if (birth_survives(clean.kernel.calls[n])) continue;
      BirthRun failing(plan);
      failing.kernel.fail_at = static_cast<long>(n);
      EXPECT_EQ(failing.run(), 127) << n;
      const Report& report = failing.header()->report;
      std::string which = call_name(static_cast<uint32_t>(clean.kernel.calls[n].number));
      EXPECT_EQ(report.state, uint32_t{kFailed}) << which;
      EXPECT_EQ(report.error, EPERM) << which;
      EXPECT_LE(failing.kernel.count(__NR_execve), clean.kernel.calls[n].number == __NR_execve ? 1u : 0u) << which;
    }
  }
}

TEST(ExecutorBirth, TheOuterProcessDoesNoMoreAfterTheClone) {
  for (bool create : {false, true}) {
    BirthRun outer(joining_plan(create));
    outer.clone_result = kBorn;
    EXPECT_EQ(outer.run(), 0);
    EXPECT_EQ(outer.kernel.calls.back().number, __NR_clone);
    constexpr uint64_t kVfork = 0x4000;
    EXPECT_EQ((outer.kernel.calls.back().argument[0] & kVfork) != 0, !create);
  }
}

TEST(ExecutorBirth, NothingIsExecutedWithoutMinirun) {
  BirthRun orphan(joining_plan(false));
  orphan.parent_seen = 1;
  EXPECT_EQ(orphan.run(), 127);
  EXPECT_EQ(orphan.header()->report.error, ESRCH);
  EXPECT_EQ(orphan.kernel.count(__NR_execve), 0u);
  BirthRun beside(joining_plan(false));  // in minirun's own pid namespace
  beside.parent_seen = kMinirun;
  EXPECT_EQ(beside.run(), 0);
  BirthRun unmapped(joining_plan(false));
  unmapped.hung_up = true;
  EXPECT_EQ(unmapped.run(), 127);
  EXPECT_EQ(unmapped.kernel.count(__NR_clone), 0u);
}

TEST(ExecutorBirth, ACommitThatComesFirstIsNotWaitedFor) {
  BirthRun quick(joining_plan(false));
  quick.header()->birth.word = kBornCommitted;
  EXPECT_EQ(quick.run(), 0);
  EXPECT_EQ(quick.kernel.count(__NR_futex), 0u);
}

// Each word has one writer. minirun writes this one at any moment, and a second writer would undo that: the process
// would wait for ever. The commit here comes a few instructions earlier or later in each round.
TEST(ExecutorBirth, ACommitIsNotLostWhateverItsMoment) {
  constexpr int kRounds = 20000, kMoments = 200;
  BirthRun child(joining_plan(false));
  uint32_t* word = &child.header()->birth.word;
  std::atomic<int> begun{0}, committed{0};
  std::thread minirun([&] {
    for (int round = 1; round <= kRounds; round++) {
      while (begun != round) {
      }
      for (volatile int moment = round % kMoments; moment > 0;) moment = moment - 1;
      __atomic_store_n(word, uint32_t{kBornCommitted}, __ATOMIC_RELEASE);
      committed = round;
    }
  });
  int lost = 0, round = 0;
  auto usual = child.kernel.answer;
  child.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    if (call.number != __NR_futex) return usual(call, result);
    while (committed != round) std::this_thread::yield();
    if (call.argument[1] == 0 && __atomic_load_n(word, __ATOMIC_ACQUIRE) != kBornCommitted) {
      ++lost;  // it would sleep
      *word = kBornCommitted;
    }
    return true;
  };
  Executor<FakeKernel> executor(child.kernel, child.header());
  while (round < kRounds) {
    *word = kNotBorn;
    child.kernel.calls.clear();
    begun = ++round;
    EXPECT_EQ(executor.await_commit(), 0);
    while (committed != round) std::this_thread::yield();
  }
  minirun.join();
  EXPECT_EQ(lost, 0);
}

TEST(ExecutorBirth, WhatWaitsForStartKeepsWhatThatTakes) {
  BirthRun execution(joining_plan(true));
  ASSERT_EQ(execution.run(), 0);
  std::vector<std::pair<uint64_t, uint64_t>> closed;
  for (const auto& call : execution.kernel.calls)
    if (call.number == __NR_close_range && call.argument[2] == 0)
      closed.emplace_back(call.argument[0], call.argument[1]);
  const std::vector<std::pair<uint64_t, uint64_t>> expected = {{3, 8}, {11, 11}, {13, 13}, {15, 0xffffffff}};
  EXPECT_EQ(closed, expected) << "control 9, memory 10, socket 12, gate 14";
}

TEST(ExecutorBirth, AnythingButAProcfsIsNotMounted) {
  const struct {
    const char* what;
    long bad_value, good_value, magic;
    size_t fsmounts;
  } cases[] = {{"one that takes every parameter", 0, 0, 0x9fa0, 0},
               {"one without that parameter", EINVAL, -EINVAL, 0x9fa0, 0},
               {"no filesystem context", EBADF, -EBADF, 0x9fa0, 0},
               {"one that is mounted already", EBUSY, -EBUSY, 0x9fa0, 0},
               {"another filesystem", EINVAL, 0, 0x01021994, 1}};
  for (const auto& test : cases) {
    BirthRun execution(joining_plan(false));
    execution.bad_value = test.bad_value;
    execution.good_value = test.good_value;
    execution.magic = test.magic;
    EXPECT_EQ(execution.run(), 127) << test.what;
    EXPECT_EQ(execution.kernel.count(__NR_fsmount), test.fsmounts) << test.what;
    EXPECT_EQ(execution.kernel.count(__NR_move_mount), 0u) << test.what;
    EXPECT_EQ(execution.kernel.count(__NR_clone), 0u) << test.what;
  }
}

Plan lending_plan() {
  PlanBuilder b;
  b.add(steps::LendProc{2}, "/mounts/0");
  return b.finish();
}

size_t position(const FakeKernel& kernel, long number) {
  for (size_t n = 0; n < kernel.calls.size(); n++)
    if (kernel.calls[n].number == number) return n;
  return kernel.calls.size();
}

TEST(ExecutorBirth, WhoOpensAProcfsHasNothingToBeTaken) {
  BirthRun child(lending_plan());
  EXPECT_EQ(child.run(), 0);
  EXPECT_EQ(child.kernel.exit_status, 0);
  size_t clone = position(child.kernel, __NR_clone);
  ASSERT_LT(clone, child.kernel.calls.size());
  EXPECT_EQ(child.kernel.names().substr(child.kernel.names().find("clone")), "clone fsopen fsopen");
  for (long number : {__NR_unshare, __NR_pivot_root, __NR_umount2, __NR_close_range, __NR_seccomp})
    EXPECT_LT(position(child.kernel, number), clone) << call_name(static_cast<uint32_t>(number));
  EXPECT_EQ(child.kernel.calls[position(child.kernel, __NR_unshare)].argument[0], CLONE_NEWUSER | CLONE_NEWNS);
  EXPECT_EQ(child.kernel.count(__NR_capset), 0u);

  BirthRun refused(lending_plan());
  refused.kernel.fail_at = 0;
  EXPECT_EQ(refused.run(), 0) << "without a user namespace";
  EXPECT_LT(position(refused.kernel, __NR_capset), position(refused.kernel, __NR_clone));
}

TEST(ExecutorBirth, AProcfsThatCannotBeOpenedIsReported) {
  BirthRun child(lending_plan());
  int opened = 0;
  auto usual = child.kernel.answer;
  child.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    if (call.number == __NR_fsopen && opened++ == 1) *result = -ENOMEM;
    return (call.number == __NR_fsopen && opened == 2) || usual(call, result);
  };
  (void)child.run();
  EXPECT_EQ(child.kernel.exit_status, ENOMEM);

  for (int status : {ENOMEM << 8, 9}) {
    BirthRun parent(lending_plan());
    parent.clone_result = kBorn;
    auto others = parent.kernel.answer;
    parent.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
      if (call.number != __NR_wait4) return others(call, result);
      memcpy(reinterpret_cast<void*>(call.argument[1]), &status, sizeof status);
      *result = kBorn;
      return true;
    };
    EXPECT_EQ(parent.run(), 127);
    EXPECT_EQ(parent.header()->report.error, status == 9 ? ECHILD : ENOMEM);
    EXPECT_EQ(parent.header()->birth.word, uint32_t{kNotBorn});
  }
}

TEST(ExecutorBirth, EveryFailureOnTheWayToAProcfsIsReported) {
  BirthRun clean(lending_plan());
  ASSERT_EQ(clean.run(), 0);
  for (size_t n = 1; n < position(clean.kernel, __NR_clone) + 1; n++) {  // 0: a user namespace is not needed
    if (birth_survives(clean.kernel.calls[n])) continue;
    BirthRun failing(lending_plan());
    failing.kernel.fail_at = static_cast<long>(n);
    EXPECT_EQ(failing.run(), 127) << n;
    EXPECT_EQ(failing.header()->report.error, EPERM) << call_name(static_cast<uint32_t>(clean.kernel.calls[n].number));
    EXPECT_EQ(failing.kernel.count(__NR_clone), n == position(clean.kernel, __NR_clone) ? 1u : 0u);
  }
}

}  // namespace
}  // namespace minirun
