// SPDX-License-Identifier: Apache-2.0
// What minirun calls the cgroup of a container whose config names none.
#pragma once

#include <string>
#include <string_view>

namespace minirun {

// "minirun-ID" and the suffix. One that would be longer than a name can be (255 bytes, a file's or a unit's) has a hash
// of the id in the place of the id's end; so different ids have different names. The id may be escaped: it is cut
// before a backslash, never behind one.
std::string own_cgroup_name(std::string_view id, std::string_view suffix = "");

}  // namespace minirun
