// SPDX-License-Identifier: Apache-2.0
// linux.memoryPolicy (runtime-spec 1.3 config-linux.md, "Memory policy"), checked and converted for set_mempolicy(2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun {

// The most nodes that a kernel can be built for (CONFIG_NODES_SHIFT).
constexpr unsigned kMostMemoryNodes = 1024;

// "0-3,7" as a bit mask in words of 64 bits; "" gives no words. Nothing if the text is no such list, or names a node
// that no kernel can have.
std::optional<std::vector<uint64_t>> memory_nodes(std::string_view list);

// What set_mempolicy(2) refuses on any machine: where in the object, and why.
struct MemoryPolicyProblem {
  std::string member;  // "nodes", "flags"
  std::string message;
};
std::optional<MemoryPolicyProblem> check_memory_policy(const oci::MemoryPolicy& policy);

// "MPOL_BIND on nodes 0-3 (MPOL_F_STATIC_NODES)"
std::string memory_policy_text(const oci::MemoryPolicy& policy);

}  // namespace minirun
