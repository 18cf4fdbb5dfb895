// SPDX-License-Identifier: Apache-2.0
// A pair of network devices for tests.
#pragma once

#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>

#include <string>

#include "sys/netlink.h"

namespace minirun {

// The request that makes them.
inline NetlinkRequest veth_pair(const std::string& name, const std::string& peer) {
  NetlinkRequest request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.body(ifinfomsg{}).text(IFLA_IFNAME, name);
  size_t info = request.begin(IFLA_LINKINFO);
  request.text(IFLA_INFO_KIND, "veth");
  size_t data = request.begin(IFLA_INFO_DATA);
  size_t other = request.begin(VETH_INFO_PEER);
  request.body(ifinfomsg{}).text(IFLA_IFNAME, peer).end(other).end(data).end(info);
  return request;
}

}  // namespace minirun
