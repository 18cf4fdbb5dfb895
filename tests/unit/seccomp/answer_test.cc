// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/answer.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <random>

#include "runtime/seccomp/code.h"

namespace minirun {
namespace {

constexpr long kProbe = 0x1234;  // no system call: what it answers is the filter's
constexpr uint32_t kErrnoMask = 0x7ff;
const std::array<uint64_t, 6> kArguments = {1, 0xdeadbeefcafef00d, 0, ~0ULL, 0x80000000, 77};

SeccompCall probe() {
  SeccompCall call{kProbe, {}};
  for (size_t i = 0; i < 6; i++) call.arguments[i] = kArguments[i];
  return call;
}

// The errno of the probe in a process that has loaded the filter; -1: the kernel does not take it; -2: it killed.
int kernel_answer(const BpfCode& code) {
  pid_t child = fork();
  if (child == 0) {
    sock_fprog program{static_cast<unsigned short>(code.size()), const_cast<sock_filter*>(code.data())};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) _exit(255);
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(255);
    const auto& a = kArguments;
    long rc = syscall(kProbe, a[0], a[1], a[2], a[3], a[4], a[5]);
    _exit(rc < 0 ? errno % 251 : 254);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) return -2;
  return WEXITSTATUS(status) == 255 ? -1 : WEXITSTATUS(status);
}

// All other calls are allowed, so that the process can report; the probe's answer is the content of A, as an errno.
BpfCode framed(const BpfCode& body) {
  BpfCode code = {load(offsetof(seccomp_data, nr)), jump(BPF_JEQ, kProbe, 1, 0),
                  statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  code.insert(code.end(), body.begin(), body.end());
  code.push_back(statement(BPF_ALU | BPF_AND | BPF_K, kErrnoMask));
  code.push_back(statement(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO));
  code.push_back(statement(BPF_RET | BPF_A, 0));
  return code;
}

sock_filter any_instruction(std::mt19937& random, size_t left) {
  auto below = [&](uint32_t end) { return static_cast<uint32_t>(random() % end); };
  auto word = [&] { return below(2) == 0 ? below(40) : static_cast<uint32_t>(random()); };
  constexpr uint16_t kAlu[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH, BPF_RSH};
  constexpr uint16_t kJumps[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
  auto source = static_cast<uint16_t>(below(2) == 0 ? BPF_K : BPF_X);
  auto forward = [&] { return static_cast<uint8_t>(below(static_cast<uint32_t>(std::min<size_t>(left, 5)))); };
  // Loads of what the kernel alone knows, the instruction pointer, are left out: words 2 and 3.
  constexpr uint32_t kWords[] = {0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  switch (below(13)) {
    case 0:
      return statement(BPF_LD | BPF_IMM, word());
    case 1:
      return statement(BPF_LDX | BPF_IMM, word());
    case 2:
      return statement(BPF_ST, below(3));
    case 3:
      return statement(BPF_STX, below(3));
    case 4:
      return statement(BPF_LD | BPF_MEM, below(3));
    case 5:
      return statement(BPF_LDX | BPF_MEM, below(3));
    case 6:
      return statement(below(2) == 0 ? BPF_MISC | BPF_TAX : BPF_MISC | BPF_TXA, 0);
    case 7:
      return statement(below(2) == 0 ? BPF_LD | BPF_W | BPF_LEN : BPF_LDX | BPF_W | BPF_LEN, 0);
    case 8:
    case 9:
      return load(4 * kWords[below(std::size(kWords))]);
    case 10:
      return {static_cast<uint16_t>(BPF_JMP | kJumps[below(4)] | source), forward(), forward(), word()};
    default: {
      uint16_t how = kAlu[below(std::size(kAlu))];
      uint32_t k = how == BPF_LSH || how == BPF_RSH ? below(32) : word() | 1;
      return {static_cast<uint16_t>(BPF_ALU | how | source), 0, 0, k};
    }
  }
}

TEST(SeccompAnswer, IsTheKernels) {
  std::mt19937 random(4711);
  int compared = 0;
  for (int round = 0; round < 600; round++) {
    BpfCode body = {statement(BPF_ST, 0), statement(BPF_ST, 1), statement(BPF_ST, 2)};  // read before written: refused
    for (size_t left = 20; left > 0; left--) body.push_back(any_instruction(random, left));
    BpfCode code = framed(body);
    int kernels = kernel_answer(code);
    ASSERT_NE(kernels, -1) << "round " << round << ": the kernel refuses the program";
    auto ours = seccomp_answer(code, probe());
    if (kernels == -2) {  // divided by 0
      EXPECT_FALSE(ours.has_value()) << "round " << round;
      continue;
    }
    ASSERT_TRUE(ours.has_value()) << "round " << round;
    EXPECT_EQ(*ours & SECCOMP_RET_ACTION_FULL, SECCOMP_RET_ERRNO);
    uint32_t number = *ours & kErrnoMask;
    EXPECT_EQ(number == 0 ? 254 : static_cast<int>(number % 251), kernels) << "round " << round;
    compared++;
  }
  EXPECT_GT(compared, 300);
}

BpfCode by_argument(unsigned index, uint32_t low, uint32_t answer, uint32_t otherwise) {
  return {load(static_cast<uint32_t>(offsetof(seccomp_data, args) + 8 * index)), jump(BPF_JEQ, low, 0, 1),
          statement(BPF_RET | BPF_K, answer), statement(BPF_RET | BPF_K, otherwise)};
}

TEST(SeccompAnswer, IsNothingWhereItDependsOnWhatIsNotKnown) {
  SeccompCall call{SYS_execve, {}};
  BpfCode code = by_argument(1, 5, SECCOMP_RET_ALLOW, SECCOMP_RET_KILL_PROCESS);
  EXPECT_EQ(seccomp_answer(code, call), std::nullopt);
  EXPECT_FALSE(seccomp_allows(code, call));
  call.arguments[1] = 5;
  EXPECT_EQ(seccomp_answer(code, call), SECCOMP_RET_ALLOW);
  call.arguments[1] = 6;
  EXPECT_EQ(seccomp_answer(code, call), SECCOMP_RET_KILL_PROCESS);
  EXPECT_FALSE(seccomp_allows(code, call));
}

TEST(SeccompAnswer, IsKnownWhereAllValuesOfAnArgumentLeadToTheSame) {
  EXPECT_EQ(seccomp_answer(by_argument(1, 5, SECCOMP_RET_ALLOW, SECCOMP_RET_ALLOW), SeccompCall{1, {}}),
            SECCOMP_RET_ALLOW);
}

TEST(SeccompAnswer, AllowsWhatReachesTheKernelOnly) {
  auto always = [](uint32_t answer) { return BpfCode{statement(BPF_RET | BPF_K, answer)}; };
  SeccompCall call{SYS_getpid, {}};
  EXPECT_TRUE(seccomp_allows(always(SECCOMP_RET_ALLOW), call));
  EXPECT_TRUE(seccomp_allows(always(SECCOMP_RET_LOG), call));
  for (uint32_t answer : {SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_TRAP, SECCOMP_RET_USER_NOTIF,
                          SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS})
    EXPECT_FALSE(seccomp_allows(always(answer), call)) << answer;
  BpfCode one = {load(offsetof(seccomp_data, nr)), jump(BPF_JEQ, SYS_getpid, 0, 1),
                 statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW), statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM)};
  EXPECT_TRUE(seccomp_allows(one, std::vector<SeccompCall>{call}));
  EXPECT_FALSE(seccomp_allows(one, std::vector<SeccompCall>{call, {SYS_setsid, {}}}));
}

TEST(SeccompAnswer, IsNothingForAProgramThatTheKernelRefuses) {
  SeccompCall call{SYS_getpid, {}};
  EXPECT_EQ(seccomp_answer(BpfCode{}, call), std::nullopt);
  EXPECT_EQ(seccomp_answer(BpfCode{load(0)}, call), std::nullopt);  // no end
  EXPECT_EQ(seccomp_answer(BpfCode{load(2), statement(BPF_RET | BPF_K, 0)}, call), std::nullopt);
  EXPECT_EQ(seccomp_answer(BpfCode{load(64), statement(BPF_RET | BPF_K, 0)}, call), std::nullopt);
}

TEST(SeccompAnswer, GivesUpOnAProgramThatDividesWithoutEnd) {
  BpfCode code;
  for (int i = 0; i < 60; i++) {
    code.push_back(load(offsetof(seccomp_data, args)));
    code.push_back(jump(BPF_JEQ, static_cast<uint32_t>(i), 0, 1));
    code.push_back(statement(BPF_LD | BPF_IMM, 1));
  }
  code.push_back(statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  EXPECT_EQ(seccomp_answer(code, SeccompCall{1, {}}), std::nullopt);
}

}  // namespace
}  // namespace minirun
