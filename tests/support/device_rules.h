// SPDX-License-Identifier: Apache-2.0
// Lists of device rules that ask for much: for the fuzzer and for the attacks.
#pragma once

#include <cstdint>
#include <iterator>
#include <vector>

#include "cgroups/device_filter.h"

namespace minirun {

constexpr uint32_t kDeviceNumbers[] = {1, 5, 136, 0x80000000, 0xffffffff};

// Input: below(n) gives a number under n, coin() a bool.
template <class Input>
std::vector<DeviceRule> make_device_rules(Input& input) {
  std::vector<DeviceRule> rules;
  for (uint32_t left = input.below(24); left > 0; --left) {
    DeviceRule rule;
    rule.allow = input.coin();
    rule.type = static_cast<DeviceType>(input.below(3));
    if (input.coin()) rule.major = kDeviceNumbers[input.below(std::size(kDeviceNumbers))];
    if (input.coin()) rule.minor = kDeviceNumbers[input.below(std::size(kDeviceNumbers))];
    rule.access = static_cast<uint8_t>(input.below(8));
    rules.push_back(rule);
  }
  if (input.coin()) return with_default_devices(std::move(rules), input.coin());
  return rules;
}

}  // namespace minirun
