// SPDX-License-Identifier: Apache-2.0
// --explain-seccomp: a filter that notifies minirun where the profile's own refuses a call (seccomp_unotify(2)), and
// what the profile says to each such call. minirun answers that, and never lets one go on.
#pragma once

#include <linux/seccomp.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "runtime/seccomp/call_names.h"
#include "runtime/seccomp/filter.h"
#include "sys/result.h"

namespace minirun {

// Whether the profile can be explained here. Errors: the profile has its own listener, and the kernel allows only one
// for all filters of a process; a kernel without notifications.
Result<void> check_explainable(const oci::Seccomp& seccomp);

// Whether it has actions that refuse without being counted: SCMP_ACT_TRAP and SCMP_ACT_TRACE.
bool refuses_uncounted(const oci::Seccomp& seccomp);

// The profile's filter with a notification in place of each SCMP_ACT_ERRNO and SCMP_ACT_KILL*. SCMP_ACT_TRAP stays, as
// the signal is for a handler of the program, and SCMP_ACT_TRACE, which is for its tracer. Waits for answers in a
// killable way where the kernel can (Linux 5.19): before, a signal makes a process call, and so be counted, again.
SeccompProgram explaining(const SeccompProgram& program);

// Who decides on a call: a rule by its index in /linux/seccomp/syscalls, or one of these.
constexpr int32_t kByDefault = -1;
constexpr int32_t kNewerThanProfile = -2;  // see compile_seccomp()
constexpr int32_t kOfAnotherMachine = -3;  // an architecture that the profile does not name
constexpr int32_t kNotOfTheProfile = -4;   // the profile does not refuse it: a filter of the container's own notified

struct Refused {
  uint32_t action = 0;  // SECCOMP_RET_ERRNO with its errno, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_KILL_PROCESS
  int32_t by = kByDefault;
};

inline bool kills(const Refused& refused) {
  return (refused.action & SECCOMP_RET_ACTION_FULL) != SECCOMP_RET_ERRNO;
}

class RefusalRules {
 public:
  RefusalRules(const oci::Seccomp& seccomp, std::vector<sock_filter> filter);
  // The action is the filter's own. A call that it does not refuse gets ENOSYS.
  Refused judge(const seccomp_data& data) const;

 private:
  using Holds = std::function<bool(const oci::SeccompRule&)>;
  int32_t decided_by(const seccomp_data& data, uint32_t action) const;
  std::optional<int32_t> rule_for(const CallId& call, uint32_t action, const Holds& holds) const;

  oci::Seccomp seccomp_;
  std::vector<sock_filter> filter_;
  std::map<CallId, std::vector<int32_t>> rules_;  // in their order
};

}  // namespace minirun
