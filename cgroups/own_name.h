// SPDX-License-Identifier: Apache-2.0
// The name of a container's cgroup if its config names none.
#pragma once

#include <string>
#include <string_view>

namespace minirun {

// "minirun-ID" and the suffix. If that exceeds the limit for a name (255 bytes, for files and units), a hash of the id
// replaces the id's end, so different ids have different names. The id may be escaped: it is cut before a backslash,
// never after one.
std::string own_cgroup_name(std::string_view id, std::string_view suffix = "");

}  // namespace minirun
