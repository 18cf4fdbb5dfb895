// SPDX-License-Identifier: Apache-2.0
// Where a config.json may have null for a property that is not set. An independent list: a property that the parser
// takes null for by mistake, such as a limit or a filter, is missing here.
#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>

namespace minirun::test {

// "*" stands for any one token.
inline constexpr std::string_view kNullable[] = {
    "/process",
    "/hostname",
    "/domainname",
    "/mounts",
    "/hooks",
    "/annotations",
    "/process/consoleSize",
    "/process/env",
    "/process/capabilities",
    "/process/capabilities/*",
    "/process/scheduler",
    "/process/scheduler/flags",
    "/process/ioPriority",
    "/process/execCPUAffinity",
    "/process/execCPUAffinity/*",
    "/mounts/*/type",
    "/mounts/*/source",
    "/mounts/*/options",
    "/hooks/*",
    "/hooks/*/*/args",
    "/hooks/*/*/env",
    "/linux/timeOffsets",
    "/linux/timeOffsets/*",
    "/linux/devices",
    "/linux/netDevices",
    "/linux/netDevices/*/name",
    "/linux/cgroupsPath",
    "/linux/resources/devices",
    "/linux/resources/network",
    "/linux/resources/network/priorities",
    "/linux/rootfsPropagation",
    "/linux/sysctl",
    "/linux/memoryPolicy",
    "/linux/memoryPolicy/nodes",
    "/linux/memoryPolicy/flags",
    "/linux/personality",
    "/linux/personality/flags",
};

inline bool matches(std::string_view pattern, std::string_view pointer) {
  while (!pattern.empty() && !pointer.empty()) {
    std::string_view wanted = pattern.substr(0, pattern.find('/', 1)), token = pointer.substr(0, pointer.find('/', 1));
    if (wanted != "/*" && wanted != token) return false;
    pattern.remove_prefix(wanted.size());
    pointer.remove_prefix(token.size());
  }
  return pattern.empty() && pointer.empty();
}

inline bool takes_null(std::string_view pointer) {
  return std::any_of(std::begin(kNullable), std::end(kNullable),
                     [&](std::string_view pattern) { return matches(pattern, pointer); });
}

}  // namespace minirun::test
