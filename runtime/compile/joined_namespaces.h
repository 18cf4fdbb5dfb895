// SPDX-License-Identifier: Apache-2.0
// Namespaces that config.json joins by path: what of it cannot be, and what compile() has to know of them. A path that
// cannot be opened is no error here: the launch reports it when it joins.
#pragma once

#include <cstdint>

#include "namespaces/id_map.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// An error where a sysctl or a name would be set in a joined namespace that is the host's own.
Result<void> check_joined_namespaces(const oci::Spec& spec);

// Types (CLONE_NEW*) of the joined namespaces that another user namespace owns than the one that is joined: see
// namespaces/join.h.
uint64_t namespaces_outside(const oci::Spec& spec);

// Of the user namespace that is joined; empty without one. An error where config.json has other mappings beside its
// path: engines send both.
Result<NamespaceIds> joined_user_namespace(const oci::Spec& spec);

}  // namespace minirun
