// SPDX-License-Identifier: Apache-2.0
// The facts of a launch: all that compile() takes beside a valid Spec, from the bundle, the host, and the namespaces
// that the container joins.
#pragma once

#include <string>

#include "runtime/compile/compile.h"
#include "runtime/oci/bundle.h"
#include "sys/result.h"

namespace minirun {

// state_root: where compiled seccomp filters are kept; -1: nowhere. Errors: what config.json asks of a host that cannot
// have it.
Result<PlanFacts> gather_facts(const Bundle& bundle, const std::string& id, const RunOptions& options, int state_root);

}  // namespace minirun
