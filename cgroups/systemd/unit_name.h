// SPDX-License-Identifier: Apache-2.0
// /linux/cgroupsPath as engines write it for systemd, and where systemd puts the cgroup of such a unit.
#pragma once

#include <string>
#include <string_view>

#include "sys/result.h"

namespace minirun::systemd {

struct ScopeName {
  std::string slice;  // "machine.slice"
  std::string unit;   // "libpod-0123.scope"

  bool operator==(const ScopeName&) const = default;
};

// "slice:prefix:name" → that slice and "prefix-name.scope", as in runc and crun; without a prefix "name.scope". An
// empty slice means system.slice, or user.slice for a user's manager. An empty text means "minirun-ID.scope" there.
// EINVAL: another form, a name that systemd does not accept, or that of a slice, which can hold no process.
Result<ScopeName> parse_scope_name(std::string_view cgroups_path, std::string_view id, bool user);

// "a-b.slice" → "/a.slice/a-b.slice"; "-.slice" → "". systemd.slice(5). EINVAL: not the name of a slice.
Result<std::string> slice_path(std::string_view slice);

// Escapes what systemd does not accept in a unit's name, like systemd-escape(1): "a+b" → "a\x2bb".
std::string escape_unit(std::string_view text);

}  // namespace minirun::systemd
