// SPDX-License-Identifier: Apache-2.0
// Kernel parameters in config.json: a container may set only those that belong to a namespace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace minirun {

// The path below /proc/sys of a key as sysctl(8) takes it: the first separator decides, so that
// "net.ipv4.conf.eth0/1.x" and "net/ipv4/conf/eth0.1/x" are the same. Nothing for an invalid key: a part that is empty,
// ".", ".." or longer than NAME_MAX, or a character that no kernel parameter has.
std::optional<std::string> sysctl_path(std::string_view key);

// The namespace type (CLONE_NEW*) of a path from sysctl_path, or 0 if it belongs to the whole host.
uint32_t sysctl_namespace(std::string_view path);

}  // namespace minirun
