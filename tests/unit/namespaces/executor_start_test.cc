// SPDX-License-Identifier: Apache-2.0
// The gate between create and start, on a kernel that fails.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "namespaces/executor.h"
#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

constexpr int kControl = 9;

Plan waiting_plan() {
  PlanBuilder builder;
  builder.add(steps::AwaitStart{builder.slot({SourceKind::given, "", false, 0, ""})});
  return builder.finish();
}

struct Execution {
  explicit Execution(const Plan& plan) : image(serialize(plan, {5}, kControl)) {}
  int run() {
    Executor<FakeKernel> executor(kernel, reinterpret_cast<PlanHeader*>(image.data()));
    return executor.run();
  }
  const Report& report() const { return reinterpret_cast<const PlanHeader*>(image.data())->report; }
  FakeKernel kernel;
  std::string image;
};

// What a start that fails leaves: a container that waits for the next one.
TEST(Executor, WaitsForStartThroughErrorsThatPass) {
  for (int error : {EINTR, ECONNABORTED, ENFILE, EMFILE, ENOMEM, ENOBUFS}) {
    Execution execution(waiting_plan());
    int tries = 0;
    execution.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
      if (call.number != __NR_accept4) return false;
      *result = ++tries < 3 ? -error : 30;
      return true;
    };
    execution.run();
    EXPECT_EQ(tries, 3) << error;
    EXPECT_NE(execution.report().state, kFailed) << error;
  }
  Execution refused(waiting_plan());
  refused.kernel.answer = [](const FakeKernel::Call& call, long* result) {
    *result = -ENOSYS;
    return call.number == __NR_accept4;
  };
  EXPECT_NE(refused.run(), 0);
}

TEST(Executor, WaitsForTheNextStartWhenOneDies) {
  for (int error : {0, ECONNRESET, ENOMEM}) {
    Execution execution(waiting_plan());
    int starts = 0;
    execution.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
      if (call.number == __NR_accept4) starts++;
      *result = -error;
      return call.number == __NR_recvfrom && starts == 1;
    };
    execution.run();
    EXPECT_EQ(starts, 2) << error;
    EXPECT_NE(execution.report().state, kFailed) << error;
  }
}

// Before minirun hears of a created container, and no longer than until it is released: what comes then is the
// workload's.
TEST(Executor, HeedsSignalsWhileItWaitsForStart) {
  PlanBuilder builder;
  builder.add(steps::HeedSignals{});
  builder.add(steps::AwaitStart{builder.slot({SourceKind::given, "", false, 0, ""}), true});
  Plan plan = builder.finish();
  Execution execution(plan);
  execution.run();
  EXPECT_EQ(execution.kernel.names(),
            "sigaction sigaction sigaction sigaction sigprocmask sendmsg accept sendmsg recv sigprocmask");
  std::vector<uint64_t> numbers;
  for (const FakeKernel::Call& call : execution.kernel.calls)
    if (call.number == __NR_rt_sigaction) numbers.push_back(call.argument[0]);
  EXPECT_EQ(numbers, (std::vector<uint64_t>{SIGHUP, SIGINT, SIGQUIT, SIGTERM}));
  EXPECT_EQ(execution.kernel.calls[4].argument[0], uint64_t{SIG_UNBLOCK});
  EXPECT_EQ(execution.kernel.calls.back().argument[0], uint64_t{SIG_BLOCK});
  for (long at : {0, 3, 4, 10}) {  // the last call is behind a close(2)
    Execution failing(plan);
    failing.kernel.fail_at = at == 10 ? static_cast<long>(execution.kernel.calls.size()) - 1 : at;
    failing.kernel.fail_with = EPERM;
    EXPECT_EQ(failing.run(), 127) << at;
    EXPECT_EQ(failing.report().error, EPERM) << at;
  }
}

TEST(Executor, RaisesALimitAsFarAsItMay) {
  PlanBuilder builder;
  builder.add(steps::RaiseLimit{7, {}, 200, 400});
  Plan plan = builder.finish();
  struct Case {
    rlimit64 now, raised;
    long refused;
  };
  for (const Case& c :
       {Case{{100, 100}, {200, 400}, 0}, Case{{300, 300}, {300, 400}, 0}, Case{{100, 500}, {200, 500}, 0},
        Case{{200, 400}, {0, 0}, 0}, Case{{1, 1}, {200, 400}, EPERM}, Case{{1, 1}, {200, 400}, EINVAL}}) {
    Execution execution(plan);
    rlimit64 set{};
    execution.kernel.answer = [&](const FakeKernel::Call& call, long* result) {
      if (call.number != __NR_prlimit64) return false;
      if (call.argument[2] != 0) {
        set = *reinterpret_cast<const rlimit64*>(call.argument[2]);
        *result = -c.refused;
      } else {
        *reinterpret_cast<rlimit64*>(call.argument[3]) = c.now;
      }
      return true;
    };
    EXPECT_EQ(execution.run(), c.refused == EINVAL ? 127 : 0);
    EXPECT_EQ(set.rlim_cur, c.raised.rlim_cur);
    EXPECT_EQ(set.rlim_max, c.raised.rlim_max);
  }
}

}  // namespace
}  // namespace minirun
