// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_bundles.h"

#include <unistd.h>

#include <cstdlib>

#include "tests/support/net_device.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

void restrict_process(json& config) {
  json& process = config["process"];
  process["user"] = {{"uid", 1000}, {"gid", 1001}, {"umask", 23}, {"additionalGids", {5, 1002}}};
  json capabilities = {"CAP_CHOWN", "CAP_KILL", "CAP_MKNOD"};
  for (const char* set : {"bounding", "permitted", "effective", "inheritable", "ambient"})
    process["capabilities"][set] = capabilities;
  process["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 64}, {"hard", 128}},
                        {{"type", "RLIMIT_CORE"}, {"soft", 0}, {"hard", 0}}};
  process["oomScoreAdj"] = 100;
  process["cwd"] = "/etc";
  process["env"].push_back("LAST=one");
  process["noNewPrivileges"] = true;
  config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"personality", "swapon"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 13}}}}};
}

void add_mounts(Bundle& bundle) {
  make_folders(bundle.path() + "/volume");
  write_new_file(bundle.path() + "/volume/file", "of the host", 0666);
  (void)unlink((bundle.rootfs() + "/etc/passwd").c_str());  // the tests' usual one
  bundle.add_file("/etc/passwd", "user:x:1000:1001::/home/user:/bin/sh\n");
  bundle.add_file("/etc/canary", "of the image", 0666);
  bundle.add_folder("/volume");
  bundle.add_folder("/copied");
  bundle.add_file("/copied/file", "of the image", 0666);
  bundle.add_mount("/volume", "", bundle.path() + "/volume", {"bind", "ro", "nosuid", "nodev"});
  bundle.add_mount("/copied", "tmpfs", "tmpfs", {"tmpcopyup", "size=1m"});
  bundle.add_mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "relatime", "ro"});
}

// More than are opened at once, one that becomes the host's peer, and one that an earlier one brings.
void add_turns(Bundle& bundle) {
  const std::string volume = bundle.path() + "/volume";
  bundle.add_mount("/shared", "", volume, {"rbind", "rshared"});
  bundle.add_mount("/again", "", bundle.rootfs() + "/shared", {"bind", "ro"});
  for (int i = 0; i < 65; ++i)
    bundle.add_mount("/many/" + std::to_string(i), "", volume + "/file", {"bind", "ro", "nosuid"});
}

void restrict_container(json& config) {
  config["root"]["readonly"] = true;
  config["domainname"] = "domain";
  json& linux_ = config["linux"];
  linux_["maskedPaths"] = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/acpi", "/sys/firmware"};
  linux_["readonlyPaths"] = {"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"};
  linux_["sysctl"] = {{"kernel.msgmax", "4096"}, {"net.ipv4.ip_forward", "1"}};
  linux_["resources"]["unified"] = {{"cgroup.max.descendants", "9"}};
}

void add_devices(json& config) {
  json& linux_ = config["linux"];
  linux_["devices"] = {{{"path", "/dev/fuse"}, {"type", "c"}, {"major", 10}, {"minor", 229}, {"fileMode", 438}}};
  linux_["resources"]["devices"] = {{{"allow", false}, {"access", "rwm"}},
                                    {{"allow", true}, {"type", "c"}, {"major", 10}, {"minor", 229}, {"access", "rwm"}}};
}

void add_user_namespace(json& config) {
  json& linux_ = config["linux"];
  linux_["namespaces"].push_back({{"type", "user"}});
  linux_["namespaces"].push_back({{"type", "time"}});
  linux_["timeOffsets"] = {{"boottime", {{"secs", 1000}}}};
  linux_["uidMappings"] = {{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}};
  linux_["gidMappings"] = linux_["uidMappings"];
}

void add_hooks(json& config) {
  json outside = {{"path", program("PAYLOAD", "payload")}, {"args", {"payload", "true"}}, {"timeout", 10}};
  json inside = {{"path", "/bin/payload"}, {"args", {"payload", "true"}}};
  config["hooks"] = {{"createRuntime", {outside}}, {"startContainer", {inside}}, {"poststop", {outside}}};
}

void attach(json& config) {
  config["process"]["terminal"] = true;
  if (provide_device().ok()) config["linux"]["netDevices"] = {{kDevice, {{"name", "moved7"}}}};
}

}  // namespace

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::privileged:
      return "";
    case Kind::user:
      return " with a user namespace and hooks";
    case Kind::attached:
      return " with a terminal and a network device";
    case Kind::joined:
      return " in a pid namespace by path";
    case Kind::overlay:
      return " with --overlay";
    case Kind::kept:
      return " with --keep-changes";
  }
  abort();
}

void write_bundles(Kind kind, Bundle& bundle) {
  restrict_process(bundle.config);
  restrict_container(bundle.config);
  add_mounts(bundle);
  if (kind == Kind::privileged) {
    add_devices(bundle.config);
  } else if (kind == Kind::user) {
    add_user_namespace(bundle.config);
    add_hooks(bundle.config);
  } else if (kind == Kind::joined) {
    bundle.join_namespace("pid", "/proc/self/ns/pid");
    add_turns(bundle);
    bundle.config["hooks"] = {{"startContainer", {{{"path", "/bin/payload"}, {"args", {"payload", "true"}}}}}};
  } else if (kind == Kind::attached) {
    attach(bundle.config);
  }
  bundle.payload({"surroundings", "pause"});
  bundle.write();
  json ends = bundle.config;
  ends["process"]["args"] = {"/bin/payload", "surroundings"};
  ends["root"]["path"] = bundle.rootfs();
  make_folders(bundle.path() + "/ends");
  write_new_file(bundle.path() + "/ends/config.json", ends.dump(), 0644);
  json update = {{"unified", {{"cgroup.max.descendants", "5"}, {"cgroup.max.depth", "6"}}}};
  if (kind == Kind::privileged)
    update["devices"] = {{{"allow", true}, {"type", "c"}, {"major", 10}, {"minor", 200}, {"access", "rwm"}}};
  write_new_file(bundle.path() + "/update.json", update.dump(), 0644);
}

}  // namespace minirun::testing
