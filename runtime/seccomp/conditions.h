// SPDX-License-Identifier: Apache-2.0
// Classic BPF for the rules that ask for arguments. libseccomp makes one tree of all rules for a system call and gets
// some wrong: with `arg2 <= 0x80000000` and `arg2 <= 0x100000000` both allowed, 0x80000001 gets the default (2.5.4;
// found by tests/fuzz/seccomp.cc). So it is given the rules without conditions only.
#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun {

struct ConditionalRule {
  std::vector<oci::SeccompArg> conditions;  // all must hold; at least one
  uint32_t action = 0;                      // SECCOMP_RET_* with its data
};

// All such rules for one system call: the first that holds gives the answer.
struct ConditionalCall {
  uint32_t number = 0;  // seccomp_data.nr
  std::vector<ConditionalRule> rules;
};

struct ConditionalCode {
  uint32_t audit_arch = 0;  // for calls of another one the code behind decides
  uint32_t otherwise = 0;   // SECCOMP_RET_*: no rule of the call holds
  // i386, x32 and arm: the lower halves of argument and value alone are compared, as libseccomp does it.
  bool words_of_32_bits = false;
};

// To be put before a filter, which it leaves the calls to that are not among `calls`. Empty without calls.
std::vector<sock_filter> conditional_code(const std::vector<ConditionalCall>& calls, const ConditionalCode& options);

}  // namespace minirun
