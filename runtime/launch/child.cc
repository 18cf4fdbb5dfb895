// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/child.h"

#include <utility>
#include <vector>

#include "namespaces/init_program.h"
#include "namespaces/proc_loan.h"
#include "namespaces/spawn.h"
#include "runtime/compile/compile.h"
#include "runtime/launch/failure.h"
#include "runtime/launch/timed_steps.h"

namespace minirun {

Result<StartedChild> start_child(const Compiled& compiled, HostDescriptors host, int state_fd, const Cgroup& cgroup,
                                 Signals& signals) {
  SpawnRequest request;
  request.plan = &compiled.plan;
  request.init_program = TRY(open_init_program(state_fd));
  request.cgroup_fd = cgroup.fd();
  request.stamping = stamping_of(compiled.plan);
  std::vector<UniqueFd> contexts;
  if (compiled.proc_loan) {
    auto lent = borrow_proc(*compiled.proc_loan, request.init_program.get(), cgroup.fd(),
                            [&] { return signals.check_abort(); });
    if (!lent.ok()) return explain_join(lent.error(), cgroup);
    contexts = std::move(lent).value();
  }
  for (const UniqueFd& context : contexts) host.proc.push_back(context.get());
  MoreOpenFiles more(compiled.raises_open_files);
  SourceTurns turns(compiled, std::move(host));
  auto sources = turns.open_first();
  if (!sources.ok()) return explain_sources(sources.error(), {cgroup, &compiled});
  request.sources = std::move(sources).value();
  auto child = spawn(std::move(request));
  if (!child.ok()) return explain_clone(child.error(), {cgroup, &compiled});
  return StartedChild{OwnedProcess(std::move(child).value()), std::move(turns)};
}

}  // namespace minirun
