// SPDX-License-Identifier: Apache-2.0
#include "cgroups/device_filter.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <tuple>

namespace minirun {
namespace {

// Registers of the program. The context is struct bpf_cgroup_dev_ctx; its first word holds type and access, 16 bits
// each. Both of minirun's architectures are little-endian.
constexpr uint8_t kVerdict = BPF_REG_0;
constexpr uint8_t kContext = BPF_REG_1;
constexpr uint8_t kAccess = BPF_REG_2;  // the bits that no rule has decided yet
constexpr uint8_t kType = BPF_REG_3;
constexpr uint8_t kMajor = BPF_REG_4;
constexpr uint8_t kMinor = BPF_REG_5;

// Whether `outer` covers every device that `inner` covers.
bool within(const DeviceRule& inner, const DeviceRule& outer) {
  return (outer.type == DeviceType::any || outer.type == inner.type) && (!outer.major || outer.major == inner.major) &&
         (!outer.minor || outer.minor == inner.minor);
}

// Whether some access matches both.
bool overlap(const DeviceRule& a, const DeviceRule& b) {
  return (a.type == DeviceType::any || b.type == DeviceType::any || a.type == b.type) &&
         (!a.major || !b.major || a.major == b.major) && (!a.minor || !b.minor || a.minor == b.minor) &&
         (a.access & b.access) != 0;
}

// A deny rule without an overlapping allow rule of lower priority only repeats the default. `rules`: the highest
// priority first.
std::vector<DeviceRule> drop_needless_denials(const std::vector<DeviceRule>& rules) {
  std::vector<DeviceRule> kept;
  for (auto rule = rules.begin(); rule != rules.end(); ++rule) {
    bool needed = rule->allow || std::any_of(rule + 1, rules.end(), [&](const DeviceRule& later) {
                    return later.allow && overlap(*rule, later);
                  });
    if (needed) kept.push_back(*rule);
  }
  return kept;
}

// Adds a rule to a run of rules with the same verdict, whose order does not matter.
void merge_into(std::vector<DeviceRule>& run, const DeviceRule& rule) {
  for (DeviceRule& other : run) {
    if (other.major != rule.major || other.minor != rule.minor) continue;
    if (other.type == rule.type) {
      other.access |= rule.access;
      return;
    }
    if (other.access == rule.access) {  // block and character are the only types
      other.type = DeviceType::any;
      return;
    }
  }
  run.push_back(rule);
}

// Wider rules first, since they decide more; then by type and major, so that tests can be shared.
void append_sorted(std::vector<DeviceRule>& rules, std::vector<DeviceRule>& run) {
  std::stable_sort(run.begin(), run.end(), [](const DeviceRule& a, const DeviceRule& b) {
    return std::tie(a.type, a.major, a.minor) < std::tie(b.type, b.major, b.minor);  // no number sorts before any
  });
  rules.insert(rules.end(), run.begin(), run.end());
  run.clear();
}

std::vector<DeviceRule> merge_runs(const std::vector<DeviceRule>& rules) {
  std::vector<DeviceRule> merged;
  std::vector<DeviceRule> run;
  for (const DeviceRule& rule : rules) {
    if (!run.empty() && run.front().allow != rule.allow) append_sorted(merged, run);
    merge_into(run, rule);
  }
  append_sorted(merged, run);
  return merged;
}

struct Step {
  DeviceRule rule;  // its access without the bits that wider rules decide
  bool final;       // it decides every bit that can be left for its device
};

// Removes bits that earlier rules decide, and drops rules without any left.
std::vector<Step> drop_decided(const std::vector<DeviceRule>& rules) {
  std::vector<Step> steps;
  for (DeviceRule rule : rules) {
    uint8_t decided = 0;
    for (const Step& step : steps)
      if (within(rule, step.rule)) decided |= step.rule.access;
    rule.access &= static_cast<uint8_t>(~decided);
    if (rule.access != 0) steps.push_back({rule, (rule.access | decided) == kDeviceAll});
  }
  return steps;
}

class Emitter {
 public:
  // fall_back: the verdict if no step decides.
  std::vector<bpf_insn> program(const std::vector<Step>& steps, bool fall_back) {
    bool by_type = false, by_major = false, by_minor = false;
    for (const Step& step : steps) {
      by_type |= step.rule.type != DeviceType::any;
      by_major |= step.rule.major.has_value();
      by_minor |= step.rule.minor.has_value();
    }
    if (!steps.empty()) load(kAccess, BPF_H, 2);
    if (by_type) load(kType, BPF_H, 0);
    if (by_major) load(kMajor, BPF_W, 4);
    if (by_minor) load(kMinor, BPF_W, 8);
    for (const Step& step : steps) emit(step);
    close_type();
    finish(fall_back);
    finish(!fall_back);
    return std::move(code_);
  }

 private:
  static constexpr size_t kNone = SIZE_MAX;

  size_t add(uint8_t code, uint8_t dst, uint8_t src, int16_t offset, uint32_t immediate) {
    code_.push_back({code, static_cast<uint8_t>(dst & 15), static_cast<uint8_t>(src & 15), offset,
                     static_cast<int32_t>(immediate)});
    return code_.size() - 1;
  }

  void load(uint8_t reg, int size, int16_t offset) {
    add(static_cast<uint8_t>(BPF_LDX | BPF_MEM | size), reg, kContext, offset, 0);
  }

  size_t jump_if(int condition, uint8_t reg, uint32_t value) {
    return add(static_cast<uint8_t>(BPF_JMP32 | condition | BPF_K), reg, 0, 0, value);
  }

  // Makes a jump go to the next instruction.
  void land(size_t& jump) {
    if (jump == kNone) return;
    code_[jump].off = static_cast<int16_t>(code_.size() - jump - 1);
    jump = kNone;
  }

  void close_major() { land(skip_major_); }

  void close_type() {
    close_major();
    land(skip_type_);
  }

  std::vector<size_t>& jumps_to(bool allow) { return allow ? to_allow_ : to_deny_; }

  // Emits the end of the program for one verdict, if it is reachable. The fall-back comes first, since control falls
  // into it.
  void finish(bool allow) {
    bool fallen_into = verdicts_++ == 0;
    if (!fallen_into && jumps_to(allow).empty()) return;  // the verifier refuses unreachable instructions
    for (size_t jump : jumps_to(allow)) land(jump);
    add(BPF_ALU | BPF_MOV | BPF_K, kVerdict, 0, 0, allow ? 1 : 0);
    add(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
  }

  // Decides a whole type, major or minor by one comparison and a jump to the verdict.
  void decide_if(uint8_t reg, uint32_t value, bool allow) { jumps_to(allow).push_back(jump_if(BPF_JEQ, reg, value)); }

  void decide_access(const Step& step) {
    if (step.rule.allow) {
      add(BPF_ALU | BPF_AND | BPF_K, kAccess, 0, 0, ~static_cast<uint32_t>(step.rule.access));
      decide_if(kAccess, 0, true);
    } else {
      jumps_to(false).push_back(jump_if(BPF_JSET, kAccess, step.rule.access));
    }
  }

  void emit(const Step& step) {
    const DeviceRule& rule = step.rule;
    bool whole_major = step.final && !rule.minor;
    if (!in_type_ || rule.type != type_) {
      close_type();
      in_type_ = true;
      type_ = rule.type;
      major_.reset();
      uint32_t kernel_type = type_ == DeviceType::block ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;
      if (type_ != DeviceType::any && whole_major && !rule.major) {
        decide_if(kType, kernel_type, rule.allow);
        return;
      }
      if (type_ != DeviceType::any) skip_type_ = jump_if(BPF_JNE, kType, kernel_type);
    }
    if (rule.major != major_) {
      close_major();
      major_ = rule.major;
      if (whole_major && rule.major) {
        decide_if(kMajor, *rule.major, rule.allow);
        return;
      }
      if (rule.major) skip_major_ = jump_if(BPF_JNE, kMajor, *rule.major);
    }
    if (rule.minor && step.final) {
      decide_if(kMinor, *rule.minor, rule.allow);
      return;
    }
    size_t skip_minor = rule.minor ? jump_if(BPF_JNE, kMinor, *rule.minor) : kNone;
    decide_access(step);
    land(skip_minor);
  }

  std::vector<bpf_insn> code_;
  std::vector<size_t> to_allow_;
  std::vector<size_t> to_deny_;
  size_t skip_type_ = kNone;
  size_t skip_major_ = kNone;
  bool in_type_ = false;
  DeviceType type_ = DeviceType::any;
  std::optional<uint32_t> major_;
  int verdicts_ = 0;
};

}  // namespace

std::vector<DeviceRule> with_default_devices(std::vector<DeviceRule> rules, bool console) {
  constexpr auto kChar = DeviceType::character;
  // A node alone is harmless: it cannot be opened.
  rules.push_back({true, kChar, {}, {}, kDeviceMknod});
  rules.push_back({true, DeviceType::block, {}, {}, kDeviceMknod});
  for (uint32_t minor : {3U, 5U, 7U, 8U, 9U})  // null, zero, full, random, urandom
    rules.push_back({true, kChar, 1, minor, kDeviceAll});
  rules.push_back({true, kChar, 5, 0, kDeviceAll});               // tty
  if (console) rules.push_back({true, kChar, 5, 1, kDeviceAll});  // console
  rules.push_back({true, kChar, 5, 2, kDeviceAll});               // ptmx
  rules.push_back({true, kChar, 136, {}, kDeviceAll});            // pts/*
  return rules;
}

Result<std::vector<bpf_insn>> compile_device_filter(const std::vector<DeviceRule>& rules) {
  std::vector<DeviceRule> by_priority(rules.rbegin(), rules.rend());
  std::vector<Step> steps = drop_decided(merge_runs(drop_needless_denials(by_priority)));
  // A rule for everything decides whatever is left: it is the fall-back, and nothing follows it.
  bool allow = false;
  if (!steps.empty() && steps.back().final && within(DeviceRule{}, steps.back().rule)) {
    allow = steps.back().rule.allow;
    steps.pop_back();
  }
  if (steps.empty() && allow) return std::vector<bpf_insn>();
  std::vector<bpf_insn> program = Emitter().program(steps, allow);
  // Jumps are 16 bits wide.
  if (program.size() > INT16_MAX) return fail(E2BIG, "{} device rules are too many for one filter", rules.size());
  return program;
}

}  // namespace minirun
