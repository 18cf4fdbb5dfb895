// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/sysctl.h"

#include <gtest/gtest.h>
#include <linux/sched.h>

namespace minirun {

TEST(SysctlPath, TakesBothSeparatorsAndTheFirstOneDecides) {
  EXPECT_EQ(sysctl_path("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
  EXPECT_EQ(sysctl_path("net/ipv4/ip_forward"), "net/ipv4/ip_forward");
  EXPECT_EQ(sysctl_path("net/ipv4/conf/eth0.1/forwarding"), "net/ipv4/conf/eth0.1/forwarding");
  EXPECT_EQ(sysctl_path("net.ipv4.conf.eth0/1.forwarding"), "net/ipv4/conf/eth0.1/forwarding");
}

TEST(SysctlPath, RefusesWhatCouldLeaveProcSys) {
  for (const char* key : {"", "net", "net..x", ".net.x", "net.x.", "/net/x", "net/x/", "net//x", "net/../kernel/core",
                          "net/./x", "net.//.kernel", "net.ipv4 x", "net.a\nb", "net.\x80"})
    EXPECT_EQ(sysctl_path(key), std::nullopt) << key;
}

TEST(SysctlPath, RefusesANameThatNoFileCanHave) {
  std::string most(255, 'x');
  EXPECT_EQ(sysctl_path("net." + most), "net/" + most);
  EXPECT_EQ(sysctl_path("net.x" + most), std::nullopt);
  EXPECT_EQ(sysctl_path("net.x" + most + ".y"), std::nullopt);
}

TEST(SysctlNamespace, KnowsWhatBelongsToANamespace) {
  EXPECT_EQ(sysctl_namespace("net/core/somaxconn"), static_cast<uint32_t>(CLONE_NEWNET));
  EXPECT_EQ(sysctl_namespace("fs/mqueue/msg_max"), static_cast<uint32_t>(CLONE_NEWIPC));
  EXPECT_EQ(sysctl_namespace("kernel/sem"), static_cast<uint32_t>(CLONE_NEWIPC));
  EXPECT_EQ(sysctl_namespace("kernel/shm_rmid_forced"), static_cast<uint32_t>(CLONE_NEWIPC));
  EXPECT_EQ(sysctl_namespace("kernel/domainname"), static_cast<uint32_t>(CLONE_NEWUTS));
  EXPECT_EQ(sysctl_namespace("user/max_user_namespaces"), static_cast<uint32_t>(CLONE_NEWUSER));
  for (const char* host :
       {"kernel/core_pattern", "kernel/semx", "kernel/sem/x", "vm/swappiness", "fs/mqueue", "netx/y"})
    EXPECT_EQ(sysctl_namespace(host), 0u) << host;
}

}  // namespace minirun
