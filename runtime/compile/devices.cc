// SPDX-License-Identifier: Apache-2.0
// Device nodes and links (runtime-spec config-linux.md, "Devices", "Default Devices"; runtime-linux.md, "Dev symbolic
// links"), masked and read-only paths.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>

#include "runtime/compile/parts.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/mount_options.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

struct Node {
  std::string directory;
  std::string name;
  std::string origin;
  uint64_t mode = 0;  // with the type, as for mknod(2)
  uint64_t number = 0;
  uint32_t uid = 0, gid = 0;
};

// The kernel's encoding (new_encode_dev): 12 bits of major number, 20 of minor.
constexpr uint64_t device_number(uint64_t major, uint64_t minor) {
  return (minor & 0xff) | (major << 8) | ((minor & ~uint64_t{0xff}) << 12);
}

struct DefaultDevice {
  const char* name;
  uint32_t major, minor;
};
constexpr DefaultDevice kDefaultDevices[] = {{"null", 1, 3},   {"zero", 1, 5},    {"full", 1, 7},
                                             {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};

Node node_of(const oci::Device& device, std::string origin) {
  std::string path = clean_path(device.path);
  size_t slash = path.rfind('/');
  Node node;
  node.directory = slash == 0 ? "/" : path.substr(0, slash);
  node.name = path.substr(slash + 1);
  node.origin = std::move(origin);
  uint64_t type = device.type == 'b' ? S_IFBLK : device.type == 'p' ? S_IFIFO : S_IFCHR;
  node.mode = type | (device.file_mode.value_or(0666) & 07777);
  if (device.type != 'p') {
    node.number =
        device_number(static_cast<uint64_t>(device.major.value_or(0)), static_cast<uint64_t>(device.minor.value_or(0)));
  }
  node.uid = device.uid.value_or(0);
  node.gid = device.gid.value_or(0);
  return node;
}

// A bind mounted /dev has its own nodes, which the container must not change.
bool dev_is_bound(const Compilation& c) {
  return std::any_of(c.spec.mounts.begin(), c.spec.mounts.end(),
                     [](const oci::Mount& mount) { return mount.target == "/dev" && mount.parsed.bind; });
}

bool below_dev(const std::string& directory) {
  return directory == "/dev" || directory.compare(0, 5, "/dev/") == 0;
}

void put(std::vector<Node>* nodes, Node node) {
  auto same = [&](const Node& other) { return other.directory == node.directory && other.name == node.name; };
  auto found = std::find_if(nodes->begin(), nodes->end(), same);
  if (found != nodes->end())
    *found = std::move(node);  // the config overrides a default device
  else
    nodes->push_back(std::move(node));
}

std::vector<Node> collect_nodes(Compilation& c, bool with_dev) {
  std::vector<Node> nodes;
  if (with_dev)
    for (const DefaultDevice& device : kDefaultDevices)
      put(&nodes, {"/dev", device.name, "", S_IFCHR | 0666, device_number(device.major, device.minor)});
  const auto& devices = c.spec.linux_.devices;
  for (size_t i = 0; i < devices.size(); i++) {
    Node node = node_of(devices[i], pointer_at("/linux/devices", i));
    bool link = node.directory == "/dev" && node.name == "ptmx";  // always the container's own
    if (link) continue;
    if (with_dev || !below_dev(node.directory))
      put(&nodes, std::move(node));
    else  // it would be made on the host
      c.warn(node.origin, "not made: /dev is a bind mount");
  }
  return nodes;
}

// Only the host's root may mknod(2) a device: in a user namespace the container gets the host's node.
void emit_bound_device(Compilation& c, const Node& node) {
  std::string path = (node.directory == "/" ? "" : node.directory) + "/" + node.name;
  uint64_t number = makedev(static_cast<unsigned>((node.number >> 8) & 0xfff),
                            static_cast<unsigned>((node.number & 0xff) | ((node.number >> 12) & 0xfff00)));
  Slot slot = host_source(c, {SourceKind::device, path, false, number, node.origin});
  // The host's /dev may allow both. The mount is no peer of it, or mounts on the node would appear there.
  MountChange change{.set = abi::kMountAttrNosuid | abi::kMountAttrNoexec, .propagation = abi::kMsPrivate};
  c.add(steps::Attach{slot, c.path(path), change, kNotProcfs | source_flags(c, false)}, node.origin);
}

void emit_nodes(Compilation& c, const std::vector<Node>& nodes, const std::string& directory) {
  for (const Node& node : nodes) {
    if (node.directory != directory) continue;
    if (c.user_namespace() && !S_ISFIFO(node.mode)) {
      emit_bound_device(c, node);
      continue;
    }
    c.add(steps::Device{c.path(node.name), node.number, node.mode, node.uid, node.gid}, node.origin);
  }
}

void emit_links(Compilation& c) {
  struct {
    const char* target;
    const char* name;
  } constexpr kLinks[] = {{"/proc/self/fd", "fd"},
                          {"/proc/self/fd/0", "stdin"},
                          {"/proc/self/fd/1", "stdout"},
                          {"/proc/self/fd/2", "stderr"}};
  // A process outside the pid namespace of that procfs has no pid there, so its link "self" leads nowhere.
  Text wanted = c.enters ? c.text("/proc/self") : Text{};
  for (const auto& link : kLinks) c.add(steps::Symlink{c.text(link.target), c.path(link.name), wanted, kOnlyIfTarget});
  c.add(steps::Symlink{.target = c.text("pts/ptmx"), .name = c.path("ptmx"), .flags = kReplace});
}

}  // namespace

void emit_devices(Compilation& c) {
  bool with_dev = !dev_is_bound(c);
  std::vector<Node> nodes = collect_nodes(c, with_dev);
  if (with_dev) {
    c.add(steps::Directory{c.text("/dev")});
    emit_nodes(c, nodes, "/dev");
    emit_links(c);
  }
  std::vector<std::string> done = {"/dev"};
  for (const Node& node : nodes) {
    if (std::find(done.begin(), done.end(), node.directory) != done.end()) continue;
    done.push_back(node.directory);
    c.add(steps::Directory{c.text(node.directory)}, node.origin);
    emit_nodes(c, nodes, node.directory);
  }
}

void emit_protected_paths(Compilation& c) {
  const auto flags_for = [&c](const std::string& path) {
    return meant_for_procfs(c.spec, path, c.spec.mounts.size()) ? kTolerateMissing : kTolerateMissing | kNotProcfs;
  };
  const auto& readonly = c.spec.linux_.readonly_paths;
  for (size_t i = 0; i < readonly.size(); i++) {
    c.add(steps::MakeReadonly{c.path(readonly[i]), flags_for(readonly[i])}, pointer_at("/linux/readonlyPaths", i));
  }
  // After read-only paths: a masked path inside one would be cloned with it.
  const auto& masked = c.spec.linux_.masked_paths;
  if (masked.empty()) return;
  Slot null = c.plan.slot({SourceKind::null_device, "/dev/null", false, 0, "/linux/maskedPaths"});
  for (size_t i = 0; i < masked.size(); i++)
    c.add(steps::Mask{c.path(masked[i]), null, flags_for(masked[i])}, pointer_at("/linux/maskedPaths", i));
}

}  // namespace minirun
