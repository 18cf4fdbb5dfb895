// The gate between create and start, on a kernel that fails.
#include <gtest/gtest.h>

#include "namespaces/executor.h"
#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

constexpr int kControl = 9;

Plan waiting_plan() {
  PlanBuilder builder;
  builder.add(Op::await_start, "", {builder.slot({SourceKind::given, "", false, 0, ""})});
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

}  // namespace
}  // namespace minirun
