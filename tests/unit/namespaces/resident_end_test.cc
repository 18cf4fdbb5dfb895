// SPDX-License-Identifier: Apache-2.0
// What the resident init writes about the end of its workload, on a kernel that records.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "namespaces/executor.h"
#include "tests/unit/namespaces/fake_kernel.h"

namespace minirun {
namespace {

constexpr int kPageControl = 9, kPageFd = 7;

class EndOfWorkload : public ::testing::Test {
 protected:
  EndOfWorkload() {
    PlanBuilder b;
    uint32_t supervise = b.add(steps::Supervise{.workload = 1, .detached = true});
    Texts candidates = b.list({"/bin/app"});
    b.add(steps::Execute{candidates, b.text("app"), b.pointer_table({"app"}), b.pointer_table({})});
    b.fields<steps::Supervise>(supervise).init = b.size();
    b.plan().end_page = b.slot({SourceKind::given, "the page", false, 0, ""});
    image_ = serialize(b.finish(), {kPageFd}, kPageControl);
    kernel_.answer = [this](const FakeKernel::Call& call, long* result) { return answer(call, result); };
  }

  bool answer(const FakeKernel::Call& call, long* result) {
    if (call.number == __NR_mmap) {
      EXPECT_EQ(call.argument[4], static_cast<uint64_t>(kPageFd));
      *result = mmap_fails_ != 0 ? -mmap_fails_ : reinterpret_cast<long>(&page_);
      return true;
    }
    if (call.number == __NR_clock_gettime) {
      EXPECT_EQ(page_.state, 0u) << "the word comes last";
      *result = clock_fails_ != 0 ? -clock_fails_ : 0;
      if (clock_fails_ == 0) *reinterpret_cast<timespec*>(call.argument[1]) = {1000, 5};
      return true;
    }
    if (call.number == __NR_wait4) return wait(call, result);
    if (call.number != __NR_rt_sigtimedwait) return false;
    *result = signals_.empty() ? 17 : signals_.back();
    if (!signals_.empty()) signals_.pop_back();
    return true;
  }

  // The workload, and after it an orphan.
  bool wait(const FakeKernel::Call& call, long* result) {
    *result = reaped_ == 0 ? FakeKernel::kWorkload : reaped_ == 1 ? 200 : 0;
    if (*result == 0) return true;
    *reinterpret_cast<int32_t*>(call.argument[1]) = reaped_ == 0 ? 3 << 8 : 9;
    auto* usage = reinterpret_cast<rusage*>(call.argument[3]);
    EXPECT_NE(usage, nullptr);
    usage->ru_utime = {reaped_ + 1, 20};
    usage->ru_stime = {reaped_ + 3, 40};
    usage->ru_maxrss = 50 + reaped_;
    ++reaped_;
    return true;
  }

  int run() {
    Executor<FakeKernel> executor(kernel_, reinterpret_cast<PlanHeader*>(image_.data()));
    return executor.run();
  }
  const Report& report() const { return reinterpret_cast<const PlanHeader*>(image_.data())->report; }

  FakeKernel kernel_;
  std::string image_;
  EndPage page_{};
  int mmap_fails_ = 0, clock_fails_ = 0;
  long reaped_ = 0;
  std::vector<long> signals_ = {15, 10};
};

TEST_F(EndOfWorkload, IsWrittenWithItsUsageAndTheLastSignal) {
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(kernel_.exit_status, 3);
  EXPECT_EQ(page_.state, kEndWritten);
  EXPECT_EQ(page_.wait_status, 3 << 8);
  EXPECT_EQ(page_.last_signal, 15u);
  EXPECT_EQ(page_.seconds, 1000);
  EXPECT_EQ(page_.nanoseconds, 5);
  EXPECT_EQ(page_.user_seconds, 1) << "the workload's, not that of the orphan";
  EXPECT_EQ(page_.user_us, 20);
  EXPECT_EQ(page_.system_seconds, 3);
  EXPECT_EQ(page_.system_us, 40);
  EXPECT_EQ(page_.max_rss_kib, 50);
}

TEST_F(EndOfWorkload, FindsTheDescriptorClosedBeforeTheFirstStep) {
  EXPECT_EQ(run(), 0);
  ASSERT_GE(kernel_.calls.size(), 2u);
  EXPECT_EQ(kernel_.calls[0].number, __NR_mmap);
  EXPECT_EQ(kernel_.calls[1].number, __NR_close);
  EXPECT_EQ(kernel_.calls[1].argument[0], static_cast<uint64_t>(kPageFd));
}

// SIGBUS would cost the status.
TEST_F(EndOfWorkload, TouchesNoPageThatTheKernelCannotHave) {
  clock_fails_ = EFAULT;
  EXPECT_EQ(run(), 0);
  EXPECT_EQ(kernel_.exit_status, 3);
  EXPECT_EQ(page_.state, 0u);
  EXPECT_EQ(page_.wait_status, 0);
}

TEST_F(EndOfWorkload, IsNotWrittenWhereNoFileCanBeMapped) {
  for (int error : {ENODEV, EINVAL, EACCES, EPERM}) {
    mmap_fails_ = error;
    reaped_ = 0;
    kernel_.exit_status = -1;
    EXPECT_EQ(run(), 0) << error;
    EXPECT_EQ(kernel_.exit_status, 3) << error;
    EXPECT_EQ(kernel_.count(__NR_clock_gettime), 0u);
  }
}

TEST_F(EndOfWorkload, StopsTheLaunchForWantOfMemory) {
  mmap_fails_ = ENOMEM;
  EXPECT_EQ(run(), 127);
  EXPECT_EQ(report().state, kFailed);
  EXPECT_EQ(report().step, kNoStep);
  EXPECT_EQ(report().error, ENOMEM);
  EXPECT_EQ(report().syscall, static_cast<uint32_t>(__NR_mmap));
  EXPECT_EQ(kernel_.count(__NR_execve), 0u);
}

}  // namespace
}  // namespace minirun
