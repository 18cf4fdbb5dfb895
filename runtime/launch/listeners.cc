// SPDX-License-Identifier: Apache-2.0
// The listeners of a launch's seccomp filters: for the profile's agent, or for minirun's own counter.
#include <utility>

#include "runtime/launch/create.h"
#include "runtime/launch/seccomp_agent.h"
#include "runtime/seccomp/cache.h"
#include "runtime/text/log.h"

namespace minirun {

Result<void> Launch::start_counter() {
  const auto& seccomp = prepared_.bundle.spec->linux_.seccomp;
  if (refuses_uncounted(*seccomp))
    report_line(
        "minirun: warning: --explain-seccomp does not count the calls for which the profile has SCMP_ACT_TRAP or "
        "SCMP_ACT_TRACE: these are for the program's handler, and its tracer");
  auto program = TRY(cached_seccomp(state_root_.get(), seccomp));
  counter_.emplace(TRY(RefusalCounter::start(RefusalRules(*seccomp, std::move(program->filter)))));
  return {};
}

std::optional<Refusals> Launch::take_refusals() {
  if (!counter_ || std::exchange(counted_, true)) return std::nullopt;
  return counter_->finish(first_pid_, prepared_.compiled.init);
}

// By now everything that creating means is done (runtime.md, "Lifecycle").
Result<void> Launch::serve_listener(const Container& container, Child& child) {
  if (counter_) return give_listener(child, *counter_, supervisor_.signals());
  SeccompAgent agent = TRY(SeccompAgent::connect(*prepared_.bundle.spec->linux_.seccomp));
  return agent.serve(child, container.record, ContainerStatus::created, supervisor_.signals());
}

}  // namespace minirun
