// SPDX-License-Identifier: Apache-2.0
// config.json: /linux/resources.
#include "runtime/oci/parse_fields.h"

namespace minirun::oci {

static constexpr int64_t kUnlimited = -1;  // the least that limits may be

// -1 is how some engines write "all".
template <auto Member>
static void read_device_number(Reader& reader, JsonValue value, DeviceRule& rule) {
  auto number = read_signed(reader, value, -1, UINT32_MAX);
  if (number && *number >= 0) rule.*Member = *number;
}

static void read_rule_type(Reader& reader, JsonValue value, DeviceRule& rule) {
  std::string type;
  read_value(reader, value, type);
  if (type == "b" || type == "c")
    rule.type = type[0];
  else if (value.type() == JsonType::string && type != "a" && !type.empty())
    reader.must_be(value, "a (all), b (block) or c (character)");
}

static constexpr Field<DeviceRule> kDeviceRule[] = {
    {"allow", read<&DeviceRule::allow>, kRequired},
    {"type", read_rule_type},
    {"major", read_device_number<&DeviceRule::major>},
    {"minor", read_device_number<&DeviceRule::minor>},
    {"access", read<&DeviceRule::access>},
};
static std::span<const Field<DeviceRule>> fields_of(DeviceRule*) {
  return kDeviceRule;
}

static constexpr Field<Memory> kMemory[] = {
    {"limit", read_between<&Memory::limit, kUnlimited>, kNullableInUpdate},
    {"reservation", read_between<&Memory::reservation, kUnlimited>, kNullableInUpdate},
    {"swap", read_between<&Memory::swap, kUnlimited>, kNullableInUpdate},
    {"kernel", read_between<&Memory::kernel, kUnlimited>, kNullableInUpdate},
    {"kernelTCP", read_between<&Memory::kernel_tcp, kUnlimited>, kNullableInUpdate},
    {"swappiness", read_between<&Memory::swappiness, 0, 100>, kNullableInUpdate},
    {"disableOOMKiller", read<&Memory::disable_oom_killer>, kNullableInUpdate},
    {"useHierarchy", read<&Memory::use_hierarchy>, kNullableInUpdate},
    {"checkBeforeUpdate", read<&Memory::check_before_update>, kNullableInUpdate},
};
static std::span<const Field<Memory>> fields_of(Memory*) {
  return kMemory;
}

static constexpr Field<Cpu> kCpu[] = {
    {"shares", read<&Cpu::shares>, kNullableInUpdate},
    {"quota", read_between<&Cpu::quota, kUnlimited>, kNullableInUpdate},
    {"burst", read<&Cpu::burst>, kNullableInUpdate},
    {"period", read<&Cpu::period>, kNullableInUpdate},
    {"realtimeRuntime", read_between<&Cpu::realtime_runtime, kUnlimited>, kNullableInUpdate},
    {"realtimePeriod", read<&Cpu::realtime_period>, kNullableInUpdate},
    {"cpus", read<&Cpu::cpus>, kNullableInUpdate},
    {"mems", read<&Cpu::mems>, kNullableInUpdate},
    {"idle", read_between<&Cpu::idle, 0, 1>, kNullableInUpdate},
};
static std::span<const Field<Cpu>> fields_of(Cpu*) {
  return kCpu;
}

struct Pids {
  int64_t limit = 0;
};
static constexpr Field<Pids> kPids[] = {
    {"limit", read_between<&Pids::limit, kUnlimited>, kRequired},
};
static std::span<const Field<Pids>> fields_of(Pids*) {
  return kPids;
}
static void read_pids(Reader& reader, JsonValue value, Resources& resources) {
  Pids pids;
  read_value(reader, value, pids);
  resources.pids_limit = pids.limit;
}

static constexpr Field<WeightDevice> kWeightDevice[] = {
    {"major", read_between<&WeightDevice::major, 0, UINT32_MAX>, kRequired},
    {"minor", read_between<&WeightDevice::minor, 0, UINT32_MAX>, kRequired},
    {"weight", read<&WeightDevice::weight>},
    {"leafWeight", read<&WeightDevice::leaf_weight>},
};
static std::span<const Field<WeightDevice>> fields_of(WeightDevice*) {
  return kWeightDevice;
}

static constexpr Field<ThrottleDevice> kThrottleDevice[] = {
    {"major", read_between<&ThrottleDevice::major, 0, UINT32_MAX>, kRequired},
    {"minor", read_between<&ThrottleDevice::minor, 0, UINT32_MAX>, kRequired},
    {"rate", read<&ThrottleDevice::rate>, kRequired},
};
static std::span<const Field<ThrottleDevice>> fields_of(ThrottleDevice*) {
  return kThrottleDevice;
}

static constexpr Field<BlockIo> kBlockIo[] = {
    {"weight", read<&BlockIo::weight>, kNullableInUpdate},
    {"leafWeight", read<&BlockIo::leaf_weight>, kNullableInUpdate},
    {"weightDevice", read<&BlockIo::weight_device>, kNullableInUpdate},
    {"throttleReadBpsDevice", read<&BlockIo::throttle_read_bps_device>, kNullableInUpdate},
    {"throttleWriteBpsDevice", read<&BlockIo::throttle_write_bps_device>, kNullableInUpdate},
    {"throttleReadIOPSDevice", read<&BlockIo::throttle_read_iops_device>, kNullableInUpdate},
    {"throttleWriteIOPSDevice", read<&BlockIo::throttle_write_iops_device>, kNullableInUpdate},
};
static std::span<const Field<BlockIo>> fields_of(BlockIo*) {
  return kBlockIo;
}

static constexpr Field<HugepageLimit> kHugepageLimit[] = {
    {"pageSize", read<&HugepageLimit::page_size>, kRequired},
    {"limit", read<&HugepageLimit::limit>, kRequired},
};
static std::span<const Field<HugepageLimit>> fields_of(HugepageLimit*) {
  return kHugepageLimit;
}

static constexpr Field<InterfacePriority> kInterfacePriority[] = {
    {"name", read<&InterfacePriority::name>, kRequired},
    {"priority", read<&InterfacePriority::priority>, kRequired},
};
static std::span<const Field<InterfacePriority>> fields_of(InterfacePriority*) {
  return kInterfacePriority;
}

static constexpr Field<Network> kNetwork[] = {
    {"classID", read<&Network::class_id>, kNullableInUpdate},
    {"priorities", read<&Network::priorities>, kNullable},
};
static std::span<const Field<Network>> fields_of(Network*) {
  return kNetwork;
}

static constexpr Field<Rdma> kRdma[] = {
    {"hcaHandles", read<&Rdma::hca_handles>},
    {"hcaObjects", read<&Rdma::hca_objects>},
};
static std::span<const Field<Rdma>> fields_of(Rdma*) {
  return kRdma;
}

static constexpr Field<Resources> kResources[] = {
    {"devices", read<&Resources::devices>, kNullable},
    {"memory", read<&Resources::memory>, kNullableInUpdate},
    {"cpu", read<&Resources::cpu>, kNullableInUpdate},
    {"pids", read_pids, kNullableInUpdate},
    {"blockIO", read<&Resources::block_io>, kNullableInUpdate},
    {"hugepageLimits", read<&Resources::hugepage_limits>, kNullableInUpdate},
    {"network", read<&Resources::network>, kNullable},
    {"rdma", read<&Resources::rdma>, kNullableInUpdate},
    {"unified", read<&Resources::unified>, kNullableInUpdate},
};
std::span<const Field<Resources>> fields_of(Resources*) {
  return kResources;
}

}  // namespace minirun::oci
