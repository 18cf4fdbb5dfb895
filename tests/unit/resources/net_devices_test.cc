// SPDX-License-Identifier: Apache-2.0
// In network namespaces of the test's own, with real devices where the kernel can make them.
#include "runtime/resources/net_devices.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <cstring>

#include "runtime/oci/net_device_name.h"
#include "sys/file.h"
#include "sys/netlink.h"
#include "tests/support/config_edit.h"
#include "tests/support/veth.h"

namespace minirun {
namespace {

UniqueFd own_network() {
  return open_at(AT_FDCWD, "/proc/self/ns/net", O_RDONLY).value();
}

struct LinkFacts {
  int index = 0;
  bool up = false;
  uint32_t mtu = 0;
};

// The host of a test and its container: two new network namespaces. This thread is in the first.
class NetDevicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    home_ = own_network();
    if (unshare(CLONE_NEWNET) != 0) GTEST_SKIP() << "no CAP_SYS_ADMIN";
    container_ = own_network();
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    host_.emplace(std::move(Netlink::open()).value());
    inside_.emplace(std::move(Netlink::open_in(container_.get())).value());
  }
  void TearDown() override { ASSERT_EQ(setns(home_.get(), CLONE_NEWNET), 0); }

  // "" or what is missing.
  std::string make_devices(const std::string& name, const std::string& peer) {
    auto made = host_->call(veth_pair(name, peer), "make a veth device");
    return made.ok() ? "" : made.error().text();
  }

  static std::optional<LinkFacts> find(Netlink& netlink, const std::string& name) {
    NetlinkRequest request(RTM_GETLINK, 0);
    auto answer = netlink.get(request.body(ifinfomsg{}).text(IFLA_IFNAME, name), "find " + name);
    if (!answer.ok()) return std::nullopt;
    auto fixed = answer->body<ifinfomsg>().value();
    LinkFacts facts{fixed.ifi_index, (fixed.ifi_flags & IFF_UP) != 0, 0};
    std::memcpy(&facts.mtu, answer->attribute(IFLA_MTU, sizeof fixed).value().data(), sizeof facts.mtu);
    return facts;
  }

  // Addresses as bytes: no text is needed to compare them. Their length distinguishes v4 and v6.
  static std::vector<std::string> addresses(Netlink& netlink, int index) {
    ifaddrmsg of_device{};
    of_device.ifa_index = static_cast<uint32_t>(index);
    std::vector<std::string> found;
    auto listed = netlink.dump(NetlinkRequest(RTM_GETADDR, 0).body(of_device), "addresses");
    EXPECT_TRUE(listed.ok());
    for (const auto& message : *listed) {
      auto fixed = message.body<ifaddrmsg>().value();
      if (static_cast<int>(fixed.ifa_index) == index && fixed.ifa_scope == RT_SCOPE_UNIVERSE)
        found.emplace_back(message.attribute(IFA_ADDRESS, sizeof fixed).value());
    }
    return found;
  }

  void add_address(int index, uint8_t family, const std::string& bytes, uint8_t scope, uint32_t valid_seconds) {
    ifaddrmsg fixed{};
    fixed.ifa_family = family;
    fixed.ifa_prefixlen = 24;
    fixed.ifa_scope = scope;
    fixed.ifa_index = static_cast<uint32_t>(index);
    NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE);
    request.body(fixed).bytes(IFA_LOCAL, bytes).bytes(IFA_ADDRESS, bytes);
    if (valid_seconds != 0) {
      ifa_cacheinfo life{valid_seconds, valid_seconds, 0, 0};
      request.bytes(IFA_CACHEINFO, std::string_view(reinterpret_cast<const char*>(&life), sizeof life));
    }
    auto added = host_->call(request, "add an address");
    ASSERT_TRUE(added.ok()) << added.error().text() << " of " << bytes.size() << " bytes, scope " << unsigned{scope};
  }

  std::string refusal(const NetDevices& devices) {
    auto moved = move_net_devices(devices, container_.get());
    return moved.ok() ? "no error" : moved.error().text();
  }

  UniqueFd home_, container_;
  std::optional<Netlink> host_, inside_;
};

const std::string kPermanent("\x0a\x01\x02\x03", 4);
const std::string kSecond("\x0a\x01\x02\x04", 4);
const std::string kLeased("\x0a\x01\x02\x05", 4);
const std::string kOfTheLink("\x0a\x09\x02\x06", 4);
const std::string kVersion6("\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07", 16);

#define REQUIRE_VETH(name, peer) \
  if (std::string missing_ = make_devices(name, peer); !missing_.empty()) GTEST_SKIP() << missing_

TEST_F(NetDevicesTest, TakesPermanentGlobalAddressesAlongAndIsUp) {
  REQUIRE_VETH("ve0", "ve1");
  LinkFacts before = find(*host_, "ve0").value();
  add_address(before.index, AF_INET, kPermanent, RT_SCOPE_UNIVERSE, 0);
  add_address(before.index, AF_INET, kSecond, RT_SCOPE_UNIVERSE, 0);
  add_address(before.index, AF_INET, kLeased, RT_SCOPE_UNIVERSE, 600);
  add_address(before.index, AF_INET, kOfTheLink, RT_SCOPE_LINK, 0);
  add_address(before.index, AF_INET6, kVersion6, RT_SCOPE_UNIVERSE, 0);
  EXPECT_EQ(refusal({{"ve0", {"net1"}}}), "no error");
  EXPECT_FALSE(find(*host_, "ve0"));
  auto after = find(*inside_, "net1");
  ASSERT_TRUE(after);
  EXPECT_TRUE(after->up);
  EXPECT_EQ(after->mtu, before.mtu);
  EXPECT_EQ(addresses(*inside_, after->index), (std::vector<std::string>{kPermanent, kSecond, kVersion6}));
}

TEST_F(NetDevicesTest, KeepsItsNameWhenNoneIsGiven) {
  REQUIRE_VETH("ve0", "ve1");
  EXPECT_EQ(refusal({{"ve0", {}}, {"ve1", {}}}), "no error");
  EXPECT_TRUE(find(*inside_, "ve0")->up);
  EXPECT_TRUE(find(*inside_, "ve1")->up);
}

TEST_F(NetDevicesTest, ATemplateTakesTheFirstFreeNumber) {
  REQUIRE_VETH("ve0", "ve1");
  ASSERT_TRUE(inside_->call(veth_pair("net0", "net2"), "make").ok());
  EXPECT_EQ(refusal({{"ve0", {"net%d"}}, {"ve1", {"net%d"}}}), "no error");
  EXPECT_TRUE(find(*inside_, "net1"));
  EXPECT_TRUE(find(*inside_, "net3"));
}

TEST_F(NetDevicesTest, ANameThatIsTakenIsNamedAndNothingMoves) {
  REQUIRE_VETH("ve0", "ve1");
  ASSERT_TRUE(inside_->call(veth_pair("net0", "net1"), "make").ok());
  EXPECT_EQ(
      refusal({{"ve0", {"free"}}, {"ve1", {"net1"}}}),
      "/linux/netDevices/ve1: name it net1: a device of the container's network namespace has that name: file exists");
  EXPECT_TRUE(find(*host_, "ve0")) << "the first one would have been possible";
  EXPECT_TRUE(find(*host_, "ve1"));
}

TEST_F(NetDevicesTest, ADeviceThatIsNotThereIsNamed) {
  EXPECT_EQ(refusal({{"eth/9", {"a"}}}),
            "/linux/netDevices/eth~19: the host has no network device eth/9: no such device");
}

TEST_F(NetDevicesTest, ADeviceThatCannotLeaveStaysAsItWas) {
  LinkFacts loopback = find(*host_, "lo").value();
  ifinfomsg up{};
  up.ifi_index = loopback.index;
  up.ifi_change = up.ifi_flags = IFF_UP;
  ASSERT_TRUE(host_->call(NetlinkRequest(RTM_NEWLINK, 0).body(up), "up").ok());
  add_address(loopback.index, AF_INET6, kVersion6, RT_SCOPE_UNIVERSE, 0);
  EXPECT_EQ(refusal({{"lo", {"lo9"}}}),
            "/linux/netDevices/lo: move lo into the container's network namespace as lo9: lo belongs to its network "
            "namespace and cannot leave it: invalid argument");
  EXPECT_TRUE(find(*host_, "lo")->up);
  auto kept = addresses(*host_, loopback.index);
  EXPECT_NE(std::find(kept.begin(), kept.end(), kVersion6), kept.end()) << "it is lost when the device goes down";
}

TEST_F(NetDevicesTest, TheHostsOwnNamespaceIsNoPlaceToMoveTo) {
  UniqueFd same = own_network();
  auto moved = move_net_devices({{"lo", {}}}, same.get());
  ASSERT_FALSE(moved.ok());
  EXPECT_EQ(moved.error().text(),
            "/linux/netDevices: the container's network namespace is the host's own: the device has nowhere to go");
}

TEST_F(NetDevicesTest, ThisThreadIsWhereItWas) {
  UniqueFd before = own_network();
  EXPECT_EQ(refusal({{"none", {}}}), "/linux/netDevices/none: the host has no network device none: no such device");
  struct stat one {
  }, other{};
  ASSERT_EQ(fstat(before.get(), &one), 0);
  ASSERT_EQ(fstat(own_network().get(), &other), 0);
  EXPECT_EQ(one.st_ino, other.st_ino);
}

TEST(NetDeviceName, IsWhatTheKernelTakes) {
  for (const char* good : {"eth0", "a", "fifteen-letters", "x.y", "..."})
    EXPECT_TRUE(is_net_device_name(good, false)) << good;
  for (const char* bad : {"", ".", "..", "sixteen-letters!", "a/b", "a b", "a\tb", "a:1", "a%d"})
    EXPECT_FALSE(is_net_device_name(bad, false)) << bad;
  for (const char* good : {"net%d", "%d", "a%db"}) EXPECT_TRUE(is_net_device_name(good, true)) << good;
  for (const char* bad : {"net%", "net%s", "%d%d", "net%%d", "fifteen-lette%d00"})
    EXPECT_FALSE(is_net_device_name(bad, true)) << bad;
}

TEST(ValidateNetDevices, NamesAndNamespace) {
  using test::Lines;
  using test::problems_with;
  const std::string pointer = "/linux/netDevices";
  EXPECT_EQ(problems_with(pointer, R"({"eth0": {}, "eth1": {"name": "net%d"}, "eth2": {"name": "net%d"}})"), Lines{});
  EXPECT_EQ(problems_with(pointer, R"({"eth0": {}, "eth1": {"name": "eth0"}})"),
            Lines{"/linux/netDevices/eth1/name: must be unique: another device is named \"eth0\" too"});
  EXPECT_EQ(
      problems_with(pointer, R"({"eth0": {"name": "a/b"}})"),
      Lines{"/linux/netDevices/eth0/name: must be the name of a network device, at most 15 bytes without space, / "
            "and :, and with %d at most once: found \"a/b\""});
  EXPECT_EQ(problems_with(pointer, R"({"a name": {}})"),
            Lines{"/linux/netDevices/a name: must be the name of a network device, at most 15 bytes without space, / : "
                  "and %"});
  EXPECT_EQ(test::problems_of(test::with(test::with(test::kSmallConfig, "/linux/namespaces", R"([{"type": "mount"}])"),
                                         pointer, R"({"eth0": {}})")),
            Lines{"/linux/netDevices: needs a network namespace in /linux/namespaces: the device has nowhere to go"});
}

}  // namespace
}  // namespace minirun
