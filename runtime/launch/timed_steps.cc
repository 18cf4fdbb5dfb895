// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/timed_steps.h"

#include <linux/filter.h>
#include <sys/syscall.h>

#include <algorithm>

#include "runtime/compile/compile.h"
#include "runtime/seccomp/answer.h"
#include "runtime/text/stopwatch.h"

namespace minirun {
namespace {

bool allows_stamps(const std::vector<sock_filter>& filter) {
  auto reads = [](uint64_t clock) { return SeccompCall{SYS_clock_gettime, {clock, std::nullopt}}; };
  return seccomp_allows(filter, {reads(kStampClock), reads(kStampCpuClock)});
}

}  // namespace

Stamping stamping_of(const Plan& plan) {
  if (!is_timed()) return Stamping::off;
  bool all = std::all_of(plan.steps.begin(), plan.steps.end(), [&](const Step& step) {
    const auto* seccomp = get_if<steps::Seccomp>(step);
    return seccomp == nullptr || allows_stamps(filter_of(plan, *seccomp));
  });
  return all ? Stamping::all : Stamping::until_filter;
}

void take_steps(const Plan& plan, const PlanMemory& memory, bool failed) {
  if (!is_timed()) return;
  const std::vector<Stamp> stamps = memory.stamps();
  for (uint32_t i = 0; i < stamps.size() && i < plan.steps.size(); i++)
    add_timed_step(describe(plan, i), plan.origins[i],
                   {stamps[i].begun, stamps[i].ended, stamps[i].cpu_before, stamps[i].cpu_used});
  if (failed) take_failed_step(memory);
}

void take_failed_step(const PlanMemory& memory) {
  const Report report = memory.report();
  if (report.state == kFailed && report.step < memory.step_count()) fail_timed_step(report.step + 1);
}

}  // namespace minirun
