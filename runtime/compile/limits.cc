// SPDX-License-Identifier: Apache-2.0
// Converts /linux/resources to the types of cgroups/ (runtime-spec config-linux.md, "Control groups"). validate() has
// refused settings that only cgroup v1 has.
#include <cerrno>

#include "cgroups/device_filter.h"
#include "cgroups/own_name.h"
#include "runtime/compile/parts.h"
#include "runtime/compile/resources.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/mount_options.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

void take_memory(Limits* limits, const oci::Memory& memory) {
  limits->memory.limit = memory.limit;
  limits->memory.reservation = memory.reservation;
  limits->memory.swap = memory.swap;
  limits->memory.check_before_update = memory.check_before_update;
}

void take_cpu(Limits* limits, const oci::Cpu& cpu) {
  limits->cpu.shares = cpu.shares;
  limits->cpu.quota = cpu.quota;
  limits->cpu.period = cpu.period;
  limits->cpu.burst = cpu.burst;
  limits->cpu.idle = cpu.idle;
  limits->cpu.cpus = cpu.cpus;
  limits->cpu.mems = cpu.mems;
}

DeviceNumber number_of(int64_t major, int64_t minor) {
  return {static_cast<uint32_t>(major), static_cast<uint32_t>(minor)};
}

std::vector<IoRate> rates(const std::vector<oci::ThrottleDevice>& devices) {
  std::vector<IoRate> out;
  out.reserve(devices.size());
  for (const auto& device : devices) out.push_back({number_of(device.major, device.minor), device.rate});
  return out;
}

void take_block_io(Limits* limits, const oci::BlockIo& io) {
  limits->io.weight = io.weight;
  for (const auto& device : io.weight_device)
    if (device.weight) limits->io.weight_device.push_back({number_of(device.major, device.minor), *device.weight});
  limits->io.read_bps = rates(io.throttle_read_bps_device);
  limits->io.write_bps = rates(io.throttle_write_bps_device);
  limits->io.read_iops = rates(io.throttle_read_iops_device);
  limits->io.write_iops = rates(io.throttle_write_iops_device);
}

}  // namespace

Limits limits_of(const oci::Resources& resources) {
  Limits limits;
  if (resources.memory) take_memory(&limits, *resources.memory);
  if (resources.cpu) take_cpu(&limits, *resources.cpu);
  limits.pids = resources.pids_limit;
  if (resources.block_io) take_block_io(&limits, *resources.block_io);
  for (const auto& hugepage : resources.hugepage_limits)
    limits.hugepages.push_back({hugepage.page_size, hugepage.limit});
  for (const auto& [device, rdma] : resources.rdma) limits.rdma.push_back({device, rdma.hca_handles, rdma.hca_objects});
  limits.unified = resources.unified;
  return limits;
}

namespace {

DeviceType device_type(char type) {
  if (type == 'b') return DeviceType::block;
  return type == 'c' || type == 'u' ? DeviceType::character : DeviceType::any;
}

std::optional<uint32_t> narrow(std::optional<int64_t> number) {
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

uint8_t access_bits(const std::string& access) {
  unsigned bits = 0;
  for (char c : access) bits |= c == 'r' ? kDeviceRead : c == 'w' ? kDeviceWrite : c == 'm' ? kDeviceMknod : 0;
  return access.empty() ? uint8_t{kDeviceAll} : static_cast<uint8_t>(bits);
}

}  // namespace

std::vector<DeviceRule> device_rules_of(const std::vector<oci::DeviceRule>& rules) {
  std::vector<DeviceRule> out;
  out.reserve(rules.size());
  for (const auto& rule : rules)
    out.push_back(
        {rule.allow, device_type(rule.type), narrow(rule.major), narrow(rule.minor), access_bits(rule.access)});
  return out;
}

namespace {

// Denies everything first. If the config has no rules, allows the devices that it lists.
std::vector<DeviceRule> device_rules(const oci::Spec& spec) {
  std::vector<DeviceRule> rules;
  const auto& resources = spec.linux_.resources;
  if (resources && !resources->devices.empty()) {
    rules = device_rules_of(resources->devices);
  } else {
    for (const auto& device : spec.linux_.devices)
      if (device.type != 'p')
        rules.push_back({true, device_type(device.type), narrow(device.major), narrow(device.minor), kDeviceAll});
  }
  return with_default_devices(std::move(rules), spec.process && spec.process->terminal);
}

}  // namespace

std::string cgroup_path_of(const oci::Spec& spec, const std::string& id) {
  const std::string& path = spec.linux_.cgroups_path;
  if (path.empty()) return "/" + own_cgroup_name(id);
  return path[0] == '/' ? path : "/" + path;
}

namespace {

std::optional<uint32_t> host_uid(const Compilation& c, uint32_t uid) {
  if (c.find(CLONE_NEWUSER) == nullptr) return uid;
  const auto& given = c.spec.linux_.uid_mappings;
  for (const IdMap& map : given.empty() ? c.paths.joined_uids : to_id_maps(given))
    if (uid >= map.container_id && uid - map.container_id < map.size) return map.host_id + (uid - map.container_id);
  return std::nullopt;
}

// config-linux.md, "Cgroup ownership": the user of the process owns the cgroup if it is the root of the container's
// tree and writable.
std::optional<uint32_t> cgroup_owner(const Compilation& c) {
  if (!c.is_new(CLONE_NEWCGROUP) || !c.process || c.host.in_user_namespace || c.host.ordinary_user) return std::nullopt;
  bool writable = false;
  for (const oci::Mount& mount : c.spec.mounts) {
    if (mount.type != "cgroup" && mount.type != "cgroup2") continue;
    const MountOptions& options = mount.parsed;
    writable |= !options.bind && ((options.own.set | options.below.set) & abi::kMountAttrReadonly) == 0;
  }
  if (!writable) return std::nullopt;
  return host_uid(c, c.process->user.uid);
}

}  // namespace

Result<void> compile_limits(Compilation& c) {
  const auto& resources = c.spec.linux_.resources;
  c.out.cgroup_path = cgroup_path_of(c.spec, c.paths.id);
  uint32_t own_tasks = c.options.init ? 1 : 0;  // the init must not count against the workload
  auto limits = plan_limits(resources ? limits_of(*resources) : Limits{}, own_tasks);
  if (!limits.ok()) return wrap(limits.error(), "/linux/resources");
  c.out.limits = std::move(limits).value();
  c.out.cgroup_owner = cgroup_owner(c);
  c.out.ordinary_user = c.host.in_user_namespace || c.host.ordinary_user;
  // Only the host's root may use BPF (bpf(2)). No process in a user namespace can make a device.
  if (c.out.ordinary_user) return {};
  auto filter = compile_device_filter(device_rules(c.spec));
  if (!filter.ok()) return wrap(filter.error(), "/linux/resources/devices");
  c.out.device_filter = std::move(filter).value();
  return {};
}

}  // namespace minirun
