// SPDX-License-Identifier: Apache-2.0
// Rules for /linux/seccomp.
#include "runtime/oci/checker.h"
#include "runtime/oci/parse.h"
#include "runtime/text/json.h"

namespace minirun {

// The kernel accepts 16 bits with an action, and at most 4095 (MAX_ERRNO) as an errno; libseccomp refuses 4095 too
// (db_col_action_valid() in 2.5).
static void check_errno(Checker& checker, const std::string& pointer, oci::SeccompAction action,
                        std::optional<uint32_t> value) {
  if (!value) return;
  bool error = action == oci::SeccompAction::error;
  if (!error && action != oci::SeccompAction::trace)
    checker.problem(pointer, "is for SCMP_ACT_ERRNO and SCMP_ACT_TRACE only, not for {}: found {}",
                    oci::name_of(action), *value);
  else if (*value > (error ? 4094u : 65535u))
    checker.problem(pointer, "must be an integer from 0 to {}: found {}", error ? 4094 : 65535, *value);
}

void check_seccomp(Checker& checker) {
  if (!checker.spec.linux_.seccomp) return;
  const oci::Seccomp& seccomp = *checker.spec.linux_.seccomp;
  const std::string base = "/linux/seccomp";
  check_errno(checker, base + "/defaultErrnoRet", seccomp.default_action, seccomp.default_errno_ret);
  if (!seccomp.listener_metadata.empty() && seccomp.listener_path.empty())
    checker.problem(base + "/listenerMetadata", "needs listenerPath, which is missing");
  if (notifies(seccomp)) {
    if (seccomp.listener_path.empty())
      checker.problem(base + "/listenerPath", "is required with SCMP_ACT_NOTIFY");
    else
      checker.absolute_path(base + "/listenerPath", seccomp.listener_path);
  }
  for (size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    const oci::SeccompRule& rule = seccomp.syscalls[i];
    if (rule.names.empty())
      checker.problem(at(base + "/syscalls", i) + "/names", "must name at least one system call: found none");
    for (size_t j = 0; j < rule.names.size(); ++j)
      if (rule.names[j].empty())
        checker.problem(at(at(base + "/syscalls", i) + "/names", j), "must name a system call: found \"\"");
    if (rule.errno_ret) check_errno(checker, at(base + "/syscalls", i) + "/errnoRet", rule.action, rule.errno_ret);
  }
}

}  // namespace minirun
