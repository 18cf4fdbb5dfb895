// SPDX-License-Identifier: Apache-2.0
// /mounts (runtime-spec config.md, "Mounts"), in the listed order.
#include <algorithm>
#include <string_view>

#include "runtime/compile/mount_links.h"
#include "runtime/compile/notify_paths.h"
#include "runtime/compile/parts.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/mount_options.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

// Filesystems that need nothing of the host, or that show the mounter's namespaces, are mounted in the container. All
// others use a device, a path or the network of the host, so minirun mounts them before clone.
constexpr std::string_view kMadeInContainer[] = {
    "tmpfs",   "proc",       "sysfs",   "mqueue",   "devpts",      "cgroup2", "ramfs",    "hugetlbfs", "bpf",
    "debugfs", "securityfs", "tracefs", "configfs", "binfmt_misc", "pstore",  "efivarfs", "fusectl",   "devtmpfs"};

struct MountEntry {
  const oci::Mount& mount;
  const MountOptions& options;
  std::string pointer;
  size_t index;
  MountIdMap id_map;
  StepFlag flags;  // kNotProcfs, unless its destination is meant to be in a procfs
};

MountChange change_of(const MountOptions& options) {
  return {options.own.set, options.own.clear, options.below.set, options.below.clear, options.propagation};
}

bool is_within(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder + "/");
}

bool made_in_container(std::string_view type) {
  return std::find(std::begin(kMadeInContainer), std::end(kMadeInContainer), type) != std::end(kMadeInContainer);
}

bool is_used_later(const Compilation& c, const MountEntry& entry) {
  if (is_own_source(c, entry.index)) return true;
  if (std::find(c.readonly_later.begin(), c.readonly_later.end(), entry.index) != c.readonly_later.end()) return true;
  for (size_t i = entry.index + 1; i < c.spec.mounts.size(); i++)
    if (c.spec.mounts[i].target == entry.mount.target) return is_mount_change(c.spec.mounts[i]);
  return false;
}

Slot place_slot(Compilation& c, const MountEntry& entry, Source source) {
  // Only the first turn has the cgroup's directory.
  bool first = source.kind == SourceKind::cgroup_tree;
  Slot slot = first ? c.plan.slot(std::move(source)) : host_source(c, std::move(source));
  c.placed[entry.index] = {PlacedBy::slot, slot.index};
  return slot;
}

void attach(Compilation& c, const MountEntry& entry, Slot tree, const MountChange& change, StepFlag more = kNoFlags) {
  StepFlag flags = entry.flags | source_flags(c, is_used_later(c, entry)) | more;
  c.add(steps::Attach{tree, c.path(entry.mount.destination), change, flags}, entry.pointer);
}

// The flag for a step that makes a mount in the container.
StepFlag keep_for_later(Compilation& c, const MountEntry& entry) {
  if (!is_used_later(c, entry)) return kNoFlags;
  c.placed[entry.index] = {PlacedBy::keeping, c.kept++};
  return kKeep;
}

// Copies the source, a link, into the container, in place of an existing file or link.
void emit_link(Compilation& c, const MountEntry& entry, const std::string& link) {
  const std::string& path = entry.mount.target;
  size_t slash = path.rfind('/');
  c.add(steps::Directory{c.text(slash == 0 ? "/" : path.substr(0, slash))}, entry.pointer);
  c.add(steps::Symlink{.target = c.text(link), .name = c.path(path.substr(slash + 1)), .flags = kReplace},
        entry.pointer);
}

// Whether a later entry sets the propagation of this one's mount.
bool propagates_later(const Compilation& c, const MountEntry& entry) {
  for (size_t i = entry.index + 1; i < c.spec.mounts.size(); i++) {
    if (c.spec.mounts[i].target != entry.mount.target) continue;
    if (!is_mount_change(c.spec.mounts[i])) return false;
    if (c.spec.mounts[i].parsed.propagation != 0) return true;
  }
  return false;
}

// Mounts that the config places below a shared mount must not reach the host, so it becomes shared after all are
// placed. Mounts below the source that the option does not cover are no peers of the host's either. In minirun's own
// user namespace (and before Linux 5.15) a shared mount is shared at once: its peers are then copies that end
// with minirun, not the host's.
Peers take_peers(Compilation& c, const MountEntry& entry, uint64_t* propagation) {
  bool whole = (*propagation & abi::kMsRecursive) != 0 || !entry.options.recursive;
  if ((*propagation & abi::kMsShared) == 0) return whole ? Peers::stay : Peers::slaves;
  if (propagates_later(c, entry)) {
    *propagation = abi::kMsSlave | abi::kMsRecursive;
    return Peers::stay;
  }
  if (c.host.in_user_namespace || !c.host.rejoins_peers) return whole ? Peers::stay : Peers::slaves;
  *propagation = 0;
  c.out.rejoins_peers = true;
  return whole && entry.options.recursive ? Peers::rejoin_all : Peers::rejoin_top;
}

// A bind mount of a shared source would be its peer. By default the container receives the host's mounts, and the host
// none of the container's.
uint64_t bind_propagation(const MountOptions& options) {
  if (options.propagation != 0) return options.propagation;
  return options.recursive ? abi::kMsSlave | abi::kMsRecursive : abi::kMsSlave;
}

// Needs nothing of the host.
void emit_own_bind(Compilation& c, const MountEntry& entry, const OwnSource& own) {
  const MountOptions& options = entry.options;
  steps::BindOwn bind{};
  bind.mount = c.placed.at(own.mount);
  bind.source = c.text(own.path);
  bind.below = static_cast<uint32_t>(own.below);
  bind.target = c.path(entry.mount.destination);
  bind.change = change_of(options);
  bind.change.propagation = bind_propagation(options);
  bind.flags = entry.flags | keep_for_later(c, entry);
  if (options.recursive) bind.flags = bind.flags | kWithBelow;
  if (options.target_nofollow) bind.flags = bind.flags | kTargetItself;
  c.add(bind, entry.pointer);
}

void emit_bind(Compilation& c, const MountEntry& entry) {
  const MountOptions& options = entry.options;
  const auto& links = c.paths.mount_links;
  if (options.copy_symlink && entry.index < links.size() && !links[entry.index].empty())
    return emit_link(c, entry, links[entry.index]);
  for (const auto& [name, value] : options.superblock)
    c.warn(entry.pointer + "/options", name + " has no effect on a bind mount: it is a property of the filesystem");
  if (auto own = c.own_sources.find(entry.index); own != c.own_sources.end())
    return emit_own_bind(c, entry, own->second);
  uint64_t propagation = bind_propagation(options);
  Source source{SourceKind::tree, bind_source(entry.mount, c.paths.bundle), options.recursive, 0, entry.pointer};
  source.peers = take_peers(c, entry, &propagation);
  source.no_follow = options.source_nofollow;
  source.id_map = entry.id_map;
  MountChange change = change_of(options);
  change.propagation = propagation;
  Slot tree = place_slot(c, entry, std::move(source));
  attach(c, entry, tree, change, options.target_nofollow ? kTargetItself : kNoFlags);
}

// Attributes for fsmount(2): a new mount has nothing below it.
uint64_t new_attributes(const MountOptions& options) {
  return (options.below.set & ~options.own.clear) | options.own.set;
}

// linux.mountLabel as a parameter of the filesystem (mount(8), "context="). Skips filesystems whose files have their
// own labels, and mqueue, which exists before it is mounted, so its label cannot change.
void add_label(Compilation& c, const MountEntry& entry, Parameters* parameters) {
  constexpr std::string_view kNoLabel[] = {"proc", "sysfs", "cgroup", "cgroup2", "mqueue"};
  const std::string& label = c.spec.linux_.mount_label;
  bool excluded = std::find(std::begin(kNoLabel), std::end(kNoLabel), entry.mount.type) != std::end(kNoLabel);
  auto is_context = [](const auto& parameter) { return parameter.first.ends_with("context"); };
  if (label.empty() || !c.host.selinux || excluded) return;
  if (std::any_of(parameters->begin(), parameters->end(), is_context)) return;
  parameters->emplace_back(mount_context_type(c.spec.annotations), "=" + label);
}

Parameters new_parameters(Compilation& c, const MountEntry& entry) {
  Parameters parameters;
  if (!entry.mount.source.empty()) parameters.emplace_back("source", "=" + entry.mount.source);
  const MountOptions& options = entry.options;
  parameters.insert(parameters.end(), options.superblock.begin(), options.superblock.end());
  parameters.insert(parameters.end(), options.parameters.begin(), options.parameters.end());
  add_label(c, entry, &parameters);
  return parameters;
}

// A filesystem with a source on the host: mounted by minirun before clone, placed like a bind mount.
void emit_host_filesystem(Compilation& c, const MountEntry& entry) {
  Source source{SourceKind::filesystem, entry.mount.source, false, new_attributes(entry.options), entry.pointer};
  source.type = entry.mount.type;
  source.parameters = new_parameters(c, entry);
  source.id_map = entry.id_map;
  // A filesystem may write to its device even for a read-only mount, unless the filesystem itself is read-only.
  if ((source.detail & abi::kMountAttrReadonly) != 0) source.parameters.emplace_back("ro", "");
  Slot tree = place_slot(c, entry, std::move(source));
  attach(c, entry, tree, {.propagation = entry.options.propagation});
}

void warn_of_covered_source(Compilation& c, const MountEntry& entry) {
  std::string target = entry.mount.target + "/";
  for (size_t i = 0; i < entry.index; i++) {
    const std::string& earlier = c.spec.mounts[i].target;
    if (target.starts_with(earlier + "/"))
      c.warn(entry.pointer + "/options",
             "tmpcopyup copies what the image has there, not what is mounted on " + earlier);
  }
}

bool is_below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder == "/" ? folder : folder + "/");
}

// Engines send /dev as a read-only tmpfs, followed by mounts below it (podman run --read-only).
bool becomes_readonly_later(const Compilation& c, const MountEntry& entry) {
  const std::string& target = entry.mount.target;
  bool more = target == "/dev" || (c.process && is_below(clean_path(c.process->cwd), target));
  for (size_t i = entry.index + 1; i < c.spec.mounts.size(); i++) {
    const std::string& later = c.spec.mounts[i].target;
    if (later == target || is_below(target, later)) return false;  // this path is then another mount
    more = more || is_below(later, target);
  }
  return more;
}

uint64_t take_readonly(Compilation& c, const MountEntry& entry, uint64_t attributes) {
  if ((attributes & abi::kMountAttrReadonly) == 0 || !becomes_readonly_later(c, entry)) return attributes;
  c.readonly_later.push_back(entry.index);
  return attributes & ~abi::kMountAttrReadonly;
}

// A tmpfs that minirun must fill or idmap before it is placed. It becomes read-only when it is placed.
void emit_tmpfs(Compilation& c, const MountEntry& entry) {
  uint64_t attributes = take_readonly(c, entry, new_attributes(entry.options));
  uint64_t readonly = attributes & abi::kMountAttrReadonly;
  Source source{SourceKind::filesystem, entry.mount.source, false, attributes & ~readonly, entry.pointer};
  source.type = entry.mount.type;
  source.parameters = new_parameters(c, entry);
  source.id_map = entry.id_map;
  source.like_directory = entry.mount.destination;
  source.copy_up = entry.options.copy_up;
  if (source.copy_up) warn_of_covered_source(c, entry);
  Slot tree = place_slot(c, entry, std::move(source));
  attach(c, entry, tree, {.set = readonly, .propagation = entry.options.propagation}, kOwnMount);
}

void emit_new(Compilation& c, const MountEntry& entry, const std::string& type) {
  if (type == "tmpfs" && (entry.options.copy_up || entry.id_map.any())) return emit_tmpfs(c, entry);
  if (!made_in_container(type) || entry.id_map.any()) return emit_host_filesystem(c, entry);
  Parameters parameters = new_parameters(c, entry);
  auto has_mode = [](const auto& parameter) { return parameter.first == "mode"; };
  StepFlag flags = entry.flags;
  if (type == "proc" || type == "sysfs") flags = flags | kRealDirectory;
  if (type == "tmpfs" && std::none_of(parameters.begin(), parameters.end(), has_mode))
    flags = flags | kModeOfTarget;  // the mode of the image's directory
  uint64_t attributes = new_attributes(entry.options);
  if (type == "tmpfs") attributes = take_readonly(c, entry, attributes);
  flags = flags | keep_for_later(c, entry);
  NewMount mount{c.path(entry.mount.destination), attributes, c.plan.list(parameters), entry.options.propagation,
                 flags};
  if (type == "proc" && c.enters) {
    if (c.proc_contexts == 0) c.first_proc = entry.pointer;
    Slot context = c.plan.slot({SourceKind::proc_context, "", false, c.proc_contexts++, entry.pointer});
    c.add(steps::MountProc{context, mount}, entry.pointer);
    return;
  }
  c.add(steps::MountNew{c.text(type), mount}, entry.pointer);
}

// With a cgroup namespace the filesystem shows the container's cgroup as its root. Without one it would show the host's
// tree, so the container gets a bind mount of its own directory.
void emit_cgroup(Compilation& c, const MountEntry& entry) {
  if (c.find(CLONE_NEWCGROUP) != nullptr) {
    emit_new(c, entry, "cgroup2");
    return;
  }
  Source source{SourceKind::cgroup_tree, "", false, 0, entry.pointer};
  if ((entry.options.propagation & abi::kMsShared) != 0) source.peers = Peers::slaves;  // no peer of the host's
  Slot tree = place_slot(c, entry, std::move(source));
  MountChange change = change_of(entry.options);
  if (entry.options.propagation == 0) change.propagation = abi::kMsSlave;
  attach(c, entry, tree, change);
}

// Changes an existing mount. "ro" and "rw" apply to this mount alone, since the filesystem may also be the host's
// (sysfs). An earlier entry's mount is found by its descriptor, so a process that renames things in a volume cannot
// substitute another one. validate() has checked that it exists if the filesystem changes.
void emit_change(Compilation& c, const MountEntry& entry) {
  const MountOptions& options = entry.options;
  const std::string& target = entry.mount.target;
  PlacedMount mount;
  for (const auto& [index, placed] : c.placed)
    if (c.spec.mounts[index].target == target) mount = placed;
  Parameters parameters = options.superblock;
  parameters.insert(parameters.end(), options.parameters.begin(), options.parameters.end());
  Path path = c.path(entry.mount.destination);
  if (!parameters.empty() && !options.bind)
    c.add(steps::Reconfigure{path, mount, c.plan.list(parameters)}, entry.pointer);
  const MountChange change = change_of(options);
  if (change.any()) c.add(steps::SetAttributes{path, mount, change}, entry.pointer);
}

// Covers whatever the config has there, since nothing else leads to the workload's notify socket.
void emit_notify(Compilation& c) {
  constexpr uint64_t kAttributes =
      abi::kMountAttrReadonly | abi::kMountAttrNosuid | abi::kMountAttrNodev | abi::kMountAttrNoexec;
  Slot slot = c.plan.slot({SourceKind::given, "the notify directory", false, kGivenNotify, ""});
  MountChange change{.set = kAttributes, .propagation = abi::kMsPrivate};
  c.add(steps::Attach{slot, c.path(kNotifyDirectory), change});
}

}  // namespace

bool is_mount_change(const oci::Mount& mount) {
  const MountOptions& options = mount.parsed;
  return options.remount || (!options.bind && mount.type.empty());
}

bool meant_for_procfs(const oci::Spec& spec, const std::string& path, size_t mounts) {
  const std::string clean = clean_path(path);
  if (is_within(clean, "/proc")) return true;
  return std::any_of(spec.mounts.begin(), spec.mounts.begin() + static_cast<ptrdiff_t>(mounts),
                     [&](const auto& earlier) {
                       return is_within(clean, earlier.target) &&
                              (earlier.type == "proc" || is_within(clean_path(earlier.source), "/proc"));
                     });
}

void emit_mounts(Compilation& c) {
  if (!c.spec.linux_.mount_label.empty() && !c.host.selinux)
    c.warn("/linux/mountLabel", "has no effect: SELinux is not enabled on this host");
  find_own_sources(c);
  for (size_t i = 0; i < c.spec.mounts.size(); i++) {
    const oci::Mount& mount = c.spec.mounts[i];
    MountEntry entry{mount, mount.parsed, pointer_at("/mounts", i), i, {}, kNoFlags};
    if (!meant_for_procfs(c.spec, mount.destination, i)) entry.flags = kNotProcfs;
    entry.id_map = mount_id_map(c.spec, mount, entry.options).map;
    if (is_mount_change(mount))
      emit_change(c, entry);
    else if (entry.options.bind)
      emit_bind(c, entry);
    else if (mount.type == "cgroup" || mount.type == "cgroup2")
      emit_cgroup(c, entry);
    else
      emit_new(c, entry, mount.type);
  }
  if (c.options.notify) emit_notify(c);
}

void emit_readonly_mounts(Compilation& c) {
  for (size_t i : c.readonly_later) {
    MountChange change{.set = abi::kMountAttrReadonly};
    c.add(steps::SetAttributes{c.path(c.spec.mounts[i].destination), c.placed.at(i), change}, pointer_at("/mounts", i));
  }
}

}  // namespace minirun
