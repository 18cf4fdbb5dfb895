// SPDX-License-Identifier: Apache-2.0
// The status of a container: runtime-spec runtime.md, "State", and `paused`, as all runtimes have it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace minirun {

enum class ContainerStatus : uint8_t { unknown, creating, created, running, paused, stopped };

// The specification's spelling; "" for unknown.
constexpr std::string_view status_name(ContainerStatus status) {
  constexpr std::string_view kNames[] = {"", "creating", "created", "running", "paused", "stopped"};
  return kNames[static_cast<size_t>(status)];
}

}  // namespace minirun
