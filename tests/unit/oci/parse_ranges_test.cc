// SPDX-License-Identifier: Apache-2.0
#include "tests/support/config_edit.h"

namespace minirun {

using test::data;
using test::Lines;
using test::lines_of;
using test::parse;
using test::with;

TEST(ParseSpec, EveryIntegerHasItsRange) {
  const struct {
    const char* pointer;
    const char* least;
    const char* most;
    const char* below;
    const char* above;
  } ranges[] = {
      {"/process/user/uid", "0", "4294967294", "-1", "4294967295"},
      {"/process/user/gid", "0", "4294967294", "-1", "4294967295"},
      {"/process/user/additionalGids/1", "0", "4294967294", "-1", "4294967295"},
      {"/process/user/umask", "0", "511", "-1", "512"},
      {"/process/consoleSize/height", "0", "65535", "-1", "65536"},
      {"/process/consoleSize/width", "0", "65535", "-1", "65536"},
      {"/process/rlimits/0/soft", "0", "18446744073709551615", "-1", "18446744073709551616"},
      {"/process/rlimits/0/hard", "0", "18446744073709551615", "-1", "18446744073709551616"},
      {"/process/oomScoreAdj", "-1000", "1000", "-1001", "1001"},
      {"/process/scheduler/nice", "-20", "19", "-21", "20"},
      {"/process/scheduler/priority", "0", "99", "-1", "100"},
      {"/process/scheduler/runtime", "0", "18446744073709551615", "-1", "18446744073709551616"},
      {"/process/ioPriority/priority", "0", "7", "-1", "8"},
      {"/hooks/prestart/0/timeout", "1", "4294967295", "0", "4294967296"},
      {"/mounts/0/uidMappings/0/containerID", "0", "4294967294", "-1", "4294967295"},
      {"/linux/uidMappings/0/hostID", "0", "4294967294", "-1", "4294967295"},
      {"/linux/uidMappings/0/size", "0", "4294967295", "-1", "4294967296"},
      {"/linux/timeOffsets/monotonic/secs", "-9223372036854775808", "9223372036854775807", "-9223372036854775809",
       "9223372036854775808"},
      {"/linux/timeOffsets/boottime/nanosecs", "0", "999999999", "-1", "1000000000"},
      {"/linux/devices/0/fileMode", "0", "511", "-1", "512"},
      {"/linux/devices/0/uid", "0", "4294967294", "-1", "4294967295"},
      {"/linux/resources/devices/1/major", "-1", "4294967295", "-2", "4294967296"},
      {"/linux/resources/memory/limit", "-1", "9223372036854775807", "-2", "9223372036854775808"},
      {"/linux/resources/memory/reservation", "-1", "9223372036854775807", "-2", "9223372036854775808"},
      {"/linux/resources/memory/swap", "-1", "9223372036854775807", "-2", "9223372036854775808"},
      {"/linux/resources/memory/swappiness", "0", "100", "-1", "101"},
      {"/linux/resources/cpu/shares", "0", "18446744073709551615", "-1", "18446744073709551616"},
      {"/linux/resources/cpu/quota", "-1", "9223372036854775807", "-2", "9223372036854775808"},
      {"/linux/resources/cpu/idle", "0", "1", "-1", "2"},
      {"/linux/resources/pids/limit", "-1", "9223372036854775807", "-2", "9223372036854775808"},
      {"/linux/resources/blockIO/weight", "0", "65535", "-1", "65536"},
      {"/linux/resources/blockIO/throttleReadBpsDevice/0/major", "0", "4294967295", "-1", "4294967296"},
      {"/linux/resources/hugepageLimits/0/limit", "0", "18446744073709551615", "-1", "18446744073709551616"},
      {"/linux/resources/network/classID", "0", "4294967295", "-1", "4294967296"},
      {"/linux/resources/rdma/mlx5_1/hcaHandles", "0", "4294967295", "-1", "4294967296"},
      {"/linux/seccomp/defaultErrnoRet", "0", "4294967295", "-1", "4294967296"},
      {"/linux/seccomp/syscalls/0/args/0/index", "0", "5", "-1", "6"},
      {"/linux/seccomp/syscalls/0/args/0/value", "0", "18446744073709551615", "-1", "18446744073709551616"},
  };
  std::string full = data("full-config.json");
  for (const auto& range : ranges) {
    for (const char* fine : {range.least, range.most})
      EXPECT_EQ(lines_of(parse(with(full, range.pointer, fine))), Lines{}) << range.pointer << " = " << fine;
    for (const char* wrong : {range.below, range.above}) {
      Lines lines = lines_of(parse(with(full, range.pointer, wrong)));
      ASSERT_EQ(lines.size(), 1u) << range.pointer << " = " << wrong;
      EXPECT_EQ(lines[0].find(std::string(range.pointer) + ": must be an integer from "), 0u) << lines[0];
    }
  }
}

}  // namespace minirun
