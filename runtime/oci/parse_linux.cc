// SPDX-License-Identifier: Apache-2.0
// config.json: /linux, but for resources and seccomp.
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/stat.h>

#include "runtime/oci/parse_fields.h"

namespace minirun::oci {

static constexpr Name<uint32_t> kNamespaces[] = {
    {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},   {"network", CLONE_NEWNET},   {"uts", CLONE_NEWUTS},
    {"ipc", CLONE_NEWIPC},  {"user", CLONE_NEWUSER}, {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME},
};
static constexpr Field<Namespace> kNamespace[] = {
    {"type", read_name<&Namespace::type, kNamespaces>, kRequired},
    {"path", read<&Namespace::path>},
};
static std::span<const Field<Namespace>> fields_of(Namespace*) {
  return kNamespace;
}
std::string_view namespace_name(uint32_t clone_flag) {
  return name_in<uint32_t>(kNamespaces, clone_flag);
}
Names namespace_names() {
  return names_of(kNamespaces);
}

static constexpr Field<TimeOffset> kTimeOffset[] = {
    {"secs", read<&TimeOffset::secs>},
    {"nanosecs", read_between<&TimeOffset::nanosecs, 0, 999'999'999>},
};
static std::span<const Field<TimeOffset>> fields_of(TimeOffset*) {
  return kTimeOffset;
}
static constexpr Field<TimeOffsets> kTimeOffsets[] = {
    {"monotonic", read<&TimeOffsets::monotonic>, kNullable},
    {"boottime", read<&TimeOffsets::boottime>, kNullable},
};
static std::span<const Field<TimeOffsets>> fields_of(TimeOffsets*) {
  return kTimeOffsets;
}

// The keys are names of clocks, so a clock without an offset in Linux is a problem, not an unknown property.
static void read_time_offsets(Reader& reader, JsonValue value, Linux& linux_config) {
  read_value(reader, value, linux_config.time_offsets);
  for (auto clock = value.first(); value.type() == JsonType::object && clock; clock = clock->next())
    if (clock->key() != "monotonic" && clock->key() != "boottime")
      reader.problem(clock->pointer(), "must be monotonic or boottime: a time namespace has no other clock");
}

static void read_device_type(Reader& reader, JsonValue value, Device& device) {
  static constexpr std::string_view kTypes = "cbup";
  bool known = value.type() == JsonType::string && value.text().size() == 1;
  if (known && kTypes.find(value.text()[0]) != std::string_view::npos)
    device.type = value.text()[0];
  else
    reader.must_be(value, "c, b, u or p");
}

// Ignores the bits of the file's type, which some engines leave in. A higher permission bit is more likely an octal
// mode written in decimal: 666 is 01232.
static void read_file_mode(Reader& reader, JsonValue value, Device& device) {
  auto mode = value.uint64();
  if (mode && *mode <= UINT32_MAX && (*mode & ~uint64_t{S_IFMT}) <= 0777)
    device.file_mode = static_cast<uint32_t>(*mode & 0777);
  else
    reader.must_be(value, "an integer from 0 to 511 (in decimal: 438 is 0666)");
}

static constexpr Field<Device> kDevice[] = {
    {"type", read_device_type, kRequired}, {"path", read<&Device::path>, kRequired},
    {"major", read<&Device::major>},       {"minor", read<&Device::minor>},
    {"fileMode", read_file_mode},          {"uid", read_id<&Device::uid>},
    {"gid", read_id<&Device::gid>},
};
static std::span<const Field<Device>> fields_of(Device*) {
  return kDevice;
}

static constexpr Field<NetDevice> kNetDevice[] = {
    {"name", read<&NetDevice::name>, kNullable},
};
static std::span<const Field<NetDevice>> fields_of(NetDevice*) {
  return kNetDevice;
}

// The specification has the first four; engines also send the recursive ones.
static constexpr Name<uint64_t> kPropagations[] = {
    {"private", MS_PRIVATE},
    {"shared", MS_SHARED},
    {"slave", MS_SLAVE},
    {"unbindable", MS_UNBINDABLE},
    {"rprivate", MS_REC | MS_PRIVATE},
    {"rshared", MS_REC | MS_SHARED},
    {"rslave", MS_REC | MS_SLAVE},
    {"runbindable", MS_REC | MS_UNBINDABLE},
};

static constexpr Field<IntelRdt> kIntelRdt[] = {
    {"closID", read<&IntelRdt::clos_id>},
    {"schemata", read<&IntelRdt::schemata>},
    {"l3CacheSchema", read<&IntelRdt::l3_cache_schema>},
    {"memBwSchema", read<&IntelRdt::mem_bw_schema>},
    {"enableMonitoring", read<&IntelRdt::enable_monitoring>},
};
static std::span<const Field<IntelRdt>> fields_of(IntelRdt*) {
  return kIntelRdt;
}

static constexpr int kWeightedInterleave = 6;  // MPOL_WEIGHTED_INTERLEAVE, Linux 6.9: not in Debian 12's headers
static constexpr Name<int> kMemoryModes[] = {
    {"MPOL_DEFAULT", MPOL_DEFAULT},       {"MPOL_BIND", MPOL_BIND},
    {"MPOL_INTERLEAVE", MPOL_INTERLEAVE}, {"MPOL_WEIGHTED_INTERLEAVE", kWeightedInterleave},
    {"MPOL_PREFERRED", MPOL_PREFERRED},   {"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
    {"MPOL_LOCAL", MPOL_LOCAL},
};
static constexpr Name<uint32_t> kMemoryFlags[] = {
    {"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING},
    {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
    {"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
};
Names memory_policy_modes() {
  return names_of(kMemoryModes);
}
Names memory_policy_flags() {
  return names_of(kMemoryFlags);
}
static constexpr Field<MemoryPolicy> kMemoryPolicy[] = {
    {"mode", read_name<&MemoryPolicy::mode, kMemoryModes>, kRequired},
    {"nodes", read<&MemoryPolicy::nodes>, kNullable},
    {"flags", read_flags<&MemoryPolicy::flags, kMemoryFlags>, kNullable},
};
static std::span<const Field<MemoryPolicy>> fields_of(MemoryPolicy*) {
  return kMemoryPolicy;
}
std::string_view memory_mode_name(int mode) {
  return name_in<int>(kMemoryModes, mode);
}

static constexpr Name<uint32_t> kDomains[] = {{"LINUX", PER_LINUX}, {"LINUX32", PER_LINUX32}};
static constexpr Field<Personality> kPersonality[] = {
    {"domain", read_name<&Personality::domain, kDomains>, kRequired},
    {"flags", read<&Personality::flags>, kNullable},
};
static std::span<const Field<Personality>> fields_of(Personality*) {
  return kPersonality;
}

static constexpr Field<Linux> kLinux[] = {
    {"namespaces", read<&Linux::namespaces>},
    {"uidMappings", read<&Linux::uid_mappings>},
    {"gidMappings", read<&Linux::gid_mappings>},
    {"timeOffsets", read_time_offsets, kNullable},
    {"devices", read<&Linux::devices>, kNullable},
    {"netDevices", read<&Linux::net_devices>, kNullable},
    {"cgroupsPath", read<&Linux::cgroups_path>, kNullable},
    {"resources", read<&Linux::resources>},
    {"rootfsPropagation", read_name<&Linux::rootfs_propagation, kPropagations>, kNullable},
    {"seccomp", read<&Linux::seccomp>},
    {"sysctl", read<&Linux::sysctl>, kNullable},
    {"maskedPaths", read<&Linux::masked_paths>},
    {"readonlyPaths", read<&Linux::readonly_paths>},
    {"mountLabel", read<&Linux::mount_label>},
    {"intelRdt", read<&Linux::intel_rdt>},
    {"memoryPolicy", read<&Linux::memory_policy>, kNullable},
    {"personality", read<&Linux::personality>, kNullable},
};
std::span<const Field<Linux>> fields_of(Linux*) {
  return kLinux;
}

}  // namespace minirun::oci
