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
  std::string stdout_file;                      // its output is appended to these; "": it goes into the error
  std::string stderr_file;
  int state_fd = -1;    // open_init_program()
  int root_fd = -1;     // ExecFacts::root
  int init_pidfd = -1;  // of the container's first process, for a hook that joins it
  int cgroup_fd = -1;   // it is born in this one; -1: in the caller's
  // For a plan with Gate::listener: takes the listener of the hook's filter, as HookContext::serve_listener.
  std::function<Result<void>(Child& hook)> serve_listener{};
};

// Runs it and waits for it. It succeeds with exit status 0, and processes that it leaves behind then continue.
// Otherwise (another status, a timeout, SIGINT, SIGTERM, SIGHUP or SIGQUIT to this process) it is killed with all that
// it started in the caller's pid namespace, in any session, and the error has the last 4 KiB of its output. Its stdin
// is a file in memory, so a hook that reads nothing blocks nothing; once the hook has ended, minirun does not wait for
// the end of its output. This process has its signals blocked and one thread, and starts no other children meanwhile.
Result<void> run_hook(const HookRun& hook, Signals& signals);

}  // namespace minirun
