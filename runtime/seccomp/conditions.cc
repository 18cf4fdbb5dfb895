// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/conditions.h"

#include <linux/seccomp.h>

#include <cstddef>

#include "runtime/seccomp/code.h"

namespace minirun {
namespace {

using Operator = oci::SeccompOperator;

// seccomp_data.args are 64-bit words in the machine's order; all supported machines are little-endian.
static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__);
sock_filter load_low(uint32_t index) {
  return load(offsetof(seccomp_data, args) + 8 * index);
}
sock_filter load_high(uint32_t index) {
  return load(offsetof(seccomp_data, args) + 8 * index + 4);
}

// The target of a comparison: the end of the condition's code, or the instruction before it, the jump to the next rule.
constexpr size_t kHolds = 1;
constexpr size_t kFails = 0;

// eq, ne and masked_eq: both halves, with the last each masked, equal the value's.
BpfCode equality(const oci::SeccompArg& arg, bool low_only) {
  const size_t equal = arg.op == Operator::ne ? kFails : kHolds;
  const size_t unequal = arg.op == Operator::ne ? kHolds : kFails;
  const bool masked = arg.op == Operator::masked_eq;
  const uint64_t value = masked ? arg.value_two & arg.value : arg.value;
  auto half = [&](sock_filter load_half, unsigned shift, size_t if_equal, size_t if_unequal) {
    BpfCode code = {load_half};
    if (masked) code.push_back(statement(BPF_ALU | BPF_AND | BPF_K, static_cast<uint32_t>(arg.value >> shift)));
    code.push_back(jump(BPF_JEQ, static_cast<uint32_t>(value >> shift), if_equal, if_unequal));
    return code;
  };
  BpfCode low = half(load_low(arg.index), 0, equal, unequal);
  if (low_only) return low;
  BpfCode code = half(load_high(arg.index), 32, 0, low.size() + unequal);
  code.insert(code.end(), low.begin(), low.end());
  return code;
}

// `comparison` BPF_JGT or BPF_JGE; negated they are le and lt.
BpfCode order(const oci::SeccompArg& arg, bool low_only, unsigned comparison, bool negated) {
  const size_t yes = negated ? kFails : kHolds;
  const size_t no = negated ? kHolds : kFails;
  const auto high = static_cast<uint32_t>(arg.value >> 32);
  BpfCode low = {load_low(arg.index), jump(comparison, static_cast<uint32_t>(arg.value), yes, no)};
  if (low_only) return low;
  BpfCode code = {load_high(arg.index), jump(BPF_JGT, high, 1 + low.size() + yes, 0),
                  jump(BPF_JEQ, high, 0, low.size() + no)};
  code.insert(code.end(), low.begin(), low.end());
  return code;
}

// Continues after its last instruction if the condition fails, and one further on if it holds.
BpfCode comparison(const oci::SeccompArg& arg, bool low_only) {
  switch (arg.op) {
    case Operator::ne:
    case Operator::eq:
    case Operator::masked_eq:
      return equality(arg, low_only);
    case Operator::lt:
      return order(arg, low_only, BPF_JGE, true);
    case Operator::le:
      return order(arg, low_only, BPF_JGT, true);
    case Operator::ge:
      return order(arg, low_only, BPF_JGE, false);
    case Operator::gt:
      return order(arg, low_only, BPF_JGT, false);
  }
  return {};
}

// Returns the rule's action or continues after its last instruction.
BpfCode rule_code(const ConditionalRule& rule, bool low_only) {
  BpfCode code = {statement(BPF_RET | BPF_K, rule.action)};
  for (auto arg = rule.conditions.rbegin(); arg != rule.conditions.rend(); ++arg) {
    BpfCode condition = comparison(*arg, low_only);
    condition.push_back(jump_always(code.size()));
    code.insert(code.begin(), condition.begin(), condition.end());
  }
  return code;
}

}  // namespace

std::vector<sock_filter> conditional_code(const std::vector<ConditionalCall>& calls, const ConditionalCode& options) {
  if (calls.empty()) return {};
  BpfCode all = {load(offsetof(seccomp_data, nr))};
  for (const ConditionalCall& call : calls) {
    BpfCode block;
    for (const ConditionalRule& rule : call.rules) {
      const BpfCode code = rule_code(rule, options.words_of_32_bits);
      block.insert(block.end(), code.begin(), code.end());
    }
    block.push_back(statement(BPF_RET | BPF_K, options.otherwise));
    // The accumulator still has the number for the next call: a block is left only by a return.
    all.push_back(jump(BPF_JEQ, call.number, 1, 0));
    all.push_back(jump_always(block.size()));
    all.insert(all.end(), block.begin(), block.end());
  }
  BpfCode code = {load(offsetof(seccomp_data, arch)), jump(BPF_JEQ, options.audit_arch, 1, 0), jump_always(all.size())};
  code.insert(code.end(), all.begin(), all.end());
  return code;
}

}  // namespace minirun
