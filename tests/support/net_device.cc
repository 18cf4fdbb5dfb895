// SPDX-License-Identifier: Apache-2.0
#include "tests/support/net_device.h"

#include <net/if.h>

#include <cerrno>

#include "sys/netlink.h"
#include "tests/support/command.h"
#include "tests/support/veth.h"

namespace minirun::testing {
static Result<void> make_pair() {
  Netlink host = TRY(Netlink::open());
  return host.call(veth_pair(kDevice, kOtherEnd), "make a veth device");
}

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
