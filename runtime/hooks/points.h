// SPDX-License-Identifier: Apache-2.0
// When which hooks run, and what they receive (runtime-spec 1.3 runtime.md, "Lifecycle", and config.md,
// "POSIX-platform Hooks"). An error names the hook: "/hooks/prestart/0: ...".
#pragma once

#include <functional>

#include "cgroups/cgroup.h"
#include "namespaces/spawn.h"
#include "runtime/container/container.h"
#include "runtime/oci/spec.h"
#include "runtime/supervise/signals.h"
#include "sys/result.h"

namespace minirun {

// The container whose hooks run. Everything is borrowed.
struct HookContext {
  const Container& container;
  const oci::Spec& spec;
  Signals& signals;                // blocked; an abort request ends the hook as an error
  const Cgroup* cgroup = nullptr;  // hooks in the container's namespaces are born in it
  // Sends the agent the listener of the filter that a startContainer hook is about to load.
  std::function<Result<void>(Child& hook)> serve_listener{};
  bool explain_seccomp = false;  // that filter notifies minirun where it refuses, as the container's does
};

// Runs prestart, createRuntime and createContainer hooks, while the container waits with its namespaces and mounts
// made.
Result<void> run_setup_hooks(const HookContext& context);
// Runs only the first two kinds, while criu waits with the namespaces made: the images already contain what the others
// prepare.
Result<void> run_restore_hooks(const HookContext& context);
// Runs them while the container waits for the last time before its workload.
Result<void> run_start_container_hooks(const HookContext& context);
// Once the workload runs.
Result<void> run_poststart_hooks(const HookContext& context);
// Runs them when only the container's state directory is left, so the id is not free yet. After an error, prints a
// warning and runs the next hook. Blocks all signals before the first hook.
void run_poststop_hooks(const Container& container);

}  // namespace minirun
