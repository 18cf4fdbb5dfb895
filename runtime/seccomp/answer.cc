// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/answer.h"

#include <linux/audit.h>

#include <algorithm>
#include <cstddef>

namespace minirun {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kNativeArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kNativeArch = AUDIT_ARCH_AARCH64;
#else
#error "name this machine's architecture as audit knows it"
#endif

using Word = std::optional<uint32_t>;
constexpr size_t kDataWords = sizeof(seccomp_data) / 4;
using Data = std::array<Word, kDataWords>;

// A walk through the program; it splits at a comparison with an unknown value.
struct Walk {
  size_t at = 0;
  Word a = 0, x = 0;
  std::array<Word, BPF_MEMWORDS> memory{};
};

class Interpreter {
 public:
  Interpreter(const std::vector<sock_filter>& code, const Data& data) : code_(code), data_(data) {}

  // Nothing if the walks end with different answers, or one fails.
  Word answer() {
    Word answer;
    pending_.emplace_back();
    while (!pending_.empty()) {
      Walk walk = pending_.back();
      pending_.pop_back();
      Word end = follow(walk);
      if (!end || (answer && *answer != *end)) return std::nullopt;
      answer = end;
    }
    return answer;
  }

 private:
  Word follow(Walk& walk) {
    while (walk.at < code_.size() && steps_++ < kMostSteps) {
      const sock_filter& op = code_[walk.at++];
      if (BPF_CLASS(op.code) == BPF_RET) return returned(op, walk);
      if (BPF_CLASS(op.code) == BPF_JMP ? !jump(op, &walk) : !compute(op, &walk)) return std::nullopt;
    }
    return std::nullopt;
  }

  static Word returned(const sock_filter& op, const Walk& walk) {
    if (op.code == (BPF_RET | BPF_K)) return op.k;
    return op.code == (BPF_RET | BPF_A) ? walk.a : std::nullopt;
  }

  bool compute(const sock_filter& op, Walk* walk) const {
    switch (op.code) {
      case BPF_LD | BPF_IMM:
        walk->a = op.k;
        return true;
      case BPF_LDX | BPF_IMM:
        walk->x = op.k;
        return true;
      case BPF_LD | BPF_W | BPF_ABS:
        if (op.k % 4 != 0 || op.k / 4 >= kDataWords) return false;
        walk->a = data_[op.k / 4];
        return true;
      case BPF_LD | BPF_W | BPF_LEN:
        walk->a = sizeof(seccomp_data);
        return true;
      case BPF_LDX | BPF_W | BPF_LEN:
        walk->x = sizeof(seccomp_data);
        return true;
      case BPF_MISC | BPF_TAX:
        walk->x = walk->a;
        return true;
      case BPF_MISC | BPF_TXA:
        walk->a = walk->x;
        return true;
      case BPF_ALU | BPF_NEG:
        if (walk->a) walk->a = -*walk->a;
        return true;
      default:
        return BPF_CLASS(op.code) == BPF_ALU ? arithmetic(op, walk) : remember(op, walk);
    }
  }

  static bool remember(const sock_filter& op, Walk* walk) {
    if (op.k >= BPF_MEMWORDS) return false;
    Word& cell = walk->memory[op.k];
    switch (op.code) {
      case BPF_LD | BPF_MEM:
        walk->a = cell;
        return true;
      case BPF_LDX | BPF_MEM:
        walk->x = cell;
        return true;
      case BPF_ST:
        cell = walk->a;
        return true;
      case BPF_STX:
        cell = walk->x;
        return true;
      default:
        return false;
    }
  }

  static bool arithmetic(const sock_filter& op, Walk* walk) {
    Word operand = BPF_SRC(op.code) == BPF_X ? walk->x : Word(op.k);
    bool known = walk->a && operand;
    uint32_t a = walk->a.value_or(0), b = operand.value_or(1);
    switch (BPF_OP(op.code)) {
      case BPF_ADD:
        a += b;
        break;
      case BPF_SUB:
        a -= b;
        break;
      case BPF_MUL:
        a *= b;
        break;
      case BPF_DIV:  // by 0 the kernel ends the filter with 0, which kills (bpf_convert_filter() in net/core/filter.c)
        if (b == 0) return false;
        a /= b;
        break;
      case BPF_AND:
        a &= b;
        break;
      case BPF_OR:
        a |= b;
        break;
      case BPF_XOR:
        a ^= b;
        break;
      case BPF_LSH:
        a <<= b & 31;
        break;
      case BPF_RSH:
        a >>= b & 31;
        break;
      default:
        return false;
    }
    walk->a = known ? Word(a) : std::nullopt;
    return true;
  }

  bool jump(const sock_filter& op, Walk* walk) {
    if (BPF_OP(op.code) == BPF_JA) {
      walk->at += op.k;
      return true;
    }
    Word operand = BPF_SRC(op.code) == BPF_X ? walk->x : Word(op.k);
    if (!walk->a || !operand) {  // both ways
      pending_.push_back(*walk);
      pending_.back().at += op.jt;
      walk->at += op.jf;
      return true;
    }
    auto truth = compare(BPF_OP(op.code), *walk->a, *operand);
    if (truth) walk->at += *truth ? op.jt : op.jf;
    return truth.has_value();
  }

  static std::optional<bool> compare(unsigned how, uint32_t a, uint32_t b) {
    switch (how) {
      case BPF_JEQ:
        return a == b;
      case BPF_JGT:
        return a > b;
      case BPF_JGE:
        return a >= b;
      case BPF_JSET:
        return (a & b) != 0;
      default:
        return std::nullopt;
    }
  }

  // Gives up on walks that split too often: an uncertain answer counts as "not allowed".
  static constexpr size_t kMostSteps = 1 << 20;

  const std::vector<sock_filter>& code_;
  const Data& data_;
  std::vector<Walk> pending_;
  size_t steps_ = 0;
};

void put(uint64_t value, size_t offset, Data* data) {
  constexpr bool kLittle = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
  (*data)[offset / 4 + (kLittle ? 0 : 1)] = static_cast<uint32_t>(value);
  (*data)[offset / 4 + (kLittle ? 1 : 0)] = static_cast<uint32_t>(value >> 32);
}

size_t argument_offset(size_t index) {
  return offsetof(seccomp_data, args) + 8 * index;
}

}  // namespace

std::optional<uint32_t> seccomp_answer(const std::vector<sock_filter>& filter, const seccomp_data& data) {
  Data words{};
  words[offsetof(seccomp_data, nr) / 4] = static_cast<uint32_t>(data.nr);
  words[offsetof(seccomp_data, arch) / 4] = data.arch;
  put(data.instruction_pointer, offsetof(seccomp_data, instruction_pointer), &words);
  for (size_t i = 0; i < 6; i++) put(data.args[i], argument_offset(i), &words);
  return Interpreter(filter, words).answer();
}

std::optional<uint32_t> seccomp_answer(const std::vector<sock_filter>& filter, const SeccompCall& call) {
  Data words{};
  words[offsetof(seccomp_data, nr) / 4] = static_cast<uint32_t>(call.number);
  words[offsetof(seccomp_data, arch) / 4] = kNativeArch;
  for (size_t i = 0; i < 6; i++)
    if (call.arguments[i]) put(*call.arguments[i], argument_offset(i), &words);
  return Interpreter(filter, words).answer();
}

bool seccomp_allows(const std::vector<sock_filter>& filter, const SeccompCall& call) {
  auto answer = seccomp_answer(filter, call);
  if (!answer) return false;
  uint32_t action = *answer & SECCOMP_RET_ACTION_FULL;
  return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
}

bool seccomp_allows(const std::vector<sock_filter>& filter, const std::vector<SeccompCall>& calls) {
  return std::all_of(calls.begin(), calls.end(), [&](const auto& call) { return seccomp_allows(filter, call); });
}

}  // namespace minirun
