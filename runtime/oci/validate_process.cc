// SPDX-License-Identifier: Apache-2.0
// Rules for /process.
#include <linux/limits.h>
#include <linux/sched.h>

#include <algorithm>
#include <climits>

#include "runtime/oci/checker.h"
#include "runtime/oci/parse.h"
#include "runtime/text/json.h"

namespace minirun {

static void check_args(Checker& checker, const oci::Process& process) {
  if (process.args.empty())
    checker.problem("/process/args", "must name a program: missing or empty");
  else if (process.args[0].empty())
    checker.problem("/process/args/0", "must name a program: found \"\"");
  for (size_t i = 0; i < process.args.size(); ++i) checker.exec_string(at("/process/args", i), process.args[i]);
}

static void check_rlimits(Checker& checker, const std::vector<oci::Rlimit>& rlimits) {
  for (size_t i = 0; i < rlimits.size(); ++i) {
    const oci::Rlimit& limit = rlimits[i];
    auto same = [&](const oci::Rlimit& other) { return other.resource == limit.resource; };
    size_t first = static_cast<size_t>(std::find_if(rlimits.begin(), rlimits.end(), same) - rlimits.begin());
    if (limit.resource >= 0 && first < i)
      checker.problem(at("/process/rlimits", i) + "/type", "must appear only once: {} is at /process/rlimits/{} too",
                      oci::rlimit_name(limit.resource), first);
    if (limit.soft > limit.hard)
      checker.problem(at("/process/rlimits", i) + "/soft", "must not be more than hard, {}: found {}", limit.hard,
                      limit.soft);
  }
}

// sched_setattr(2).
static void check_scheduler(Checker& checker, const oci::Scheduler& scheduler) {
  constexpr uint32_t kIso = 4;
  const std::string base = "/process/scheduler";
  bool real_time = scheduler.policy == SCHED_FIFO || scheduler.policy == SCHED_RR;
  int32_t priority = scheduler.priority.value_or(0);
  if (scheduler.policy == kIso) checker.problem(base + "/policy", "must be one that Linux has: SCHED_ISO never came");
  if (real_time && priority == 0)
    checker.problem(base + "/priority", "must be from 1 to 99 with SCHED_FIFO and SCHED_RR: missing or 0");
  if (!real_time && priority != 0)
    checker.problem(base + "/priority", "is for SCHED_FIFO and SCHED_RR only: found {}", priority);
  uint64_t runtime = scheduler.runtime.value_or(0);
  uint64_t deadline = scheduler.deadline.value_or(0);
  uint64_t period = scheduler.period.value_or(0);
  if (scheduler.policy != SCHED_DEADLINE) {
    const char* first = runtime != 0 ? "/runtime" : deadline != 0 ? "/deadline" : "/period";
    if (runtime != 0 || deadline != 0 || period != 0)
      checker.problem(base + first, "is for SCHED_DEADLINE only: found {}",
                      runtime != 0    ? runtime
                      : deadline != 0 ? deadline
                                      : period);
    return;
  }
  if (runtime == 0) checker.problem(base + "/runtime", "is required with SCHED_DEADLINE but missing or 0");
  if (deadline == 0) checker.problem(base + "/deadline", "is required with SCHED_DEADLINE but missing or 0");
  if (runtime > deadline && deadline != 0)
    checker.problem(base + "/runtime", "must not be more than deadline, {}: found {}", deadline, runtime);
  if (period != 0 && deadline > period)
    checker.problem(base + "/deadline", "must not be more than period, {}: found {}", period, deadline);
  if (scheduler.nice.value_or(0) != 0)
    checker.problem(base + "/nice", "is not for SCHED_DEADLINE: found {}", *scheduler.nice);
}

static void check_affinity(Checker& checker, const std::string& name, const std::optional<std::string>& list) {
  if (list && list->find_first_not_of("0123456789, -") != std::string::npos)
    checker.problem("/process/execCPUAffinity/" + name, "must be a list such as 0-3,7: found {}", quoted(*list));
}

void check_process(Checker& checker) {
  if (!checker.spec.process) return;
  const oci::Process& process = *checker.spec.process;
  checker.absolute_path("/process/cwd", process.cwd);
  check_args(checker, process);
  checker.environment("/process/env", process.env);
  if (process.user.additional_gids.size() > NGROUPS_MAX)
    checker.problem("/process/user/additionalGids", "must be at most {}: found {}", NGROUPS_MAX,
                    process.user.additional_gids.size());
  check_rlimits(checker, process.rlimits);
  if (process.scheduler) check_scheduler(checker, *process.scheduler);
  if (process.exec_cpu_affinity) {
    check_affinity(checker, "initial", process.exec_cpu_affinity->initial);
    check_affinity(checker, "final", process.exec_cpu_affinity->final);
  }
}

}  // namespace minirun
