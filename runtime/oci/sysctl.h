// SPDX-License-Identifier: Apache-2.0
// Kernel parameters of config.json: only those that belong to a namespace may be set for a container.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minirun {

// The path below /proc/sys of a key as sysctl(8) takes it: the first separator decides, so that
// "net.ipv4.conf.eth0/1.x" and "net/ipv4/conf/eth0.1/x" are the same. Nothing for a key that is not one: a part
// that is empty, ".", ".." or longer than NAME_MAX, or a character that no kernel parameter has.
std::optional<std::string> sysctl_path(std::string_view key);

// The namespace that a path from sysctl_path belongs to (CLONE_NEW*), or 0 for one of the whole host.
uint32_t sysctl_namespace(std::string_view path);

}  // namespace minirun
