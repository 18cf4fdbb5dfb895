// Any list of device rules: for every access the eBPF program decides as the rules read, and the kernel's verifier
// would take it.
#include "cgroups/device_filter.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/cgroups/device_machine.h"

namespace minirun {
namespace {

constexpr uint32_t kNumbers[] = {1, 5, 136, 0x80000000, 0xffffffff};

DeviceRule make_rule(fuzz::Input& input) {
  DeviceRule rule;
  rule.allow = input.coin();
  rule.type = static_cast<DeviceType>(input.below(3));
  if (input.coin()) rule.major = kNumbers[input.below(std::size(kNumbers))];
  if (input.coin()) rule.minor = kNumbers[input.below(std::size(kNumbers))];
  rule.access = static_cast<uint8_t>(input.below(8));
  return rule;
}

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
  std::vector<DeviceRule> rules;
  for (uint32_t i = 0, count = input.below(24); i < count; ++i) rules.push_back(make_rule(input));
  if (input.coin()) rules = with_default_devices(std::move(rules), input.coin());
  auto program = compile_device_filter(rules);
  HOLDS(program.ok(), program.error().text());
  for (DeviceType type : {DeviceType::block, DeviceType::character})
    for (uint32_t major : kNumbers)
      for (uint32_t minor : kNumbers)
        for (uint8_t bits = 1; bits <= kDeviceAll; ++bits) check(rules, *program, {type, major, minor, bits});
}
