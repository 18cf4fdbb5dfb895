// SPDX-License-Identifier: Apache-2.0
// What the resident init lets go of before its workload runs, on a kernel that records.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>

#include "namespaces/executor.h"
#include "runtime/seccomp/answer.h"
#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

constexpr int kInitControl = 9;
void add_app(PlanBuilder& b) {
  Texts candidates = b.list({"/bin/app"});
  b.add(steps::Execute{candidates, b.text("app"), b.pointer_table({"app"}), b.pointer_table({})});
}

// A supervised workload whose filter takes a capability on loan, as without noNewPrivileges. shares: its filter has a
// listener.
Plan supervised(bool shares) {
  PlanBuilder b;
  uint32_t supervise = b.add(steps::Supervise{.workload = 1, .init_count = 1, .shares = shares});
  b.add(steps::Session{});
  b.add(steps::Capabilities{1, 1});
  add_app(b);
  b.fields<steps::Supervise>(supervise).init = b.size();
  b.add(steps::Capabilities{1, 1});
  return b.finish();
}

// As `create` makes it: the workload is ready but for its exec, and waits with its init.
Plan created() {
  PlanBuilder b;
  uint32_t supervise = b.add(steps::Supervise{.workload = 1, .init_count = 2, .waits_for = InitWait::start});
  b.add(steps::Session{});
  b.add(steps::Seccomp{b.bytes("12345678", 8), 0});
  b.add(steps::Capabilities{1, 1});
  b.add(steps::Hold{});
  add_app(b);
  b.fields<steps::Supervise>(supervise).init = b.size();
  b.add(steps::Capabilities{1, 1});
  b.add(steps::HeedSignals{});
  b.add(steps::AwaitStart{{}, true});
  return b.finish();
}

struct Resident {
  explicit Resident(const Plan& plan) : image(serialize(plan, {}, kInitControl)) {
    kernel.answer = [this](const FakeKernel::Call& call, long* result) {
      if (call.number == __NR_seccomp && !kernel.by_child.back()) read_filter(call);
      if (call.number != __NR_rt_sigtimedwait) return false;
      *result = signals.empty() ? 17 : signals.back();  // SIGCHLD: the workload has ended
      if (!signals.empty()) signals.pop_back();
      return true;
    };
  }
  int run() {
    const Leftovers leftovers{0x401000, 0x5000, UINT64_MAX / 4096 * 4096};
    Executor<FakeKernel> executor(kernel, reinterpret_cast<PlanHeader*>(image.data()), leftovers);
    return executor.run();
  }
  void read_filter(const FakeKernel::Call& call) {
    loaded_at = kernel.calls.size() - 1;
    const auto* program = reinterpret_cast<const sock_fprog*>(call.argument[2]);
    filter.assign(program->filter, program->filter + program->len);
  }
  // The init's own, after its filter.
  std::vector<SeccompCall> later_calls() const {
    std::vector<SeccompCall> later;
    for (size_t i = loaded_at + 1; i < kernel.calls.size(); i++) {
      if (kernel.by_child[i]) continue;
      SeccompCall call{kernel.calls[i].number, {}};
      for (size_t n = 0; n < 6; n++) call.arguments[n] = kernel.calls[i].argument[n];
      later.push_back(call);
    }
    return later;
  }

  FakeKernel kernel;
  std::string image;
  std::vector<long> signals = {15, 20};
  size_t loaded_at = 0;
  std::vector<sock_filter> filter;
};

void expect_all_allowed(const Resident& resident) {
  ASSERT_FALSE(resident.filter.empty());
  for (const SeccompCall& call : resident.later_calls())
    EXPECT_TRUE(seccomp_allows(resident.filter, call))
        << call_name(static_cast<uint32_t>(call.number)) << " is not in kResidentCalls";
}

TEST(ResidentFilter, AllowsAllThatTheInitDoesAfterIt) {
  for (bool shares : {false, true}) {
    Resident resident(supervised(shares));
    ASSERT_EQ(resident.run(), 0);
    EXPECT_GT(resident.later_calls().size(), 8u);
    expect_all_allowed(resident);
  }
}

TEST(ResidentFilter, AllowsTheReportOfAWorkloadThatFails) {
  Resident resident(supervised(false));
  auto usual = resident.kernel.answer;
  resident.kernel.answer = [usual](const FakeKernel::Call& call, long* result) {
    *result = -ENOENT;
    return call.number == __NR_execve || usual(call, result);
  };
  EXPECT_EQ(resident.run(), 127);
  EXPECT_GE(resident.later_calls().size(), 4u);
  expect_all_allowed(resident);
}

TEST(ResidentFilter, AllowsNothingElse) {
  Resident resident(supervised(false));
  ASSERT_EQ(resident.run(), 0);
  SeccompCall call{__NR_exit_group, {}};
  EXPECT_TRUE(seccomp_allows(resident.filter, call));
  unsigned allowed = 0;
  for (call.number = 0; call.number < 600; call.number++) allowed += seccomp_allows(resident.filter, call) ? 1 : 0;
  EXPECT_EQ(allowed, kResidentCallCount);
  seccomp_data foreign{};  // exit_group's number in the table of another architecture
  foreign.nr = __NR_exit_group;
  foreign.arch = 0x40000003;
  EXPECT_EQ(seccomp_answer(resident.filter, foreign), SECCOMP_RET_KILL_PROCESS);
}

TEST(Resident, LetsGoOfEverythingBeforeTheWorkloadRuns) {
  Resident resident(supervised(false));
  ASSERT_EQ(resident.run(), 0);
  const auto& calls = resident.kernel.calls;
  std::string before;
  const auto& by_child = resident.kernel.by_child;
  auto first = static_cast<size_t>(std::find(by_child.begin(), by_child.end(), true) - by_child.begin());
  ASSERT_LT(first, calls.size());
  for (size_t i = 0; i < first; i++) before += call_name(static_cast<uint32_t>(calls[i].number)) + " ";
  size_t last = 0;
  for (const char* name : {"clone3", "close_range", "capset", "prctl", "seccomp"}) {
    size_t found = before.find(name, last);
    ASSERT_NE(found, std::string::npos) << name << " in " << before;
    last = found;
  }
}

TEST(Resident, KeepsTheWorkloadFromRunningWhenItCannotLetGo) {
  for (long number : {__NR_close_range, __NR_chdir, __NR_capset, __NR_seccomp}) {
    Resident resident(supervised(false));
    resident.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
      *result = -EPERM;
      return call.number == number;
    };
    EXPECT_EQ(resident.run(), 127) << number;
    EXPECT_EQ(resident.kernel.count(__NR_execve), 0u) << number;
    EXPECT_EQ(resident.kernel.count(__NR_setsid), 0u) << number;
  }
}

// The workload's exec gave it a table of its own; what is left in this one a tracer could take.
TEST(Resident, FailsWhenItCannotCloseWhatItSharedWithTheWorkload) {
  Resident resident(supervised(true));
  auto usual = resident.kernel.answer;
  resident.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    *result = -EPERM;
    return call.number == __NR_close_range || usual(call, result);
  };
  EXPECT_EQ(resident.run(), 127);
  EXPECT_EQ(resident.kernel.count(__NR_rt_sigtimedwait), 0u);
}

TEST(Resident, KeepsItsFrameAndItsCodeAndFreesTheRest) {
  const Leftovers leftovers{0x401000, 0x5000, 0x7000a000};
  FakeKernel kernel;
  free_launch(kernel, leftovers, 0x70001500);
  ASSERT_EQ(kernel.calls.size(), 3U);
  EXPECT_EQ(kernel.count(__NR_madvise), 2U);
  EXPECT_EQ(kernel.calls[2].number, __NR_munmap);
  const uint64_t expected[][2] = {{0x6fff1000, 0x10000}, {0x70002000, 0x8000}, {0x401000, 0x5000}};
  for (size_t i = 0; i < kernel.calls.size(); ++i) {
    EXPECT_EQ(kernel.calls[i].argument[0], expected[i][0]) << i;
    EXPECT_EQ(kernel.calls[i].argument[1], expected[i][1]) << i;
  }
  EXPECT_EQ(kernel.calls[0].argument[2], uint64_t{MADV_DONTNEED});
  FakeKernel low;  // the frame begins at the page's start, and reaches into the one before
  free_launch(low, leftovers, 0x70001010);
  EXPECT_EQ(low.calls[0].argument[0] + low.calls[0].argument[1], 0x70000000U);
  FakeKernel unknown;
  free_launch(unknown, {}, 0x70001500);
  EXPECT_TRUE(unknown.calls.empty());
}

TEST(Resident, GoesOnWhereTheKernelHasNoFilters) {
  for (int error : {ENOSYS, EINVAL}) {
    Resident resident(supervised(false));
    auto usual = resident.kernel.answer;
    resident.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
      *result = -error;
      return call.number == __NR_seccomp || usual(call, result);
    };
    EXPECT_EQ(resident.run(), 0) << error;
    EXPECT_EQ(resident.kernel.count(__NR_execve), 1u) << error;
  }
}

TEST(Resident, OfACreatedContainerWaitsWithNothingOnLoan) {
  Resident resident(created());
  std::vector<std::pair<long, bool>> order;  // what was done before the first start, and by whom
  auto usual = resident.kernel.answer;
  resident.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    if (call.number == __NR_capset || call.number == __NR_seccomp || call.number == __NR_accept4 ||
        call.number == __NR_execve || (call.number == __NR_rt_sigprocmask && call.argument[0] != 2))
      order.emplace_back(call.number, resident.kernel.by_child.back());
    return usual(call, result);
  };
  ASSERT_EQ(resident.run(), 0);
  const std::vector<std::pair<long, bool>> expected = {
      {__NR_capset, false},         {__NR_seccomp, false}, {__NR_seccomp, true},         {__NR_capset, true},
      {__NR_rt_sigprocmask, false}, {__NR_accept4, false}, {__NR_rt_sigprocmask, false}, {__NR_execve, true}};
  EXPECT_EQ(order, expected);
  expect_all_allowed(resident);
}

TEST(Resident, TellsCreateOfAWorkloadThatFailsBeforeStart) {
  Resident resident(created());
  auto usual = resident.kernel.answer;
  resident.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    *result = -EPERM;
    return call.number == __NR_setsid || usual(call, result);
  };
  EXPECT_EQ(resident.run(), 127);
  EXPECT_EQ(resident.kernel.count(__NR_accept4), 0u);
  EXPECT_EQ(resident.kernel.count(__NR_execve), 0u);
  expect_all_allowed(resident);
}

TEST(Resident, DismissesTheWorkloadWhenTheWaitForStartFails) {
  Resident resident(created());
  auto usual = resident.kernel.answer;
  resident.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
    *result = -EBADF;
    return call.number == __NR_accept4 || usual(call, result);
  };
  EXPECT_EQ(resident.run(), 127);
  EXPECT_EQ(resident.kernel.count(__NR_execve), 0u);
  expect_all_allowed(resident);
}

}  // namespace
}  // namespace minirun
