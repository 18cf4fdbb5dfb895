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
    {"limit", read_between<&Memory::limit, kUnlimited>},
    {"reservation", read_between<&Memory::reservation, kUnlimited>},
    {"swap", read_between<&Memory::swap, kUnlimited>},
    {"kernel", read_between<&Memory::kernel, kUnlimited>},
    {"kernelTCP", read_between<&Memory::kernel_tcp, kUnlimited>},
    {"swappiness", read_between<&Memory::swappiness, 0, 100>},
    {"disableOOMKiller", read<&Memory::disable_oom_killer>},
    {"useHierarchy", read<&Memory::use_hierarchy>},
    {"checkBeforeUpdate", read<&Memory::check_before_update>},
};
static std::span<const Field<Memory>> fields_of(Memory*) {
  return kMemory;
}

static constexpr Field<Cpu> kCpu[] = {
    {"shares", read<&Cpu::shares>},
    {"quota", read_between<&Cpu::quota, kUnlimited>},
    {"burst", read<&Cpu::burst>},
    {"period", read<&Cpu::period>},
    {"realtimeRuntime", read_between<&Cpu::realtime_runtime, kUnlimited>},
    {"realtimePeriod", read<&Cpu::realtime_period>},
    {"cpus", read<&Cpu::cpus>},
    {"mems", read<&Cpu::mems>},
    {"idle", read_between<&Cpu::idle, 0, 1>},
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
    {"weight", read<&BlockIo::weight>},
    {"leafWeight", read<&BlockIo::leaf_weight>},
    {"weightDevice", read<&BlockIo::weight_device>},
    {"throttleReadBpsDevice", read<&BlockIo::throttle_read_bps_device>},
    {"throttleWriteBpsDevice", read<&BlockIo::throttle_write_bps_device>},
    {"throttleReadIOPSDevice", read<&BlockIo::throttle_read_iops_device>},
    {"throttleWriteIOPSDevice", read<&BlockIo::throttle_write_iops_device>},
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
    {"classID", read<&Network::class_id>},
    {"priorities", read<&Network::priorities>},
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
    {"devices", read<&Resources::devices>},  {"memory", read<&Resources::memory>},
    {"cpu", read<&Resources::cpu>},          {"pids", read_pids},
    {"blockIO", read<&Resources::block_io>}, {"hugepageLimits", read<&Resources::hugepage_limits>},
    {"network", read<&Resources::network>},  {"rdma", read<&Resources::rdma>},
    {"unified", read<&Resources::unified>},
};
std::span<const Field<Resources>> fields_of(Resources*) {
  return kResources;
}

}  // namespace minirun::oci
