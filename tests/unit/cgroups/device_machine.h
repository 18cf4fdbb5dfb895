// SPDX-License-Identifier: Apache-2.0
// What device rules mean, said as plainly as it can be, and a machine for the eBPF program that they are compiled to:
// as strict as the kernel's verifier where that matters here.
#pragma once

#include <linux/bpf.h>

#include <cstring>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "cgroups/device_filter.h"

namespace minirun {

struct Access {
  DeviceType type;
  uint32_t major;
  uint32_t minor;
  uint8_t bits;
};

inline bool expected(const std::vector<DeviceRule>& rules, const Access& access) {
  for (uint8_t bit : {kDeviceMknod, kDeviceRead, kDeviceWrite}) {
    if ((access.bits & bit) == 0) continue;
    bool allow = false;
    for (const DeviceRule& rule : rules) {
      bool matches = (rule.type == DeviceType::any || rule.type == access.type) &&
                     rule.major.value_or(access.major) == access.major &&
                     rule.minor.value_or(access.minor) == access.minor && (rule.access & bit) != 0;
      if (matches) allow = rule.allow;
    }
    if (!allow) return false;
  }
  return true;
}

// Throws std::logic_error, saying where, when the program is not one that the kernel would take.
class DeviceMachine {
 public:
  explicit DeviceMachine(const std::vector<bpf_insn>& program) : program_(program) {}

  bool run(const Access& access) {
    uint32_t type = access.type == DeviceType::block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
    bpf_cgroup_dev_ctx context{static_cast<uint32_t>(access.bits << 16) | type, access.major, access.minor};
    std::optional<uint32_t> registers[11];
    for (size_t pc = 0;; ++pc) {
      demand(pc < program_.size(), "it runs past its end", pc);
      reached_.insert(pc);
      const bpf_insn& insn = program_[pc];
      uint32_t value = static_cast<uint32_t>(insn.imm);
      auto& target = registers[insn.dst_reg];
      if (insn.code != (BPF_LDX | BPF_MEM | BPF_H) && insn.code != (BPF_LDX | BPF_MEM | BPF_W) &&
          insn.code != (BPF_ALU | BPF_MOV | BPF_K)) {
        demand(target.has_value() || insn.code == (BPF_JMP | BPF_EXIT), "unset register", pc);
      }
      switch (insn.code) {
        case BPF_LDX | BPF_MEM | BPF_H:
        case BPF_LDX | BPF_MEM | BPF_W: {
          size_t size = (insn.code & 0x18) == BPF_H ? 2 : 4;
          target = 0;
          memcpy(&*target, reinterpret_cast<char*>(&context) + insn.off, size);
          break;
        }
        case BPF_ALU | BPF_MOV | BPF_K:
          target = value;
          break;
        case BPF_ALU | BPF_AND | BPF_K:
          target = *target & value;
          break;
        case BPF_JMP32 | BPF_JEQ | BPF_K:
          if (*target == value) pc += jump(insn, pc);
          break;
        case BPF_JMP32 | BPF_JNE | BPF_K:
          if (*target != value) pc += jump(insn, pc);
          break;
        case BPF_JMP32 | BPF_JSET | BPF_K:
          if ((*target & value) != 0) pc += jump(insn, pc);
          break;
        case BPF_JMP | BPF_EXIT:
          return registers[BPF_REG_0].value() == 1;
        default:
          demand(false, "unknown instruction", pc);
      }
    }
  }

  bool reached_all() const { return reached_.size() == program_.size(); }

 private:
  static void demand(bool holds, const char* what, size_t pc) {
    if (!holds) throw std::logic_error(std::string(what) + " at " + std::to_string(pc));
  }
  static size_t jump(const bpf_insn& insn, size_t pc) {
    demand(insn.off >= 0, "jump backwards", pc);
    return static_cast<size_t>(insn.off);
  }

  const std::vector<bpf_insn>& program_;
  std::set<size_t> reached_;
};

}  // namespace minirun
