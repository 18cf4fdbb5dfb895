// SPDX-License-Identifier: Apache-2.0
// Valid settings that cgroup v2 cannot express. Rejected, never ignored.
#include <linux/sched.h>

#include "runtime/oci/checker.h"

namespace minirun {

using oci::Spec;

namespace {
struct Feature {
  const char* pointer;
  bool (*used)(const Spec&);
};
}  // namespace

template <class T>
static const T* resource(const Spec& s, std::optional<T> oci::Resources::*member) {
  if (!s.linux_.resources || !(*s.linux_.resources.*member)) return nullptr;
  return &*(*s.linux_.resources.*member);
}

static const oci::Memory* memory(const Spec& s) {
  return resource(s, &oci::Resources::memory);
}
static const oci::Cpu* cpu(const Spec& s) {
  return resource(s, &oci::Resources::cpu);
}
static const oci::BlockIo* block_io(const Spec& s) {
  return resource(s, &oci::Resources::block_io);
}
static const oci::Network* network(const Spec& s) {
  return resource(s, &oci::Resources::network);
}

template <class T>
static bool limits(const std::optional<T>& value) {
  return value && *value != T(0) && *value != T(-1);
}

// Values that ask for what cgroup v2 does anyway (no limit, false, 0) are fine: some engines send them always. cgroup
// v2 always acts like useHierarchy.
static constexpr Feature kOnlyCgroupV1[] = {
    {"/linux/resources/memory/kernel", [](const Spec& s) { return memory(s) && limits(memory(s)->kernel); }},
    {"/linux/resources/memory/kernelTCP", [](const Spec& s) { return memory(s) && limits(memory(s)->kernel_tcp); }},
    {"/linux/resources/memory/swappiness",
     [](const Spec& s) { return memory(s) && memory(s)->swappiness.value_or(0) != 0; }},
    {"/linux/resources/memory/disableOOMKiller",
     [](const Spec& s) { return memory(s) && memory(s)->disable_oom_killer.value_or(false); }},
    {"/linux/resources/cpu/realtimeRuntime", [](const Spec& s) { return cpu(s) && limits(cpu(s)->realtime_runtime); }},
    {"/linux/resources/cpu/realtimePeriod",
     [](const Spec& s) { return cpu(s) && cpu(s)->realtime_period.value_or(0) != 0; }},
    {"/linux/resources/blockIO/leafWeight",
     [](const Spec& s) { return block_io(s) && block_io(s)->leaf_weight.value_or(0) != 0; }},
    {"/linux/resources/network/classID",
     [](const Spec& s) { return network(s) && network(s)->class_id.value_or(0) != 0; }},
    {"/linux/resources/network/priorities",
     [](const Spec& s) { return network(s) && !network(s)->priorities.empty(); }},
};

void check_only_v1(Checker& checker) {
  for (const Feature& feature : kOnlyCgroupV1)
    if (feature.used(checker.spec))
      checker.problem(feature.pointer, "is for cgroup v1 only, and minirun works with cgroup v2");
  if (memory(checker.spec) && memory(checker.spec)->swappiness == 0u)
    checker.warning("/linux/resources/memory/swappiness", "is for cgroup v1 only: ignored");
  if (block_io(checker.spec)) {
    const auto& devices = block_io(checker.spec)->weight_device;
    for (size_t i = 0; i < devices.size(); ++i)
      if (devices[i].leaf_weight.value_or(0) != 0)
        checker.problem(at("/linux/resources/blockIO/weightDevice", i) + "/leafWeight",
                        "is for cgroup v1 only, and minirun works with cgroup v2");
  }
}

void check_unsupported(Checker& checker) {
  check_only_v1(checker);
}

}  // namespace minirun
