// SPDX-License-Identifier: Apache-2.0
// Gathers the facts of a launch: what compile() takes beside a valid Spec, from the bundle, the host, and the
// namespaces that the container joins.
#pragma once

#include <string>

#include "runtime/compile/compile.h"
#include "runtime/oci/bundle.h"
#include "sys/result.h"

namespace minirun {

// state_root: holds the cache of compiled seccomp filters; -1: none. Errors: what this host cannot do of config.json.
Result<PlanFacts> gather_facts(const Bundle& bundle, const std::string& id, const RunOptions& options, int state_root);

}  // namespace minirun
