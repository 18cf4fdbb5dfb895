// SPDX-License-Identifier: Apache-2.0
// One hook, from its start to its end.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "namespaces/plan_builder.h"
#include "namespaces/spawn.h"
#include "runtime/supervise/signals.h"
#include "sys/result.h"

namespace minirun {

struct HookRun {
  const Plan* plan = nullptr;                   // compile_hook()
  std::string path;                             // for messages
  std::string state;                            // JSON, for its stdin
  std::optional<std::chrono::seconds> timeout;  // none: as long as it takes
  std::string stdout_file;                      // what it says is appended to these; "": it goes into the error
  std::string stderr_file;
  int state_fd = -1;    // open_init_program()
  int root_fd = -1;     // ExecFacts::root
  int init_pidfd = -1;  // of the container's first process, for a hook that joins it
  int cgroup_fd = -1;   // it is born in this one; -1: in the caller's
  // Of a plan with Gate::listener: takes the listener of the hook's filter, as HookContext::serve_listener.
  std::function<Result<void>(Child& hook)> serve_listener{};
};

// Runs it and waits for it. Success is exit status 0; processes that it leaves behind then live on. Otherwise (another
// status, the end of its time, SIGINT, SIGTERM, SIGHUP or SIGQUIT to this process) it is killed with all that it
// started in the caller's pid namespace, whatever sessions they are in, and the error has the end of what it said, at
// most 4 KiB. Its stdin is a file in memory, so that a hook that reads nothing holds nothing up; minirun does not wait
// for the end of its output once it has ended itself. Signals of this process are blocked; it has one thread, and no
// children are started meanwhile.
Result<void> run_hook(const HookRun& hook, Signals& signals);

}  // namespace minirun
