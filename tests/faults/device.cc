#include "tests/faults/device.h"

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>

#include <cerrno>

#include "sys/netlink.h"
#include "tests/integration/command.h"

namespace minirun::testing {
namespace {

Result<void> make_pair() {
  Netlink host = TRY(Netlink::open());
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.body(ifinfomsg{}).text(IFLA_IFNAME, kDevice);
  size_t info = request.begin(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "veth");
  size_t data = request.begin(IFLA_INFO_DATA);
  size_t other = request.begin(VETH_INFO_PEER);
  request.body(ifinfomsg{}).text(IFLA_IFNAME, kOtherEnd).end(other).end(data).end(info);
  return host.call(request, "make a veth device");
}

}  // namespace

Result<void> provide_device() {
  Result<void> made;
  (void)eventually([&] {
    if (if_nametoindex(kDevice) != 0) return true;
    made = make_pair();
    return made.ok() || made.error().code != EEXIST;  // the other end is still on its way out
  });
  return made;
}

}  // namespace minirun::testing
