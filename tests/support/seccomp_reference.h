// SPDX-License-Identifier: Apache-2.0
// What a seccomp section means, said as plainly as it can be, and a maker of sections that ask for much: for the fuzzer
// and for the attacks, which compare the compiled filter with it.
#pragma once

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun::seccomp_reference {

using Action = oci::SeccompAction;
using Op = oci::SeccompOperator;

constexpr uint32_t kX32Bit = 0x40000000;
// Without those that x86 has a second way to call (socketcall, ipc).
constexpr const char* kNames[] = {"read",  "write", "openat", "clone",  "personality", "ioctl",       "kill",
                                  "futex", "prctl", "ptrace", "clone3", "mount",       "keyctl",      "no_such",
                                  "stat",  "bpf",   "open",   "umask",  "io_setup",    "memfd_secret"};
constexpr uint64_t kValues[] = {
    0, 1, 2, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x8000000000000000, 0xffffffffffffffff, 0xf0f0};

struct Table {
  oci::SeccompArch arch;
  uint32_t token;
  uint32_t audit_arch;
  bool words_of_32_bits;
  uint32_t last;  // of the calls that may be newer than a profile
};
#if defined(__x86_64__)
constexpr Table kTables[] = {
    {oci::SeccompArch::x86_64, SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, false, kX32Bit - 1},
    {oci::SeccompArch::x86, SCMP_ARCH_X86, AUDIT_ARCH_I386, true, kX32Bit - 1},
    {oci::SeccompArch::x32, SCMP_ARCH_X32, AUDIT_ARCH_X86_64, true, kX32Bit | 511},
};
#else
constexpr Table kTables[] = {
    {oci::SeccompArch::aarch64, SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, false, 0x3fffffff},
};
#endif

// Input: below(n) gives a number under n, coin() a bool.
template <class Input>
oci::SeccompRule make_rule(Input& input) {
  oci::SeccompRule rule;
  for (uint32_t i = 0, count = 1 + input.below(3); i < count; ++i)
    rule.names.emplace_back(kNames[input.below(std::size(kNames))]);
  rule.action = static_cast<Action>(input.below(8));
  if (input.coin()) rule.errno_ret = input.below(70000);
  for (uint32_t i = 0, count = input.below(4); i < count; ++i) {
    oci::SeccompArg arg;
    arg.index = input.below(7);
    arg.value = kValues[input.below(std::size(kValues))];
    arg.value_two = kValues[input.below(std::size(kValues))];
    arg.op = static_cast<Op>(input.below(7));
    rule.args.push_back(arg);
  }
  return rule;
}

template <class Input>
oci::Seccomp make_profile(Input& input) {
  oci::Seccomp profile;
  profile.default_action = static_cast<Action>(input.below(8));
  if (input.coin()) profile.default_errno_ret = input.below(70000);
  for (const Table& table : kTables)
    if (input.coin()) profile.architectures.push_back(table.arch);
  if (input.coin()) profile.flags = input.below(64);
  for (uint32_t i = 0, count = input.below(6); i < count; ++i) profile.syscalls.push_back(make_rule(input));
  return profile;
}

inline uint32_t value_of(Action action, const std::optional<uint32_t>& errno_ret) {
  uint32_t data = errno_ret.value_or(EPERM);
  switch (action) {
    case Action::kill_process:
      return SECCOMP_RET_KILL_PROCESS;
    case Action::kill_thread:
      return SECCOMP_RET_KILL_THREAD;
    case Action::trap:
      return SECCOMP_RET_TRAP;
    case Action::error:
      return SECCOMP_RET_ERRNO | data;
    case Action::trace:
      return SECCOMP_RET_TRACE | data;
    case Action::allow:
      return SECCOMP_RET_ALLOW;
    case Action::log:
      return SECCOMP_RET_LOG;
    default:
      return SECCOMP_RET_USER_NOTIF;
  }
}

inline bool meets(const oci::SeccompArg& arg, uint64_t given) {
  switch (arg.op) {
    case Op::ne:
      return given != arg.value;
    case Op::lt:
      return given < arg.value;
    case Op::le:
      return given <= arg.value;
    case Op::eq:
      return given == arg.value;
    case Op::ge:
      return given >= arg.value;
    case Op::gt:
      return given > arg.value;
    default:
      return (given & arg.value) == (arg.value_two & arg.value);
  }
}

// All conditions, or with two on one argument any of them.
inline bool args_match(const std::vector<oci::SeccompArg>& args, const __u64* given) {
  std::set<uint32_t> indices;
  bool all = true, any = false;
  for (const oci::SeccompArg& arg : args) {
    indices.insert(arg.index);
    bool met = meets(arg, given[arg.index]);
    all = all && met;
    any = any || met;
  }
  return indices.size() == args.size() ? all : any;
}

class Reference {
 public:
  Reference(const oci::Seccomp& profile, const Table& table) : profile_(profile), table_(table) {
    for (const auto& rule : profile.syscalls)
      for (const std::string& name : rule.names)
        if (number(name) <= static_cast<int>(table.last)) newest_ = std::max(newest_, number(name));
  }

  int number(const std::string& name) const {
    return seccomp_syscall_resolve_name(name.c_str()) == __NR_SCMP_ERROR
               ? -1
               : seccomp_syscall_resolve_name_arch(table_.token, name.c_str());
  }

  // The answers that the rules leave open: one, or those of several rules without conditions.
  std::set<uint32_t> answers(const seccomp_data& call) const {
    uint32_t fallback = value_of(profile_.default_action, profile_.default_errno_ret);
    std::set<uint32_t> unconditional;  // of several libseccomp chooses
    std::optional<uint32_t> first_met;
    for (const auto& rule : profile_.syscalls) {
      uint32_t action = value_of(rule.action, rule.errno_ret);
      bool named =
          std::any_of(rule.names.begin(), rule.names.end(), [&](auto& name) { return number(name) == call.nr; });
      if (!named || action == fallback) continue;
      if (rule.args.empty()) unconditional.insert(action);
      if (!first_met && args_match(rule.args, call.args)) first_met = action;
    }
    std::set<uint32_t> allowed = unconditional;
    if (allowed.empty()) allowed.insert(first_met.value_or(fallback));
    bool newer = newest_ >= 0 && call.nr > newest_ && static_cast<uint32_t>(call.nr) <= table_.last;
    if (newer && (fallback & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO) {
      allowed = {SECCOMP_RET_ERRNO | ENOSYS};
    }
    return allowed;
  }

 private:
  const oci::Seccomp& profile_;
  const Table& table_;
  int newest_ = -1;
};

// A condition that a 32-bit table cannot express is not asked there.
inline bool fits(const oci::Seccomp& profile) {
  for (const auto& rule : profile.syscalls)
    for (const auto& arg : rule.args)
      if (arg.value > 0xffffffff || arg.value_two > 0xffffffff) return false;
  return true;
}

}  // namespace minirun::seccomp_reference
