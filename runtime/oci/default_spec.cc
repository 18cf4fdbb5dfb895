// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/default_spec.h"

#include <string_view>
#include <vector>

#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

using Words = std::vector<std::string_view>;

struct DefaultMount {
  std::string_view destination;
  std::string_view type;
  std::string_view source;
  Words options;
};

std::vector<DefaultMount> default_mounts(bool rootless) {
  std::vector<DefaultMount> mounts = {
      {"/proc", "proc", "proc", {}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"}},
  };
  if (!rootless) return mounts;
  for (DefaultMount& mount : mounts) {
    // A new sysfs needs a network namespace of the same owner.
    if (mount.destination == "/sys") mount = {"/sys", "none", "/sys", {"rbind", "nosuid", "noexec", "nodev", "ro"}};
    // Ids that are not mapped.
    std::erase_if(mount.options, [](auto option) { return option.starts_with("uid=") || option.starts_with("gid="); });
  }
  return mounts;
}

void write_list(JsonWriter& json, std::string_view key, const Words& words) {
  json.key(key).begin_array();
  for (std::string_view word : words) json.string(word);
  json.end_array();
}

void write_process(JsonWriter& json) {
  json.key("process").begin_object().key("terminal").boolean(true);
  json.key("user").begin_object().key("uid").number(0).key("gid").number(0).end_object();
  write_list(json, "args", {"sh"});
  write_list(json, "env", {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"});
  json.key("cwd").string("/");
  json.key("capabilities").begin_object();
  for (std::string_view set : {"bounding", "effective", "permitted"})
    write_list(json, set, {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"});
  json.end_object();
  json.key("rlimits").begin_array().begin_object().key("type").string("RLIMIT_NOFILE");
  json.key("hard").number(1024).key("soft").number(1024).end_object().end_array();
  json.key("noNewPrivileges").boolean(true).end_object();
}

void write_mounts(JsonWriter& json, bool rootless) {
  json.key("mounts").begin_array();
  for (const DefaultMount& mount : default_mounts(rootless)) {
    json.begin_object().key("destination").string(mount.destination);
    json.key("type").string(mount.type).key("source").string(mount.source);
    if (!mount.options.empty()) write_list(json, "options", mount.options);
    json.end_object();
  }
  json.end_array();
}

void write_mapping(JsonWriter& json, std::string_view key, uint32_t host_id) {
  json.key(key).begin_array().begin_object().key("containerID").number(0);
  json.key("hostID").number(host_id).key("size").number(1).end_object().end_array();
}

void write_linux(JsonWriter& json, const std::optional<RootlessOwner>& rootless) {
  json.key("linux").begin_object();
  if (rootless) {
    write_mapping(json, "uidMappings", rootless->uid);
    write_mapping(json, "gidMappings", rootless->gid);
  } else {
    json.key("resources").begin_object().key("devices").begin_array().begin_object();
    json.key("allow").boolean(false).key("access").string("rwm").end_object().end_array().end_object();
  }
  json.key("namespaces").begin_array();
  Words types = {"pid", "network", "ipc", "uts", "mount", "cgroup"};
  if (rootless) types = {"pid", "ipc", "uts", "mount", "cgroup", "user"};
  for (std::string_view type : types) json.begin_object().key("type").string(type).end_object();
  json.end_array();
  write_list(json, "maskedPaths",
             {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
              "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"});
  write_list(json, "readonlyPaths", {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
  json.end_object();
}

}  // namespace

std::string default_spec(const std::optional<RootlessOwner>& rootless) {
  JsonWriter json(2);
  json.begin_object().key("ociVersion").string("1.3.0");
  write_process(json);
  json.key("root").begin_object().key("path").string("rootfs").key("readonly").boolean(true).end_object();
  json.key("hostname").string("minirun");
  write_mounts(json, rootless.has_value());
  write_linux(json, rootless);
  json.end_object();
  return json.take() + "\n";
}

}  // namespace minirun
