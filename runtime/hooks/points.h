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

// The container that hooks are run for. All is borrowed.
struct HookContext {
  const Container& container;
  const oci::Spec& spec;
  Signals& signals;                // blocked; one that asks to give up ends the hook as an error
  const Cgroup* cgroup = nullptr;  // hooks in the container's namespaces are born in it
  // Brings the listener of the filter that a startContainer hook is about to load to its agent.
  std::function<Result<void>(Child& hook)> serve_listener{};
};

// prestart, createRuntime, createContainer: while the container waits with its namespaces and mounts made.
Result<void> run_setup_hooks(const HookContext& context);
// The first two kinds alone, while criu waits with the namespaces made: what the others would prepare is in the images.
Result<void> run_restore_hooks(const HookContext& context);
// While it waits for the last time before its workload.
Result<void> run_start_container_hooks(const HookContext& context);
// Once the workload runs.
Result<void> run_poststart_hooks(const HookContext& context);
// Once the container is gone, all but its state directory: so the id is not another container's yet. An error is a
// warning on stderr, and the next hook's turn. Blocks all signals if it has such hooks.
void run_poststop_hooks(const Container& container);

}  // namespace minirun
