// SPDX-License-Identifier: Apache-2.0
// What a container is like, seen from inside (payload surroundings) and from its cgroup, in a form that is the same for
// two containers exactly when they are the same.
#pragma once

#include <optional>
#include <set>
#include <string>

namespace minirun::testing {

using Dump = std::set<std::string>;  // lines for people: "mount 3: / /proc ..."

// Nothing when the text is not complete. What is another thing in each container (process ids, inode numbers, the ids
// of mounts) is taken out.
std::optional<Dump> parse_dump(const std::string& text);

// The limits in the cgroup's directory.
Dump cgroup_dump(const std::string& path);

// What is in only one of them, one line each: "- line" of `wanted`, "+ line" of `found`. Empty: they are the same.
std::string difference(const Dump& wanted, const Dump& found);

}  // namespace minirun::testing
