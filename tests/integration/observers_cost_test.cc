// SPDX-License-Identifier: Apache-2.0
// What it costs to look at containers.
#include <fcntl.h>

#include <string>
#include <vector>

#include "tests/support/fixture.h"
#include "tests/support/processor_time.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

class ObserversCost : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    if (slowness() > 1) GTEST_SKIP() << "an emulated processor counts other time";
    bundle_.payload({"pause"});
    bundle_.write();
  }
  Bundle bundle_;
};

TEST_F(ObserversCost, OfOneContainerIsSmall) {
  ASSERT_EQ(detach(bundle_).code, 0);
  for (const std::vector<std::string>& args : {std::vector<std::string>{"top", "--once", "--delay", "100ms", id()},
                                               {"doctor", "--interval", "100ms", id()},
                                               {"ps", id()},
                                               {"state", id()}}) {
    const int64_t us = least_cpu_us(5, [&] { EXPECT_NE(call(args).code, 1); });
    RecordProperty(args[0] + "_cpu_us", static_cast<int>(us));
    EXPECT_LE(us, 20'000) << args[0];
  }
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// Each costs a microsecond or two. 93 while sys/start/order.ld names the code that launches execute, 117 without it:
// when this fails, bench/order writes the file again.
TEST_F(ObserversCost, AStartTouchesFewPages) {
  ASSERT_EQ(detach(bundle_).code, 0);
  const int64_t faults = least_faults(3, [&] { EXPECT_EQ(call({"state", id()}).code, 0); });
  RecordProperty("faults", static_cast<int>(faults));
  EXPECT_LE(faults, 105);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// At one look a second.
TEST_F(ObserversCost, OfTwoHundredIsATwentiethOfAProcessor) {
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  std::vector<std::string> ids;
  for (int i = 0; i < 200; ++i) {
    ids.push_back(id() + "-" + std::to_string(i));
    ASSERT_EQ(call({"run", "--detach", "--bundle", bundle_.path(), ids.back()}, options).code, 0);
  }
  const int64_t us = least_cpu_us(3, [&] {
    EXPECT_EQ(call({"top", "--once", "--delay", "1s", "--format", "json"}).code, 0);
  });
  RecordProperty("cpu_us", static_cast<int>(us));
  constexpr int64_t kLooks = 2;
  EXPECT_LE(us / kLooks, 50'000);
  for (const std::string& one : ids) EXPECT_EQ(call({"delete", "--force", one}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
