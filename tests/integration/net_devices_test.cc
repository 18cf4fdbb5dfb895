// SPDX-License-Identifier: Apache-2.0
// linux.netDevices: devices of the host that go into the container. runtime-spec config-linux.md, "Network Devices".
// The host of these tests is a network namespace of their own.
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <sys/socket.h>

#include <optional>

#include "sys/file.h"
#include "sys/netlink.h"
#include "tests/support/fixture.h"
#include "tests/support/veth.h"

namespace minirun::testing {
namespace {

UniqueFd own_network() {
  return open_at(AT_FDCWD, "/proc/self/ns/net", O_RDONLY).value();
}

class NetDevices : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    UniqueFd home = own_network();
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    network_ = own_network();
    ASSERT_EQ(setns(home.get(), CLONE_NEWNET), 0);
    host_.emplace(std::move(Netlink::open_in(network_.get())).value());
    auto made = make_pair("ve0", "ve1");
    if (!made.ok()) GTEST_SKIP() << made.error().text();
    options_.in_child = [this] {
      if (setns(network_.get(), CLONE_NEWNET) != 0) _exit(99);
    };
  }

  Result<void> make_pair(const std::string& name, const std::string& peer) {
    return host_->call(veth_pair(name, peer), "make a veth device");
  }

  // 0: the tests' host has none of that name.
  int index_of(const std::string& name) {
    NetlinkRequest request(RTM_GETLINK, 0);
    auto answer = host_->get(request.body(ifinfomsg{}).text(IFLA_IFNAME, name), "find");
    return answer.ok() ? answer->body<ifinfomsg>().value().ifi_index : 0;
  }

  void add_address(const std::string& device, uint8_t family, const std::string& bytes, uint8_t prefix) {
    ifaddrmsg fixed{};
    fixed.ifa_family = family;
    fixed.ifa_prefixlen = prefix;
    fixed.ifa_index = static_cast<uint32_t>(index_of(device));
    NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE);
    auto added = host_->call(request.body(fixed).bytes(IFA_LOCAL, bytes).bytes(IFA_ADDRESS, bytes), "add an address");
    ASSERT_TRUE(added.ok()) << added.error().text();
  }

  UniqueFd network_;
  std::optional<Netlink> host_;
  StartOptions options_;
};

TEST_F(NetDevices, AreInTheContainerUpAndWithTheirAddresses) {
  add_address("ve0", AF_INET, std::string("\x0a\x01\x02\x03", 4), 24);
  add_address("ve0", AF_INET6, std::string("\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07", 16), 64);
  for (bool init : {true, false}) {
    if (!init) {
      // The first container has taken the pair with it.
      ASSERT_TRUE(eventually([&] { return index_of("ve1") == 0; }));
      ASSERT_TRUE(make_pair("ve0", "ve1").ok());
      add_address("ve0", AF_INET, std::string("\x0a\x01\x02\x03", 4), 24);
    }
    Bundle bundle;
    bundle.config["linux"]["netDevices"] = {{"ve0", {{"name", "net%d"}}}};
    bundle.payload({"files", "/proc/net/dev", "/proc/net/if_inet6", "/proc/net/fib_trie"});
    Outcome outcome = run(bundle, init ? std::vector<std::string>{} : std::vector<std::string>{"--no-init"}, options_);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_NE(outcome.out.find("net0:"), std::string::npos) << describe(outcome);
    EXPECT_NE(outcome.out.find("10.1.2.3\n"), std::string::npos) << "an address counts when its device is up\n"
                                                                 << describe(outcome);
    if (!init) continue;
    EXPECT_NE(outcome.out.find("fd000000000000000000000000000007"), std::string::npos) << describe(outcome);
  }
}

TEST_F(NetDevices, GoIntoANamespaceByPath) {
  UniqueFd home = own_network();
  ASSERT_EQ(unshare(CLONE_NEWNET), 0);
  UniqueFd joined = own_network();
  ASSERT_EQ(setns(home.get(), CLONE_NEWNET), 0);
  Bundle bundle;
  bundle.join_namespace("network", "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(joined.get()));
  bundle.config["linux"]["netDevices"] = {{"ve0", nlohmann::json::object()}};
  bundle.payload({"files", "/proc/net/dev"});
  Outcome outcome = run(bundle, {}, options_);
  EXPECT_NE(outcome.out.find("ve0:"), std::string::npos) << describe(outcome);
  EXPECT_EQ(index_of("ve0"), 0) << "never moved back";
  EXPECT_NE(index_of("ve1"), 0);
}

TEST_F(NetDevices, WhatCannotBeIsToldAndNothingMoves) {
  Bundle bundle;
  bundle.config["linux"]["netDevices"] = {{"ve0", nlohmann::json::object()}, {"ve9", nlohmann::json::object()}};
  expect_refused(run(bundle, {}, options_), {"/linux/netDevices/ve9: the host has no network device ve9"});
  EXPECT_NE(index_of("ve0"), 0);
  bundle.config["linux"]["netDevices"] = {{"ve0", {{"name", "lo"}}}};
  expect_refused(run(bundle, {}, options_), {"/linux/netDevices/ve0: name it lo: a device of the container's network "
                                             "namespace has that name: file exists"});
  EXPECT_NE(index_of("ve0"), 0);
}

class IntelRdt : public MinirunTest {};

TEST_F(IntelRdt, AHostWithoutResctrlRefusesIt) {
  if (content("/sys/fs/resctrl/schemata") != "(none)") GTEST_SKIP() << "this host has resctrl";
  Bundle bundle;
  bundle.config["linux"]["intelRdt"] = {{"closID", "gold"}};
  expect_refused(run(bundle), {"/linux/intelRdt: no resctrl filesystem is mounted on this host"});
}

}  // namespace
}  // namespace minirun::testing
