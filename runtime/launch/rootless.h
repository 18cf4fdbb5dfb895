// SPDX-License-Identifier: Apache-2.0
// An ordinary user's minirun. The right to mount, and to clone mounts of the host, is had only in a user namespace of
// the user's own (user_namespaces(7)): minirun goes into that of the container, and makes the container from there.
#pragma once

#include <cstdint>

#include "runtime/oci/bundle.h"
#include "sys/result.h"

namespace minirun {

// Whether the user with these ids can make the container. It needs a user namespace, and a new one has to map its root
// to the user: what minirun writes is the user's then.
Result<void> check_rootless(const oci::Spec& spec, uint32_t uid, uint32_t gid);

// For root: does nothing, false. For others: moves this process into the container's user namespace, a new one or that
// of its path, as its root, and into a mount namespace of its own. Descriptors of the old mount namespace cannot be
// cloned from the new one: the bundle's are opened anew, and the caller opens others only after this.
Result<bool> enter_user_namespace(Bundle* bundle);

}  // namespace minirun
