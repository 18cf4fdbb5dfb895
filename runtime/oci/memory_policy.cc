// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/memory_policy.h"

#include <fmt/format.h>
#include <linux/mempolicy.h>

#include <charconv>

#include "runtime/oci/parse.h"
#include "runtime/text/json.h"

namespace minirun {
namespace {

constexpr uint32_t kEitherMeaning = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;

// A number, or two with a hyphen between them, taken from the front.
bool take_range(std::string_view* list, unsigned* first, unsigned* last) {
  auto take = [&](unsigned* number) {
    auto taken = std::from_chars(list->data(), list->data() + list->size(), *number);
    list->remove_prefix(static_cast<size_t>(taken.ptr - list->data()));
    return taken.ec == std::errc() && *number < kMostMemoryNodes;
  };
  if (!take(first)) return false;
  *last = *first;
  if (!list->starts_with('-')) return true;
  list->remove_prefix(1);
  return take(last) && *first <= *last;
}

}  // namespace

std::optional<std::vector<uint64_t>> memory_nodes(std::string_view list) {
  std::vector<uint64_t> mask;
  while (!list.empty()) {
    unsigned first = 0, last = 0;
    if (!take_range(&list, &first, &last)) return std::nullopt;
    if (mask.size() <= last / 64) mask.resize(last / 64 + 1);
    for (unsigned node = first; node <= last; node++) mask[node / 64] |= uint64_t{1} << node % 64;
    if (list.empty()) break;
    if (list[0] != ',' || list.size() == 1) return std::nullopt;
    list.remove_prefix(1);
  }
  return mask;
}

// mpol_new() and sanitize_mpol_flags() in mm/mempolicy.c.
std::optional<MemoryPolicyProblem> check_memory_policy(const oci::MemoryPolicy& policy) {
  auto nodes = memory_nodes(policy.nodes);
  if (!nodes)
    return MemoryPolicyProblem{"nodes",
                               fmt::format("must be a list of memory nodes such as 0-3,7, none above {}: found {}",
                                           kMostMemoryNodes - 1, quoted(policy.nodes))};
  std::string mode(oci::memory_mode_name(policy.mode));
  bool takes_none = policy.mode == MPOL_DEFAULT || policy.mode == MPOL_LOCAL;
  if (takes_none && !nodes->empty())
    return MemoryPolicyProblem{"nodes", fmt::format("must be empty with {}: found {}", mode, quoted(policy.nodes))};
  if (!takes_none && policy.mode != MPOL_PREFERRED && nodes->empty())
    return MemoryPolicyProblem{"nodes", fmt::format("must name a memory node with {}: missing or empty", mode)};
  if ((policy.flags & kEitherMeaning) == kEitherMeaning)
    return MemoryPolicyProblem{"flags", "must not have both MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES"};
  bool balanced = policy.mode == MPOL_BIND || policy.mode == MPOL_PREFERRED_MANY;
  if ((policy.flags & MPOL_F_NUMA_BALANCING) != 0 && !balanced)
    return MemoryPolicyProblem{
        "flags", fmt::format("MPOL_F_NUMA_BALANCING is for MPOL_BIND and MPOL_PREFERRED_MANY: found with {}", mode)};
  if ((policy.flags & kEitherMeaning) != 0 && nodes->empty() && policy.mode != MPOL_DEFAULT)
    return MemoryPolicyProblem{"flags", "say how nodes are counted, but nodes is empty"};
  return std::nullopt;
}

std::string memory_policy_text(const oci::MemoryPolicy& policy) {
  std::string text(oci::memory_mode_name(policy.mode));
  if (!policy.nodes.empty()) text += " on nodes " + policy.nodes;
  constexpr std::pair<uint32_t, const char*> kFlags[] = {{MPOL_F_NUMA_BALANCING, "MPOL_F_NUMA_BALANCING"},
                                                         {MPOL_F_RELATIVE_NODES, "MPOL_F_RELATIVE_NODES"},
                                                         {MPOL_F_STATIC_NODES, "MPOL_F_STATIC_NODES"}};
  std::string flags;
  for (const auto& [flag, name] : kFlags)
    if ((policy.flags & flag) != 0) flags += (flags.empty() ? "" : ",") + std::string(name);
  return flags.empty() ? text : text + " (" + flags + ")";
}

}  // namespace minirun
