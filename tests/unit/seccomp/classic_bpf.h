// A classic BPF interpreter over seccomp_data, as net/core/filter.c runs seccomp filters: the oracle for what a
// compiled filter answers. Only what seccomp_check_filter() lets pass.
#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

namespace minirun {

class ClassicBpf {
 public:
  explicit ClassicBpf(std::vector<sock_filter> code) : code_(std::move(code)) {}

  // SECCOMP_RET_* with its data; nothing when the program is not one that the kernel takes.
  std::optional<uint32_t> run(const seccomp_data& data) const {
    uint32_t a = 0;
    uint32_t x = 0;
    uint32_t memory[BPF_MEMWORDS] = {};
    for (size_t pc = 0; pc < code_.size(); ++pc) {
      const sock_filter& op = code_[pc];
      switch (BPF_CLASS(op.code)) {
        case BPF_LD: {
          if (op.code == (BPF_LD | BPF_IMM)) {
            a = op.k;
          } else if (op.code == (BPF_LD | BPF_MEM)) {
            a = memory[op.k];
          } else if (op.code == (BPF_LD | BPF_W | BPF_ABS) && op.k % 4 == 0 && op.k < sizeof data) {
            std::memcpy(&a, reinterpret_cast<const char*>(&data) + op.k, 4);
          } else {
            return std::nullopt;
          }
          break;
        }
        case BPF_ST:
          memory[op.k] = a;
          break;
        case BPF_LDX:
          x = BPF_MODE(op.code) == BPF_MEM ? memory[op.k] : op.k;
          break;
        case BPF_ALU: {
          if (op.code != (BPF_ALU | BPF_AND | BPF_K)) return std::nullopt;
          a &= op.k;
          break;
        }
        case BPF_JMP:
          pc += jump(op, a, x);
          break;
        case BPF_RET:
          return BPF_RVAL(op.code) == BPF_A ? a : op.k;
        default:
          return std::nullopt;
      }
    }
    return std::nullopt;
  }

 private:
  static size_t jump(const sock_filter& op, uint32_t a, uint32_t x) {
    const uint32_t operand = BPF_SRC(op.code) == BPF_X ? x : op.k;
    switch (BPF_OP(op.code)) {
      case BPF_JA:
        return op.k;
      case BPF_JEQ:
        return a == operand ? op.jt : op.jf;
      case BPF_JGT:
        return a > operand ? op.jt : op.jf;
      case BPF_JGE:
        return a >= operand ? op.jt : op.jf;
      default:
        return (a & operand) != 0 ? op.jt : op.jf;
    }
  }

  std::vector<sock_filter> code_;
};

}  // namespace minirun
