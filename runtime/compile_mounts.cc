// /mounts (runtime-spec config.md, "Mounts"), in the listed order.
#include <algorithm>
#include <string_view>

#include "runtime/compile_parts.h"
#include "runtime/mount_options.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

// Filesystems that need nothing of the host, or that show the namespaces of who mounts them: made in the container.
// All others have a device or a path as their source, or reach it over the network: the host's, before clone.
constexpr std::string_view kMadeInContainer[] = {
    "tmpfs",   "proc",       "sysfs",   "mqueue",   "devpts",      "cgroup2", "ramfs",    "hugetlbfs", "bpf",
    "debugfs", "securityfs", "tracefs", "configfs", "binfmt_misc", "pstore",  "efivarfs", "fusectl",   "devtmpfs"};

struct MountEntry {
  const oci::Mount& mount;
  MountOptions options;
  std::string pointer;
};

bool made_in_container(std::string_view type) {
  return std::find(std::begin(kMadeInContainer), std::end(kMadeInContainer), type) != std::end(kMadeInContainer);
}

void emit_bind(Compilation& c, const MountEntry& entry) {
  const MountOptions& options = entry.options;
  const std::string& source = entry.mount.source;
  std::string path = source.substr(0, 1) == "/" ? source : c.place.bundle + "/" + source;
  for (const auto& [name, value] : options.superblock)
    c.warn(entry.pointer + "/options", name + " has no effect on a bind mount: it is a property of the filesystem");
  // A clone is a peer of its source where that is shared: by default the container hears of the host's mounts, the host
  // never of the container's.
  uint64_t propagation = options.propagation != 0 ? options.propagation : abi::kMsSlave;
  if (options.propagation == 0 && options.recursive) propagation |= abi::kMsRecursive;
  uint32_t slot = c.plan.slot({SourceKind::tree, path, options.recursive, 0, entry.pointer});
  c.add(Op::attach, entry.pointer,
        {slot, c.text(entry.mount.destination), packed_set(options), packed_clear(options), propagation});
}

// Attributes for fsmount(2): a new mount has nothing below it.
uint64_t new_attributes(const MountOptions& options) {
  return (options.below.set & ~options.own.clear) | options.own.set;
}

Parameters new_parameters(const MountEntry& entry) {
  Parameters parameters;
  if (!entry.mount.source.empty()) parameters.emplace_back("source", "=" + entry.mount.source);
  const MountOptions& options = entry.options;
  parameters.insert(parameters.end(), options.superblock.begin(), options.superblock.end());
  parameters.insert(parameters.end(), options.parameters.begin(), options.parameters.end());
  return parameters;
}

// A filesystem with a source on the host: mounted by minirun before clone, placed like a bind mount.
void emit_host_filesystem(Compilation& c, const MountEntry& entry) {
  Source source{SourceKind::filesystem, entry.mount.source, false, new_attributes(entry.options), entry.pointer};
  source.type = entry.mount.type;
  source.parameters = new_parameters(entry);
  // A device that is written to for a read-only mount: only the filesystem itself can be told not to.
  if ((source.detail & abi::kMountAttrReadonly) != 0) source.parameters.emplace_back("ro", "");
  uint32_t slot = c.plan.slot(std::move(source));
  c.add(Op::attach, entry.pointer, {slot, c.text(entry.mount.destination), 0, 0, entry.options.propagation});
}

void emit_new(Compilation& c, const MountEntry& entry, const std::string& type) {
  if (!made_in_container(type)) return emit_host_filesystem(c, entry);
  Parameters parameters = new_parameters(entry);
  bool kernel_view = type == "proc" || type == "sysfs";
  auto has_mode = [](const auto& parameter) { return parameter.first == "mode"; };
  bool keeps_mode =
      type == "tmpfs" && std::none_of(parameters.begin(), parameters.end(), has_mode);  // as the image has it
  uint16_t flags = static_cast<uint16_t>((kernel_view ? kRealDirectory : 0) | (keeps_mode ? kModeOfTarget : 0));
  c.add(Op::mount_new, entry.pointer,
        {c.text(type), c.text(entry.mount.destination), new_attributes(entry.options), c.plan.list(parameters),
         parameters.size(), entry.options.propagation},
        flags);
}

// With a cgroup namespace the filesystem shows the container's cgroup as its root. Without one it would show the
// host's tree: then the container gets its own directory of it.
void emit_cgroup(Compilation& c, const MountEntry& entry) {
  if (c.find(CLONE_NEWCGROUP) != nullptr) {
    emit_new(c, entry, "cgroup2");
    return;
  }
  uint32_t slot = c.plan.slot({SourceKind::cgroup_tree, "", false, 0, entry.pointer});
  uint64_t propagation = entry.options.propagation != 0 ? entry.options.propagation : abi::kMsSlave;
  c.add(Op::attach, entry.pointer,
        {slot, c.text(entry.mount.destination), packed_set(entry.options), packed_clear(entry.options), propagation});
}

// A mount that is there already. "ro" and "rw" are for this mount alone: the filesystem may be the host's too (sysfs).
void emit_change(Compilation& c, const MountEntry& entry) {
  const MountOptions& options = entry.options;
  Parameters parameters = options.superblock;
  parameters.insert(parameters.end(), options.parameters.begin(), options.parameters.end());
  uint64_t target = c.text(entry.mount.destination);
  if (!parameters.empty() && !options.bind)
    c.add(Op::reconfigure, entry.pointer, {target, c.plan.list(parameters), parameters.size()});
  if (packed_set(options) != 0 || packed_clear(options) != 0 || options.propagation != 0) {
    c.add(Op::set_attributes, entry.pointer, {target, packed_set(options), packed_clear(options), options.propagation});
  }
}

}  // namespace

void emit_mounts(Compilation& c) {
  for (size_t i = 0; i < c.spec.mounts.size(); i++) {
    const oci::Mount& mount = c.spec.mounts[i];
    MountEntry entry{mount, parse_mount_options(mount.options), pointer_at("/mounts", i)};
    if (entry.options.remount || (!entry.options.bind && mount.type.empty()))
      emit_change(c, entry);
    else if (entry.options.bind)
      emit_bind(c, entry);
    else if (mount.type == "cgroup" || mount.type == "cgroup2")
      emit_cgroup(c, entry);
    else
      emit_new(c, entry, mount.type);
  }
}

}  // namespace minirun
