// SPDX-License-Identifier: Apache-2.0
#include "tests/support/config_edit.h"

namespace minirun {

using test::kSmallConfig;
using test::Lines;
using test::problems_of;
using test::problems_with;
using test::with;

TEST(UserNamespace, NeedsMappingsOfItsRoot) {
  std::string user = with(kSmallConfig, "/linux/namespaces/6", R"({"type": "user"})");
  EXPECT_EQ(problems_of(user),
            (Lines{"/linux/uidMappings: is required for a new user namespace but missing or empty",
                   "/linux/gidMappings: is required for a new user namespace but missing or empty"}));
  user = with(user, "/linux/gidMappings", R"([{"containerID": 0, "hostID": 1, "size": 1}])");
  EXPECT_EQ(problems_of(with(user, "/linux/uidMappings", R"([{"containerID": 0, "hostID": 1, "size": 1}])")), Lines{});
  EXPECT_EQ(problems_of(with(user, "/linux/uidMappings", R"([{"containerID": 1, "hostID": 1, "size": 9}])")),
            (Lines{"/linux/uidMappings: must map containerID 0: root of its user namespace sets the "
                   "container up"}));
  EXPECT_EQ(problems_with("/linux/gidMappings", R"([{"containerID": 0, "hostID": 1, "size": 1}])"),
            (Lines{"/linux/gidMappings: needs a user namespace in /linux/namespaces"}));
}

TEST(TimeOffsets, NeedANewTimeNamespace) {
  EXPECT_EQ(problems_with("/linux/timeOffsets", R"({"boottime": {"secs": 1}})"),
            (Lines{"/linux/timeOffsets: needs a time namespace in /linux/namespaces"}));
  EXPECT_EQ(problems_with("/linux/timeOffsets", "{}"), Lines{});
  std::string joined = with(kSmallConfig, "/linux/namespaces/6", R"({"type": "time", "path": "/proc/1/ns/time"})");
  EXPECT_EQ(problems_of(with(joined, "/linux/timeOffsets", R"({"monotonic": {}})")),
            Lines{"/linux/timeOffsets: is for a new time namespace only, not for the one at \"/proc/1/ns/time\""});
}

TEST(Validate, AConfigWithoutAProcessIsForCreate) {
  EXPECT_EQ(
      problems_of(R"({"ociVersion": "1.0.0", "root": {"path": "r"}, "linux": {"namespaces": [{"type": "mount"}]}})"),
      Lines{});
}

TEST(Unsupported, ControlsOfCgroupV1AreErrorsUnlessTheyAskForNothing) {
  const struct {
    const char* pointer;
    const char* asks;
    const char* nothing;
  } cases[] = {
      {"memory/kernel", "4096", "-1"},
      {"memory/kernelTCP", "4096", "0"},
      {"memory/swappiness", "60", "0"},
      {"memory/disableOOMKiller", "true", "false"},
      {"cpu/realtimeRuntime", "950000", "0"},
      {"cpu/realtimePeriod", "1000000", "0"},
      {"blockIO/leafWeight", "10", "0"},
      {"network/classID", "1", "0"},
      {"network/priorities", R"([{"name": "eth0", "priority": 1}])", "[]"},
  };
  for (const auto& test : cases) {
    std::string pointer = "/linux/resources/" + std::string(test.pointer);
    EXPECT_EQ(problems_with(pointer, test.asks),
              Lines{pointer + ": is for cgroup v1 only, and minirun works with cgroup v2"});
    EXPECT_EQ(problems_with(pointer, test.nothing), Lines{}) << pointer;
  }
  EXPECT_EQ(problems_with("/linux/resources/memory/useHierarchy", "true"), Lines{});
  EXPECT_EQ(problems_with("/linux/resources/blockIO/weightDevice", R"([{"major": 8, "minor": 0, "leafWeight": 10}])"),
            Lines{"/linux/resources/blockIO/weightDevice/0/leafWeight: is for cgroup v1 only, and minirun works with "
                  "cgroup v2"});
}

}  // namespace minirun
