// SPDX-License-Identifier: Apache-2.0
// Time namespaces and their offsets. runtime-spec config-linux.md, "Offset for Time Namespace"; time_namespaces(7).
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

long long now(clockid_t clock) {
  timespec time{};
  EXPECT_EQ(clock_gettime(clock, &time), 0);
  return time.tv_sec;
}

// How far the payload's clocks are from this process's, in seconds.
void expect_offsets(const Outcome& outcome, long long monotonic, long long boottime) {
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  std::istringstream words(outcome.out);
  long long seen_monotonic = 0, seen_boottime = 0;
  ASSERT_TRUE(words >> seen_monotonic >> seen_boottime) << describe(outcome);
  constexpr long long kMost = 60;  // that the run itself may take
  EXPECT_LE(std::llabs(seen_monotonic - now(CLOCK_MONOTONIC) - monotonic), kMost) << describe(outcome);
  EXPECT_LE(std::llabs(seen_boottime - now(CLOCK_BOOTTIME) - boottime), kMost) << describe(outcome);
}

#define REQUIRE_TIME_NAMESPACES() \
  if (access("/proc/self/ns/time", F_OK) != 0) GTEST_SKIP() << "a kernel without time namespaces"

class TimeNamespace : public MinirunTest {
 protected:
  static void add_namespace(Bundle& bundle, const json& offsets) {
    bundle.config["linux"]["namespaces"].push_back({{"type", "time"}});
    if (!offsets.is_null()) bundle.config["linux"]["timeOffsets"] = offsets;
    bundle.payload({"clocks"});
  }
};

TEST_F(TimeNamespace, ClocksAreOffAsTheConfigSays) {
  REQUIRE_TIME_NAMESPACES();
  Bundle bundle;
  add_namespace(bundle, {{"monotonic", {{"secs", 86400}, {"nanosecs", 5}}}, {"boottime", {{"secs", 172800}}}});
  expect_offsets(run(bundle), 86400, 172800);
}

TEST_F(TimeNamespace, OneOfTheTwoIsEnoughAndNoneToo) {
  REQUIRE_TIME_NAMESPACES();
  Bundle one;
  add_namespace(one, {{"boottime", {{"secs", 3600}, {"nanosecs", 999999999}}}});
  expect_offsets(run(one), 0, 3600);
  Bundle none;
  add_namespace(none, {});
  expect_offsets(run(none), 0, 0);
  json seen = report(none);
  EXPECT_NE(seen["namespaces"]["time"], link_target("/proc/self/ns/time"));
}

TEST_F(TimeNamespace, OffsetsMayBeNegative) {
  REQUIRE_TIME_NAMESPACES();
  long long back = now(CLOCK_MONOTONIC) / 2;  // a clock may not go below zero
  if (back < 120) back = 0;                   // a machine that has just started: the sign is read all the same
  Bundle bundle;
  add_namespace(bundle, {{"monotonic", {{"secs", -back}}}, {"boottime", {{"secs", -back}, {"nanosecs", 1}}}});
  expect_offsets(run(bundle), -back, -back);
}

TEST_F(TimeNamespace, OffsetsOutOfRangeAreNamed) {
  REQUIRE_TIME_NAMESPACES();
  Bundle bundle;
  add_namespace(bundle, {{"monotonic", {{"secs", -4000000000LL}}}});
  expect_refused(run(bundle), {"timens_offsets", "numerical result out of range"});
  bundle.config["linux"]["timeOffsets"] = {{"monotonic", {{"secs", 0}, {"nanosecs", 1000000000}}}};
  expect_refused(run(bundle), {"/linux/timeOffsets/monotonic/nanosecs"});
  bundle.config["linux"]["timeOffsets"] = {{"monotonic", {{"secs", "1"}}}};
  expect_refused(run(bundle), {"/linux/timeOffsets/monotonic/secs"});
}

TEST_F(TimeNamespace, OffsetsNeedANewOne) {
  Bundle bundle;
  bundle.config["linux"]["timeOffsets"] = {{"monotonic", {{"secs", 1}}}};
  expect_refused(run(bundle), {"/linux/timeOffsets", "needs a time namespace"});
  bundle.join_namespace("time", "/proc/self/ns/time");
  expect_refused(run(bundle), {"/linux/timeOffsets", "new time namespace only", "/proc/self/ns/time"});
}

TEST_F(TimeNamespace, ExecAndAnotherContainerSeeThemToo) {
  REQUIRE_TIME_NAMESPACES();
  Bundle bundle;
  add_namespace(bundle, {{"monotonic", {{"secs", 86400}}}, {"boottime", {{"secs", 7200}}}});
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  expect_offsets(call({"exec", id(), "/bin/payload", "clocks"}), 86400, 7200);
  Bundle other;
  std::string path = "/proc/" + std::to_string(container_pid()) + "/ns/time";
  other.join_namespace("time", path);
  other.payload({"clocks"});
  other.write();
  expect_offsets(call({"run", "--bundle", other.path(), "other"}), 86400, 7200);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(TimeNamespace, WithAUserNamespace) {
  REQUIRE_TIME_NAMESPACES();
  Bundle bundle;
  add_namespace(bundle, {{"monotonic", {{"secs", 86400}}}});
  json map = {{"containerID", 0}, {"hostID", 0}, {"size", 1000}};
  bundle.config["linux"]["namespaces"].push_back({{"type", "user"}});
  bundle.config["linux"]["uidMappings"] = {map};
  bundle.config["linux"]["gidMappings"] = {map};
  expect_offsets(run(bundle), 86400, 0);

  // Both of it by path, as containers of one pod have them.
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  Bundle other;
  const std::string namespaces = "/proc/" + std::to_string(container_pid()) + "/ns/";
  other.join_namespace("user", namespaces + "user");
  other.join_namespace("time", namespaces + "time");
  other.payload({"clocks"});
  other.write();
  expect_offsets(call({"run", "--bundle", other.path(), "other"}), 86400, 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
