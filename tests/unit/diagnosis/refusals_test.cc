// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/refusals.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace minirun {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kOwn = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kOwn = AUDIT_ARCH_AARCH64;
#endif

Refusal refusal(long number, const std::string& program, uint32_t code = EPERM, int32_t by = 0) {
  Refusal row;
  row.call = {kOwn, static_cast<int>(number)};
  row.refused = {SECCOMP_RET_ERRNO | code, by};
  program.copy(row.program, sizeof row.program - 1);
  return row;
}

std::string json_of(const Refusals& refusals) {
  JsonWriter json;
  write_refusals(json, refusals);
  return json.take();
}

TEST(Refusals, AreCountedByAllThatDiffers) {
  Refusals refusals;
  for (int i = 0; i < 3; ++i) add_refusal(refusal(SYS_mkdirat, "sh"), &refusals);
  add_refusal(refusal(SYS_mkdirat, "node"), &refusals);
  add_refusal(refusal(SYS_mkdirat, "sh", ENOSYS), &refusals);
  add_refusal(refusal(SYS_mkdirat, "sh", EPERM, kByDefault), &refusals);
  add_refusal(refusal(SYS_sync, "sh"), &refusals);
  ASSERT_EQ(refusals.rows.size(), 5U);
  EXPECT_EQ(refusals.rows[0].count, 3U);
  EXPECT_EQ(refusals.others, 0U);
}

TEST(Refusals, HaveNoMoreRowsThanTheirLimits) {
  Refusals refusals;
  for (int call = 0; call < 1000; ++call)
    for (int program = 0; program < 20; ++program) add_refusal(refusal(call, "p" + std::to_string(program)), &refusals);
  EXPECT_EQ(refusals.rows.size(), kMostRefusals);
  uint64_t all = refusals.others;
  for (const Refusal& row : refusals.rows) all += row.count;
  EXPECT_EQ(all, 20000U);
  EXPECT_TRUE(refusals.rows[kMostPrograms].several);
  EXPECT_EQ(refusals.rows[kMostPrograms].count, 20 - kMostPrograms);
  constexpr size_t kRoomInAReport = 40000;
  EXPECT_LT(json_of(refusals).size(), kRoomInAReport);
}

TEST(Refusals, AreSentencesMostFrequentFirst) {
  Refusals refusals;
  EXPECT_EQ(refusal_lines("web", refusals), std::vector<std::string>{"minirun: web: seccomp refused no call"});
  add_refusal(refusal(SYS_sync, "sh"), &refusals);
  for (int i = 0; i < 2; ++i) add_refusal(refusal(SYS_mkdirat, "a\x1b\"", 4094, 7), &refusals);
  Refusal kill = refusal(SYS_acct, "");
  kill.refused = {SECCOMP_RET_KILL_THREAD, kByDefault};
  add_refusal(kill, &refusals);
  add_refusal(refusal(99999, "sh", ENOSYS, kNewerThanProfile), &refusals);
  add_refusal(refusal(SYS_sync, "own", ENOSYS, kNotOfTheProfile), &refusals);
  EXPECT_EQ(
      refusal_lines("web", refusals),
      (std::vector<std::string>{
          "minirun: web: seccomp refused mkdirat to \"a\\x1b\"\" 2 times with 4094  <- /linux/seccomp/syscalls/7",
          "minirun: web: seccomp refused sync to \"sh\" once with EPERM  <- /linux/seccomp/syscalls/0",
          "minirun: web: seccomp killed a program for acct once  <- /linux/seccomp/defaultAction",
          "minirun: web: seccomp refused system call 99999 to \"sh\" once with ENOSYS, as no rule names a call that "
          "is so new  <- /linux/seccomp/defaultAction",
          "minirun: web: seccomp refused sync to \"own\" once with ENOSYS, which a filter of the container's own "
          "wanted to be notified of"}));
  EXPECT_NE(json_of(refusals).find(R"({"call":"acct","arch":)"), std::string::npos) << json_of(refusals);
}

TEST(Refusals, LinesAreFew) {
  constexpr size_t kLines = 21;
  Refusals refusals;
  for (int call = 0; call < 1000; ++call) add_refusal(refusal(call, "sh"), &refusals);
  auto lines = refusal_lines("web", refusals);
  ASSERT_EQ(lines.size(), kLines);
  EXPECT_EQ(lines.back(), "minirun: web: seccomp refused 980 more calls, of other kinds");
  refusals.lost = true;
  EXPECT_EQ(refusal_lines("web", refusals).size(), 1U);
}

}  // namespace
}  // namespace minirun
