// SPDX-License-Identifier: Apache-2.0
#include "namespaces/join.h"

#include <linux/sched.h>

namespace minirun {
namespace {

constexpr uint64_t kOrder[] = {CLONE_NEWNET,  CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP,
                               CLONE_NEWTIME, CLONE_NEWPID, CLONE_NEWNS};

enum class User { same, fresh, joined };

bool joins_before(const NamespaceWish& wish, User user) {
  if (user == User::fresh) return true;
  return user == User::joined ? wish.outside : wish.type == CLONE_NEWPID;
}

// The maker of an ipc namespace owns its mount of message queues. Beside a user namespace the owner must be that
// namespace's root, which the child becomes only after clone.
void make(const NamespaceWish& wish, User user, NamespaceOrder* order) {
  bool by_child = wish.type == CLONE_NEWCGROUP || (wish.type == CLONE_NEWIPC && user != User::same);
  if (wish.type == CLONE_NEWTIME)
    order->new_time = true;
  else if (by_child)
    order->unshared |= wish.type;
  else
    order->clone_flags |= wish.type;
}

}  // namespace

NamespaceOrder order_namespaces(const std::vector<NamespaceWish>& wishes) {
  NamespaceOrder order;
  User user = User::same;
  size_t user_index = 0;
  for (size_t i = 0; i < wishes.size(); i++) {
    if (wishes[i].type != CLONE_NEWUSER) continue;
    user = wishes[i].joined ? User::joined : User::fresh;
    user_index = i;
  }
  if (user == User::fresh) order.clone_flags |= CLONE_NEWUSER;
  std::vector<size_t> inside;  // the pid namespace of a joined user namespace
  for (uint64_t type : kOrder) {
    for (size_t i = 0; i < wishes.size(); i++) {
      const NamespaceWish& wish = wishes[i];
      if (wish.type != type) continue;
      if (!wish.joined)
        make(wish, user, &order);
      else if (joins_before(wish, user))
        order.before.push_back(i);
      else if (type == CLONE_NEWPID)
        inside.push_back(i);
      else
        order.after.push_back(i);
    }
  }
  if (user == User::joined) order.before.push_back(user_index);
  order.before.insert(order.before.end(), inside.begin(), inside.end());
  return order;
}

}  // namespace minirun
