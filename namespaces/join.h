// SPDX-License-Identifier: Apache-2.0
// The order in which a process enters its namespaces, joined and new. Pure, so that a table of cases tests it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace minirun {

struct NamespaceWish {
  uint64_t type = 0;     // CLONE_NEW*
  bool joined = false;   // an existing one; otherwise a new one
  bool outside = false;  // joined, beside a joined user namespace: owned by another user namespace than that one
};

// All numbers are indices of the wishes.
struct NamespaceOrder {
  std::vector<size_t> before;  // joined on the way to clone, in this order
  uint64_t clone_flags = 0;    // made by clone3(2)
  bool new_time = false;       // made before clone, for the child alone (unshare(2), CLONE_NEWTIME)
  std::vector<size_t> after;   // joined by the child itself, in this order; the mount namespace last
  uint64_t unshared = 0;       // made by the child itself
};

// Joining needs CAP_SYS_ADMIN in the user namespace that owns the namespace (setns(2)), and so:
// - beside a new user namespace, what is joined is joined before it is made;
// - beside a joined one, what others own is joined before it, what it owns after it; new ones are made in it;
// - beside a user namespace of either kind a new ipc namespace is made by the child, when it is root there;
// - a pid namespace is for children only, so it comes before clone; a cgroup namespace is made by the child, since
//   clone3(2) would root it at the parent's cgroup; a mount namespace comes last, as it changes what a path means.
NamespaceOrder order_namespaces(const std::vector<NamespaceWish>& wishes);

}  // namespace minirun
