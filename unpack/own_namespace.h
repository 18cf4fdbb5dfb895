// SPDX-License-Identifier: Apache-2.0
// An ordinary user's minirun-unpack: in a user namespace of its own it may give files to the ids that the user has in
// /etc/subuid and /etc/subgid, as newuidmap(1) and newgidmap(1) map them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sys/result.h"
#include "unpack/config_json.h"
#include "unpack/node.h"
#include "unpack/notes.h"

namespace minirun::unpack {

// The ranges of subuid(5) text for a user, behind the user's own id: 0 is the caller, 1 and up are the ranges.
IdMaps maps_with_ranges(uint32_t own_id, std::string_view text, std::string_view user_name, uint32_t user_id);

struct Caller {
  Rights rights;
  BundleOwner owner;
};

// Enters the namespace where the caller is not root; says in a line which ids are missing. One thread may be running.
Result<Caller> become_able(Notes* notes);

}  // namespace minirun::unpack
