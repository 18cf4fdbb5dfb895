// SPDX-License-Identifier: Apache-2.0
// Everything that a run decides before the first side effect: the facts gathered, the plan compiled.
#pragma once

#include <string>

#include "runtime/compile/compile.h"
#include "runtime/launch/request.h"
#include "runtime/oci/bundle.h"

namespace minirun {

struct Prepared {
  std::string id;
  Bundle bundle;
  std::string rootfs_path;  // absolute, for people
  Compiled compiled;
};

// state_root: where compiled seccomp filters are kept. With create a process in config.json is needed by start only.
Result<Prepared> prepare_launch(const LaunchRequest& request, Bundle bundle, int state_root);

// What `run` of the bundle would do on this host, for `minirun plan`.
Result<Prepared> prepare_plan(Bundle bundle, bool init);

}  // namespace minirun
