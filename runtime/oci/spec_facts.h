// SPDX-License-Identifier: Apache-2.0
// What several rooms ask of a config.json.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun::oci {

// The namespace of a type (CLONE_NEW*) that /linux/namespaces names; nullptr: none, and the container has the host's.
inline const Namespace* find_namespace(const Spec& spec, uint64_t type) {
  for (const Namespace& ns : spec.linux_.namespaces)
    if (ns.type == type) return &ns;
  return nullptr;
}

// Whether the container gets a new one.
inline bool makes_namespace(const Spec& spec, uint64_t type) {
  const Namespace* found = find_namespace(spec, type);
  return found != nullptr && found->path.empty();
}

// Whether the mappings have the id, as the container sees it.
inline bool maps_id(const std::vector<IdMapping>& mappings, uint64_t id) {
  for (const IdMapping& map : mappings)
    if (id >= map.container_id && id - map.container_id < map.size) return true;
  return false;
}

// Whether hooks run before the container's root is its own: prestart, createRuntime or createContainer.
inline bool has_setup_hooks(const Hooks& hooks) {
  return !hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty();
}

}  // namespace minirun::oci
