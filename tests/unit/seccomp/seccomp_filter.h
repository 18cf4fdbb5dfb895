// SPDX-License-Identifier: Apache-2.0
// A compiled profile that can be asked for its answers.
#pragma once

#include <gtest/gtest.h>
#include <linux/audit.h>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/seccomp/answer.h"
#include "runtime/seccomp/filter.h"
#include "tests/unit/seccomp/seccomp_profile.h"

namespace minirun {

using Action = oci::SeccompAction;
using Operator = oci::SeccompOperator;
using Args = std::array<uint64_t, 6>;

#if defined(__x86_64__)
constexpr uint32_t kNative = AUDIT_ARCH_X86_64;
#else
constexpr uint32_t kNative = AUDIT_ARCH_AARCH64;
#endif
constexpr uint32_t kX32Bit = 0x40000000;

inline oci::Seccomp profile(Action default_action, std::vector<oci::SeccompRule> rules) {
  oci::Seccomp seccomp;
  seccomp.default_action = default_action;
  seccomp.syscalls = std::move(rules);
  return seccomp;
}

class Filter {
 public:
  explicit Filter(const oci::Seccomp& seccomp) : program_(compile(seccomp)) {}
  uint32_t answer(uint32_t number, const Args& args = {}, uint32_t arch = kNative) const {
    seccomp_data data = {};
    data.nr = static_cast<int>(number);
    data.arch = arch;
    std::copy(args.begin(), args.end(), data.args);
    auto result = seccomp_answer(program_.filter, data);
    EXPECT_TRUE(result.has_value());
    return result.value_or(0xdeadbeef);
  }
  const SeccompProgram& program() const { return program_; }

 private:
  static SeccompProgram compile(const oci::Seccomp& seccomp) {
    auto program = compile_seccomp(seccomp);
    if (program.ok()) return *program;
    ADD_FAILURE() << program.error().text();
    return {};
  }
  SeccompProgram program_;
};

}  // namespace minirun
