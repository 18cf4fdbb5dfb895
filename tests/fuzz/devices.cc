// SPDX-License-Identifier: Apache-2.0
// Any list of device rules: for every access the eBPF program decides as the rules read, and the kernel's verifier
// would take it.
#include "cgroups/device_filter.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/device_rules.h"
#include "tests/unit/cgroups/device_machine.h"

namespace minirun {
namespace {

void check(const std::vector<DeviceRule>& rules, const std::vector<bpf_insn>& program, const Access& access) {
  bool verdict = program.empty() || DeviceMachine(program).run(access);
  HOLDS(verdict == expected(rules, access),
        fmt::format("{} rules, type {}, {}:{}, access {}: {}", rules.size(), static_cast<int>(access.type),
                    access.major, access.minor, access.bits, verdict));
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  const std::vector<DeviceRule> rules = make_device_rules(input);
  auto program = compile_device_filter(rules);
  HOLDS(program.ok(), program.error().text());
  for (DeviceType type : {DeviceType::block, DeviceType::character})
    for (uint32_t major : kDeviceNumbers)
      for (uint32_t minor : kDeviceNumbers)
        for (uint8_t bits = 1; bits <= kDeviceAll; ++bits) check(rules, *program, {type, major, minor, bits});
}
