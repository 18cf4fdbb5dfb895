// SPDX-License-Identifier: Apache-2.0
// Id mappings (user_namespaces(7)) and user namespaces that exist for their mappings alone.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// One line of /proc/PID/uid_map or gid_map: maps `size` ids from `container_id` on to those from `host_id` on in the
// writer's user namespace.
struct IdMap {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;

  bool operator==(const IdMap&) const = default;
};
using IdMaps = std::vector<IdMap>;

// As the kernel takes it in one write(2): "0 100000 65536\n".
std::string id_map_text(const IdMaps& maps);

// Why the kernel would refuse the lines from any writer: more than 340, an empty range, ids beyond 2^32 - 2, ranges
// that overlap on either side. nullopt: it would not. An empty list is valid.
std::optional<std::string> id_map_problem(const IdMaps& maps);

// Writes the mappings of a new user namespace that `pid` is in: a child of this process that was not waited for yet, so
// that the number cannot be another's. Empty lists are left unwritten. euid 0 writes the files itself. Other users
// write a single line that maps their own id (user_namespaces(7): after denying setgroups); for more they run
// newuidmap(1) and newgidmap(1) from PATH, for at most 10 seconds each. The error contains their output.
Result<void> write_id_maps(pid_t pid, const IdMaps& uids, const IdMaps& gids);

// A user namespace with these mappings (both lists have lines), held by its descriptor alone: the helper process has
// been reaped when this returns. For mount_setattr(2) with MOUNT_ATTR_IDMAP (Linux 5.12).
Result<UniqueFd> make_user_namespace(const IdMaps& uids, const IdMaps& gids);

// A user namespace's mappings; host ids are those of the caller's own namespace.
struct NamespaceIds {
  IdMaps uids, gids;
  bool setgroups_denied = false;
};
Result<NamespaceIds> read_id_maps(int user_namespace);

// Whether the user with this id could write the maps without help: one line of one id, their own.
bool maps_only(const IdMaps& maps, uint32_t own_id);

}  // namespace minirun
