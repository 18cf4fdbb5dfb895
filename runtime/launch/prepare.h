// Everything that a run decides before the first side effect: the bundle read and judged, the plan compiled.
#pragma once

#include <string>

#include "runtime/commands/options.h"
#include "runtime/compile/compile.h"
#include "runtime/oci/bundle.h"

namespace minirun {

struct Prepared {
  std::string id;
  Bundle bundle;
  std::string rootfs_path;  // absolute, for people
  Compiled compiled;
};

// state_root: where compiled seccomp filters are kept; -1: nowhere.
Result<Prepared> prepare_run(const RunCommand& command, int state_root, bool entered);

// For `minirun create`: a process in config.json is needed by start only.
Result<Prepared> prepare_create(const CreateCommand& command, int state_root, bool entered);

// The same for `minirun plan`: what `run` with these options would do on this host.
Result<Prepared> prepare_plan(const PlanCommand& command);

}  // namespace minirun
