// SPDX-License-Identifier: Apache-2.0
// Classic BPF for rules with conditions on arguments. libseccomp makes one tree from all rules for a system call and
// gets some wrong: with `arg2 <= 0x80000000` and `arg2 <= 0x100000000` both allowed, 0x80000001 gets the default
// (2.5.4; found by tests/fuzz/seccomp.cc). So it gets only the rules without conditions.
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

// All such rules for one system call: the first that holds decides.
struct ConditionalCall {
  uint32_t number = 0;  // seccomp_data.nr
  std::vector<ConditionalRule> rules;
};

struct ConditionalCode {
  uint32_t audit_arch = 0;  // the following code decides calls of other architectures
  uint32_t otherwise = 0;   // SECCOMP_RET_*: no rule of the call holds
  // i386, x32 and arm: compares only the lower halves of argument and value, as libseccomp does.
  bool words_of_32_bits = false;
};

// Code to put before a filter, which decides the calls that are not among `calls`. Empty without calls.
std::vector<sock_filter> conditional_code(const std::vector<ConditionalCall>& calls, const ConditionalCode& options);

}  // namespace minirun
