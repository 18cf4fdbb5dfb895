// SPDX-License-Identifier: Apache-2.0
#include "namespaces/join.h"

#include <gtest/gtest.h>
#include <linux/sched.h>

#include <string>

namespace minirun {
namespace {

// One case of the table: what is wanted, and the order as text: "before | clone | after".
struct Case {
  const char* name;
  std::vector<NamespaceWish> wishes;
  std::vector<size_t> before;
  uint64_t clone_flags;
  std::vector<size_t> after;
  uint64_t unshared = 0;
  bool new_time = false;
};

constexpr uint64_t kUser = CLONE_NEWUSER, kNet = CLONE_NEWNET, kPid = CLONE_NEWPID, kMount = CLONE_NEWNS,
                   kCgroup = CLONE_NEWCGROUP, kTime = CLONE_NEWTIME, kIpc = CLONE_NEWIPC;

const Case kCases[] = {
    {"a new ipc namespace alone", {{kIpc}}, {}, kIpc, {}},
    {"nothing at all", {}, {}, 0, {}},
    {"all new", {{kMount}, {kPid}, {kNet}}, {}, kMount | kPid | kNet, {}},
    {"a new cgroup namespace is the child's to make", {{kCgroup}, {kMount}}, {}, kMount, {}, kCgroup},
    {"a new time namespace is made before clone", {{kTime}}, {}, 0, {}, 0, true},
    {"what is joined is joined by the child, the mount namespace last",
     {{kMount, true}, {kNet, true}, {kTime, true}},
     {},
     0,
     {1, 2, 0}},
    {"a pid namespace is for children: joined before clone", {{kMount}, {kPid, true}}, {1}, kMount, {}},
    {"beside a new user namespace the outer ones are joined first",
     {{kUser}, {kNet, true}, {kMount}, {kPid, true}},
     {1, 3},
     kUser | kMount,
     {}},
    {"new ones beside a new user namespace are its own", {{kNet}, {kUser}}, {}, kNet | kUser, {}},
    {"a joined user namespace comes before what it owns",
     {{kNet, true}, {kUser, true}, {kPid, true}, {kMount}},
     {1, 2},
     kMount,
     {0}},
    {"and after what others own",
     {{kUser, true}, {kNet, true, true}, {kIpc, true}, {kPid, true, true}, {kMount}},
     {1, 3, 0},
     kMount,
     {2}},
    {"a new ipc namespace beside a user namespace is made by its root",
     {{kUser}, {kIpc}, {kCgroup}},
     {},
     kUser,
     {},
     kIpc | kCgroup},
    {"and so in a joined one", {{kIpc}, {kUser, true}, {kMount}}, {1}, kMount, {}, kIpc},
    {"a new time namespace in a joined user namespace", {{kUser, true}, {kTime}}, {0}, 0, {}, 0, true},
};

TEST(OrderNamespaces, Table) {
  for (const Case& test : kCases) {
    NamespaceOrder order = order_namespaces(test.wishes);
    EXPECT_EQ(order.before, test.before) << test.name;
    EXPECT_EQ(order.clone_flags, test.clone_flags) << test.name;
    EXPECT_EQ(order.after, test.after) << test.name;
    EXPECT_EQ(order.unshared, test.unshared) << test.name;
    EXPECT_EQ(order.new_time, test.new_time) << test.name;
  }
}

}  // namespace
}  // namespace minirun
