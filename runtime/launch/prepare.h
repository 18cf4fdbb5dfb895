// SPDX-License-Identifier: Apache-2.0
// Decides everything before a run's first side effect: gathers the facts and compiles the plan.
#pragma once

#include <string>

#include "runtime/compile/compile.h"
#include "runtime/launch/request.h"
#include "runtime/oci/bundle.h"

namespace minirun {

struct Prepared {
  std::string id;
  Bundle bundle;
  std::string rootfs_path;  // absolute, for messages
  Compiled compiled;
};

// state_root: holds the cache of compiled seccomp filters. With create, only start needs a process in config.json.
Result<Prepared> prepare_launch(const LaunchRequest& request, Bundle bundle, bool entered, int state_root);

// Prepares what `run` of the bundle would do on this host, for `minirun plan`.
Result<Prepared> prepare_plan(Bundle bundle, bool init);

// The same for `minirun check`, and the plan of a launch without the init whose changes to the rootfs go to memory, if
// `overlay` or the request says so.
struct PreparedCheck {
  Prepared prepared;
  Compiled rehearsal;
};
Result<PreparedCheck> prepare_check(const LaunchRequest& request, Bundle bundle, bool entered, bool overlay);

}  // namespace minirun
