// SPDX-License-Identifier: Apache-2.0
#include "tests/support/config_edit.h"

namespace minirun {

using test::Lines;
using test::problems_with;

static Lines seccomp(std::string_view raw) {
  return problems_with("/linux/seccomp", raw);
}

TEST(ValidateSeccomp, TakesAProfile) {
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4094, "syscalls": [{"names": ["read"],
      "action": "SCMP_ACT_TRACE", "errnoRet": 65535}, {"names": ["x"], "action": "SCMP_ACT_ALLOW"}]})"),
            Lines{});
}

TEST(ValidateSeccomp, ErrnoOnlyWhereTheActionHasOne) {
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1, "syscalls": [{"names": ["read"],
      "action": "SCMP_ACT_KILL_PROCESS", "errnoRet": 2}]})"),
            (Lines{"/linux/seccomp/defaultErrnoRet: is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, not for "
                   "SCMP_ACT_ALLOW: found 1",
                   "/linux/seccomp/syscalls/0/errnoRet: is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, not for "
                   "SCMP_ACT_KILL_PROCESS: found 2"}));
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 4095})"),
            Lines{"/linux/seccomp/defaultErrnoRet: must be an integer from 0 to 4094: found 4095"});
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_TRACE", "defaultErrnoRet": 65536})"),
            Lines{"/linux/seccomp/defaultErrnoRet: must be an integer from 0 to 65535: found 65536"});
}

TEST(ValidateSeccomp, RulesNameSystemCalls) {
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [], "action": "SCMP_ACT_LOG"},
      {"names": ["read", ""], "action": "SCMP_ACT_LOG"}]})"),
            (Lines{"/linux/seccomp/syscalls/0/names: must name at least one system call: found none",
                   "/linux/seccomp/syscalls/1/names/1: must name a system call: found \"\""}));
}

TEST(ValidateSeccomp, MetadataIsForAListener) {
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerMetadata": "x"})"),
            Lines{"/linux/seccomp/listenerMetadata: needs listenerPath, which is missing"});
}

TEST(ValidateSeccomp, NotifyNeedsAListener) {
  const Lines required = {"/linux/seccomp/listenerPath: is required with SCMP_ACT_NOTIFY"};
  const std::string rule = R"("syscalls": [{"names": ["read"], "action": "SCMP_ACT_NOTIFY"}])";
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_NOTIFY"})"), required);
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_ALLOW", )" + rule + "}"), required);
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "/run/a", "listenerMetadata": "x"})"),
            Lines{});
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_NOTIFY", "listenerPath": "a"})").size(), 1U);
  EXPECT_EQ(seccomp(R"({"defaultAction": "SCMP_ACT_ALLOW", "listenerPath": "a"})"), Lines{});
}

}  // namespace minirun
