// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "runtime/oci/validate.h"
#include "tests/support/config_edit.h"

namespace minirun {

using test::Lines;
using test::problems_with;

static Lines with_resource(const std::string& name, std::string_view raw) {
  return problems_with("/linux/resources/" + name, raw);
}

TEST(ValidateResources, SwapIncludesMemory) {
  EXPECT_EQ(with_resource("memory", R"({"limit": 100, "swap": 100})"), Lines{});
  EXPECT_EQ(with_resource("memory", R"({"limit": 100, "swap": -1})"), Lines{});
  EXPECT_EQ(with_resource("memory", R"({"swap": -1})"), Lines{});
  EXPECT_EQ(with_resource("memory", R"({"limit": -1, "reservation": 5})"), Lines{});
  EXPECT_EQ(with_resource("memory", R"({"limit": 100, "swap": 99})"),
            Lines{"/linux/resources/memory/swap: is memory and swap together, so it must not be less than limit, 100: "
                  "found 99"});
  EXPECT_EQ(with_resource("memory", R"({"swap": 99})"),
            Lines{"/linux/resources/memory/swap: is memory and swap together, so it needs a memory limit: found 99 "
                  "without one"});
}

TEST(ValidateResources, CpuBoundsAreTheKernels) {
  EXPECT_EQ(
      with_resource("cpu", R"({"shares": 0, "quota": -1, "period": 1000, "idle": 1, "cpus": "0-3,5", "mems": ""})"),
      Lines{});
  EXPECT_EQ(with_resource("cpu", R"({"shares": 999999999, "quota": 1000, "period": 1000000, "burst": 1000})"), Lines{});
  EXPECT_EQ(with_resource("cpu", R"({"quota": 999, "period": 999, "burst": 1000, "cpus": "a", "mems": "0;1"})"),
            (Lines{"/linux/resources/cpu/quota: must be at least 1000 microseconds, or -1 for no limit: found 999",
                   "/linux/resources/cpu/period: must be from 1000 to 1000000 microseconds: found 999",
                   "/linux/resources/cpu/burst: must not be more than quota, 999: found 1000",
                   "/linux/resources/cpu/cpus: must be a list such as 0-3,7: found \"a\"",
                   "/linux/resources/cpu/mems: must be a list such as 0-3,7: found \"0;1\""}));
  EXPECT_EQ(with_resource("cpu", R"({"period": 1000001})").size(), 1u);
}

TEST(ValidateResources, CpuListsAreAsTheKernelReadsThem) {
  for (const char* fine : {"0", "0-3,7", "7,0-3", " 1, 2 ", "1,,2", "0-31:2/16", "3-3", ""})
    EXPECT_EQ(with_resource("cpu/cpus", "\"" + std::string(fine) + "\""), Lines{}) << fine;
  for (const char* wrong :
       {"3-1", "-", "1-", "-1", "1-2-3", "0-3:2", "0-3:2/0", "0-3:5/4", "1:1/2", "4294967296", "1/2", "0--3"})
    EXPECT_EQ(with_resource("cpu/mems", "\"" + std::string(wrong) + "\"").size(), 1U) << wrong;
}

TEST(ValidateResources, PidsLimitMayBeZeroOrNone) {
  for (const char* fine : {"-1", "0", "1"}) EXPECT_EQ(with_resource("pids/limit", fine), Lines{});
  EXPECT_EQ(with_resource("pids/limit", "-2").size(), 1u);
}

TEST(ValidateResources, WeightsAreFromTenToAThousandOrNotSet) {
  for (const char* fine : {"0", "10", "1000"}) EXPECT_EQ(with_resource("blockIO/weight", fine), Lines{}) << fine;
  EXPECT_EQ(with_resource("blockIO/weight", "9"),
            Lines{"/linux/resources/blockIO/weight: must be an integer from 10 to 1000: found 9"});
  EXPECT_EQ(
      with_resource("blockIO/weightDevice", R"([{"major": 8, "minor": 0, "weight": 1001}, {"major": 8, "minor": 1}])"),
      (Lines{"/linux/resources/blockIO/weightDevice/0/weight: must be an integer from 10 to 1000: found 1001",
             "/linux/resources/blockIO/weightDevice/1/weight: is required but missing"}));
}

TEST(ValidateResources, HugepageSizesAreSpelledAsTheControlFiles) {
  EXPECT_EQ(with_resource("hugepageLimits", R"([{"pageSize": "2MB", "limit": 0}, {"pageSize": "1GB", "limit": 1},
                                               {"pageSize": "64KB", "limit": 1}])"),
            Lines{});
  for (const char* wrong : {"", "MB", "2", "02MB", "2mb", "2M", "2 MB", "2TB", "2MBx"})
    EXPECT_EQ(with_resource("hugepageLimits", "[{\"pageSize\": \"" + std::string(wrong) + "\", \"limit\": 0}]").size(),
              1u)
        << wrong;
  EXPECT_EQ(with_resource("hugepageLimits", R"([{"pageSize": "2MB", "limit": 0}, {"pageSize": "2MB", "limit": 1}])"),
            Lines{"/linux/resources/hugepageLimits/1/pageSize: must appear only once: 2MB appears twice"});
}

TEST(ValidateResources, RdmaEntriesLimitSomething) {
  EXPECT_EQ(with_resource("rdma", R"({"mlx5_1": {"hcaHandles": 0}})"), Lines{});
  EXPECT_EQ(with_resource("rdma", R"({"mlx5_1": {}, "a b": {"hcaObjects": 1}})"),
            (Lines{"/linux/resources/rdma/mlx5_1: must have hcaHandles or hcaObjects: found neither",
                   "/linux/resources/rdma/a b: must be the name of a device: found \"a b\""}));
}

TEST(ValidateResources, UnifiedKeysAreFileNames) {
  EXPECT_EQ(with_resource("unified", R"({"memory.high": "1", "io.max": "a\nb"})"), Lines{});
  for (const char* wrong : {"", ".", "..", "a/b", "../cgroup.procs"})
    EXPECT_EQ(with_resource("unified", "{\"" + std::string(wrong) + "\": \"1\"}").size(), 1u) << wrong;
}

TEST(ValidateResources, DeviceRulesSayWhatTheyAllow) {
  EXPECT_EQ(with_resource("devices", R"([{"allow": false}, {"allow": false, "type": "", "access": "rwm"},
                                        {"allow": true, "type": "a", "access": "w"}])"),
            Lines{});
  EXPECT_EQ(
      with_resource("devices", R"([{"allow": true}, {"allow": false, "type": "x", "access": "rx"}])"),
      (Lines{"/linux/resources/devices/0/access: is required where allow is true: r, w, m or several of them",
             "/linux/resources/devices/1/type: must be a (all), b (block) or c (character): found \"x\"",
             "/linux/resources/devices/1/access: must be made of r (read), w (write) and m (mknod): found \"rx\""}));
}

TEST(ValidateResources, SharesBesideIdleAreAWarning) {
  oci::Spec spec;
  oci::Cpu& cpu = spec.linux_.resources.emplace().cpu.emplace();
  cpu.shares = 512;
  cpu.idle = 1;
  auto shares = [&] {
    Problems warnings = validate(spec).warnings;
    return std::count_if(warnings.begin(), warnings.end(),
                         [](const Problem& p) { return p.pointer == "/linux/resources/cpu/shares"; });
  };
  EXPECT_EQ(shares(), 1);
  cpu.idle = 0;
  EXPECT_EQ(shares(), 0);
}

}  // namespace minirun
