// SPDX-License-Identifier: Apache-2.0
// Sources of mounts are descriptors. A process may have few (RLIMIT_NOFILE, 1,024 by default) but a config any number,
// so they are opened in turns. Those that stay open longer need a higher limit.
#include <sys/resource.h>

#include <algorithm>

#include "runtime/compile/parts.h"

namespace minirun {

Slot host_source(Compilation& c, Source source) {
  if (c.turn_sources == kSourcesOfATurn) {
    c.turn++;
    c.turn_sources = 0;
    c.turn_step = c.add(steps::TakeSources{c.turn, 0});
  }
  c.turn_sources++;
  if (c.turn > 0) c.plan.fields<steps::TakeSources>(c.turn_step).count++;
  source.turn = c.turn;
  return c.plan.slot(std::move(source));
}

StepFlag source_flags(const Compilation& c, bool used_later) {
  return c.turn == 0 || used_later ? kNoFlags : kLast;
}

static uint64_t most_open_at_once(const Compilation& c) {
  // stdio, the caller's other descriptors, the record and its lock, the cgroup, sockets, the terminal; and on the
  // container's side those of one step.
  constexpr uint64_t kOthers = 64;
  const Plan& plan = c.plan.plan();
  auto first = std::count_if(plan.slots.begin(), plan.slots.end(), [](const Source& s) { return s.turn == 0; });
  auto stay = std::count_if(plan.steps.begin(), plan.steps.end(), asks_for_mount);
  if (c.out.rejoins_peers) return ~uint64_t{0};  // one for each mount of the host's tree
  return kOthers + static_cast<uint64_t>(first + stay) + (c.turn > 0 ? kSourcesOfATurn : 0);
}

void emit_own_open_files(Compilation& c) {
  const auto& rlimits = c.process->rlimits;
  c.out.raises_open_files = most_open_at_once(c) > c.host.open_files && c.host.open_files < c.host.most_open_files;
  bool given = std::any_of(rlimits.begin(), rlimits.end(), [](const auto& r) { return r.resource == RLIMIT_NOFILE; });
  if (c.out.raises_open_files && !given)
    c.add(steps::Rlimit{RLIMIT_NOFILE, c.text("RLIMIT_NOFILE"), c.host.open_files, c.host.most_open_files});
}

}  // namespace minirun
