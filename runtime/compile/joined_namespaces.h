// SPDX-License-Identifier: Apache-2.0
// Namespaces that config.json joins by path: checks them, and gathers what compile() needs to know. A path that cannot
// be opened is no error here: the launch reports it when it joins.
#pragma once

#include <cstdint>

#include "namespaces/id_map.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// An error if a sysctl or a host name would be set in a joined namespace that is the host's own.
Result<void> check_joined_namespaces(const oci::Spec& spec);

// Types (CLONE_NEW*) of the joined namespaces that the joined user namespace does not own: see namespaces/join.h.
uint64_t namespaces_outside(const oci::Spec& spec);

// The ids of the joined user namespace; empty without one. An error if config.json has other mappings beside its path:
// engines send both.
Result<NamespaceIds> joined_user_namespace(const oci::Spec& spec);

}  // namespace minirun
