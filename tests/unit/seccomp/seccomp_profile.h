// SPDX-License-Identifier: Apache-2.0
// A profile of the size and shape of container engines' default ones, made from libseccomp's own tables.
#pragma once

#include <seccomp.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "runtime/oci/spec.h"

namespace minirun {

inline oci::SeccompRule rule(oci::Strings names, oci::SeccompAction action, std::vector<oci::SeccompArg> args = {},
                             std::optional<uint32_t> errno_ret = {}) {
  oci::SeccompRule made;
  made.names = std::move(names);
  made.action = action;
  made.errno_ret = errno_ret;
  made.args = std::move(args);
  return made;
}

// More than 400 names of x86-64 and x86 together, some allowed for certain arguments only, the default EPERM.
inline oci::Seccomp engine_like_profile() {
  const std::set<std::string> special = {"clone", "clone3", "personality", "socket",
                                         "mount", "reboot", "bpf",         "kexec_load"};
  std::set<std::string> names;
  for (uint32_t arch : {uint32_t{SCMP_ARCH_X86_64}, uint32_t{SCMP_ARCH_X86}}) {
    for (int number = 0; number <= 448; ++number) {
      char* name = seccomp_syscall_resolve_num_arch(arch, number);
      if (name != nullptr && special.count(name) == 0) names.insert(name);
      std::free(name);
    }
  }
  using Action = oci::SeccompAction;
  using Operator = oci::SeccompOperator;
  oci::Seccomp profile;
  profile.default_action = Action::error;
  profile.default_errno_ret = EPERM;
  profile.architectures = {oci::SeccompArch::x86_64, oci::SeccompArch::x86, oci::SeccompArch::x32};
  profile.syscalls.push_back(rule({names.begin(), names.end()}, Action::allow));
  for (uint64_t persona : {0x0ULL, 0x8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL})
    profile.syscalls.push_back(rule({"personality"}, Action::allow, {{0, persona, 0, Operator::eq}}));
  profile.syscalls.push_back(rule({"socket"}, Action::allow, {{0, 40, 0, Operator::ne}}));
  profile.syscalls.push_back(rule({"clone"}, Action::allow, {{0, 2114060288, 0, Operator::masked_eq}}));
  profile.syscalls.push_back(rule({"clone3"}, Action::error, {}, ENOSYS));
  return profile;
}

}  // namespace minirun
