// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/net_devices.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>

#include "runtime/text/json.h"
#include "sys/file.h"
#include "sys/netlink.h"

namespace minirun {
namespace {

// An address to set again in the other namespace.
struct Address {
  ifaddrmsg fixed{};
  uint32_t flags = 0;
  std::vector<std::pair<uint16_t, std::string>> attributes;
  std::string text;  // for messages: "10.0.0.1/24"
};

struct Link {
  int index = 0;
  bool up = false;
};

struct Move {
  std::string name;      // on the host
  std::string new_name;  // in the container; may be a template
  std::string pointer;
  Link link;
};

Result<Link> find_link(Netlink& netlink, const std::string& name) {
  NetlinkRequest request(RTM_GETLINK, 0);
  request.body(ifinfomsg{}).text(IFLA_IFNAME, name);
  auto answer = netlink.get(request, "look for " + name);
  if (!answer.ok()) return answer.error();
  auto fixed = answer->body<ifinfomsg>();
  if (!fixed) return fail(EPROTO, "look for {}: the answer is too short", name);
  return Link{fixed->ifi_index, (fixed->ifi_flags & IFF_UP) != 0};
}

Result<void> set_up(Netlink& netlink, int index, bool up, const std::string& what) {
  ifinfomsg fixed{};
  fixed.ifi_index = index;
  fixed.ifi_change = IFF_UP;
  fixed.ifi_flags = up ? IFF_UP : 0;
  return netlink.call(NetlinkRequest(RTM_NEWLINK, 0).body(fixed), what);
}

std::string address_text(const NetlinkMessage& message, const ifaddrmsg& fixed) {
  auto local = message.attribute(IFA_LOCAL, sizeof fixed);
  auto data = local ? local : message.attribute(IFA_ADDRESS, sizeof fixed);
  char text[INET6_ADDRSTRLEN] = "?";
  size_t size = fixed.ifa_family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  if (data && data->size() == size) inet_ntop(fixed.ifa_family, data->data(), text, sizeof text);
  return fmt::format("{}/{}", text, fixed.ifa_prefixlen);
}

// Keeps configured addresses that are valid elsewhere: permanent ones of global scope. Others (a lease, a link-local
// address) belong to their old place. Drops the label, which contains the old name.
std::optional<Address> address_to_keep(const NetlinkMessage& message, int index) {
  auto fixed = message.body<ifaddrmsg>();
  if (message.type != RTM_NEWADDR || !fixed || static_cast<int>(fixed->ifa_index) != index) return std::nullopt;
  Address address;
  address.flags = fixed->ifa_flags;
  auto flags = message.attribute(IFA_FLAGS, sizeof *fixed);
  if (flags && flags->size() == sizeof address.flags) std::memcpy(&address.flags, flags->data(), flags->size());
  if ((address.flags & IFA_F_PERMANENT) == 0 || fixed->ifa_scope != RT_SCOPE_UNIVERSE) return std::nullopt;
  constexpr uint32_t kChosen =
      IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN;
  address.flags &= kChosen;  // the other flags describe the address's state
  address.fixed = *fixed;
  address.fixed.ifa_flags = 0;
  for (uint16_t type : {IFA_LOCAL, IFA_ADDRESS, IFA_BROADCAST, IFA_RT_PRIORITY})
    if (auto data = message.attribute(type, sizeof *fixed)) address.attributes.emplace_back(type, *data);
  address.text = address_text(message, *fixed);
  return address;
}

Result<std::vector<Address>> addresses_of(Netlink& netlink, const Move& move) {
  ifaddrmsg of_device{};
  of_device.ifa_index = static_cast<uint32_t>(move.link.index);
  auto listed = TRY(netlink.dump(NetlinkRequest(RTM_GETADDR, 0).body(of_device), "list the addresses of " + move.name));
  std::vector<Address> addresses;
  for (const NetlinkMessage& message : listed)
    if (auto address = address_to_keep(message, move.link.index)) addresses.push_back(std::move(*address));
  return addresses;
}

Result<void> add_address(Netlink& netlink, Address address, int index, const std::string& device) {
  address.fixed.ifa_index = static_cast<uint32_t>(index);
  NetlinkRequest request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  request.body(address.fixed);
  for (const auto& [type, data] : address.attributes) request.bytes(type, data);
  request.number(IFA_FLAGS, address.flags);
  return netlink.call(request, "give " + device + " the address " + address.text);
}

// The final name: for a template with the first free number, as the kernel numbers devices.
Result<std::string> free_name(Netlink& inside, const std::string& wanted) {
  size_t place = wanted.find("%d");
  constexpr int kMost = 32768;  // 8 * PAGE_SIZE, as in the kernel's __dev_alloc_name()
  for (int i = 0; i < (place == std::string::npos ? 1 : kMost); i++) {
    std::string name = wanted;
    if (place != std::string::npos) name.replace(place, 2, std::to_string(i));
    if (name.size() >= IFNAMSIZ) break;
    auto there = find_link(inside, name);
    if (!there.ok() && there.error().code == ENODEV) return name;
    if (!there.ok()) return there.error();
  }
  return fail(EEXIST, "name it {}: a device of the container's network namespace has that name", wanted);
}

Result<void> change_namespace(Netlink& host, const Move& move, const std::string& name, int namespace_fd) {
  ifinfomsg fixed{};
  fixed.ifi_index = move.link.index;
  NetlinkRequest request(RTM_NEWLINK, 0);
  request.body(fixed).number(IFLA_NET_NS_FD, static_cast<uint32_t>(namespace_fd)).text(IFLA_IFNAME, name);
  auto moved = host.call(request, "move " + move.name + " into the container's network namespace as " + name);
  if (moved.ok() || moved.error().code != EINVAL) return moved;
  return fail(ErrorKind::host, "{}: {} belongs to its network namespace and cannot leave it: {}", moved.error().message,
              move.name, errno_text(EINVAL));
}

Result<void> move_device(Netlink& host, Netlink& inside, const Move& move, int namespace_fd) {
  std::string name = TRY(free_name(inside, move.new_name));
  std::vector<Address> addresses = TRY(addresses_of(host, move));
  // Before Linux 6.2 a device's name can be changed only while it is down; and it must send nothing on the way.
  TRY(set_up(host, move.link.index, false, "set " + move.name + " down"));
  auto moved = change_namespace(host, move, name, namespace_fd);
  if (!moved.ok()) {
    // Restores it as far as possible; the first error is reported. IPv6 addresses were lost with "down".
    if (move.link.up) (void)set_up(host, move.link.index, true, "");
    for (const Address& address : addresses) (void)add_address(host, address, move.link.index, move.name);
    return moved;
  }
  int index = TRY(find_link(inside, name)).index;  // the number may differ there
  for (const Address& address : addresses) TRY(add_address(inside, address, index, name));
  return set_up(inside, index, true, "set " + name + " up");
}

// A namespace joined by path may be the one that the devices are in.
Result<void> check_other_namespace(int namespace_fd) {
  UniqueFd own = TRY(open_at(AT_FDCWD, "/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (TRY(is_same_file(own.get(), namespace_fd)))
    return fail(ErrorKind::host,
                "/linux/netDevices: the container's network namespace is the host's own: the device has nowhere to go");
  return {};
}

Error at_device(Error error, const std::string& pointer) {
  bool denied = error.code == EPERM;
  error = wrap(std::move(error), pointer);
  return with_hint(std::move(error), denied ? "it takes CAP_NET_ADMIN on the host and in the container" : "");
}

}  // namespace

Result<void> move_net_devices(const NetDevices& devices, int namespace_fd) {
  if (devices.empty()) return {};
  TRY(check_other_namespace(namespace_fd));
  auto host = Netlink::open();
  if (!host.ok()) return at_device(host.error(), "/linux/netDevices");
  auto inside = Netlink::open_in(namespace_fd);
  if (!inside.ok()) return at_device(inside.error(), "/linux/netDevices");
  std::vector<Move> moves;
  for (const auto& [name, device] : devices) {
    Move move{name, device.name.empty() ? name : device.name, "/linux/netDevices/" + pointer_token(name), {}};
    auto link = find_link(*host, name);
    if (!link.ok() && link.error().code == ENODEV)
      return fail(ErrorKind::host, "{}: the host has no network device {}: {}", move.pointer, name, errno_text(ENODEV));
    if (!link.ok()) return at_device(link.error(), move.pointer);
    move.link = *link;
    auto free = free_name(*inside, move.new_name);
    if (!free.ok()) return at_device(free.error(), move.pointer);
    moves.push_back(std::move(move));
  }
  for (const Move& move : moves) {
    auto moved = move_device(*host, *inside, move, namespace_fd);
    if (!moved.ok()) return at_device(moved.error(), move.pointer);
  }
  return {};
}

}  // namespace minirun
