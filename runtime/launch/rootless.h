// SPDX-License-Identifier: Apache-2.0
// minirun as an ordinary user, who may mount, and clone mounts of the host, only in a user namespace of their own
// (user_namespaces(7)): minirun enters the container's, and makes the container from there.
#pragma once

#include <cstdint>

#include "runtime/oci/bundle.h"
#include "sys/result.h"

namespace minirun {

// Whether the user with these ids can make the container. It needs a user namespace, and a new one must map its root to
// the user, so that the user owns what minirun writes.
Result<void> check_rootless(const oci::Spec& spec, uint32_t uid, uint32_t gid);

// As root it does nothing and returns false. As another user it moves this process into the container's user namespace
// (new or joined by path), as its root, and into a new mount namespace. Mounts behind descriptors of the old mount
// namespace cannot be cloned in the new one: this reopens the bundle's, and the caller must open others only
// afterwards.
Result<bool> enter_user_namespace(Bundle* bundle);

}  // namespace minirun
