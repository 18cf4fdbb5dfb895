// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/net_device_name.h"

#include <net/if.h>

namespace minirun {

bool is_net_device_name(const std::string& name, bool may_be_template) {
  size_t place = name.find('%');
  if (may_be_template && place != std::string::npos && name.substr(place, 2) == "%d") {
    std::string one = name;
    return is_net_device_name(one.replace(place, 2, "0"), false);
  }
  if (name.empty() || name.size() >= IFNAMSIZ || name == "." || name == "..") return false;
  for (char c : name)
    if (c == '/' || c == ':' || c == '%' || (c >= '\t' && c <= '\r') || c == ' ' || c == '\0') return false;
  return true;
}

}  // namespace minirun
