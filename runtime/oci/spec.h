// SPDX-License-Identifier: Apache-2.0
// config.json as types, exactly as in the runtime-spec (1.3, Linux). Plain data, filled by parse.h and checked by
// validate.h; if both find no problem, every comment here holds.
//
// A member is std::optional if an absent property differs from an empty one or zero. JSON objects keep the order of the
// file (a vector of pairs). If the kernel has a constant for a name of the spec, the member holds the constant.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/oci/mount_options.h"

namespace minirun::oci {

using Strings = std::vector<std::string>;
using StringMap = std::vector<std::pair<std::string, std::string>>;

// config-linux.md, "User namespace mappings"; also per mount.
struct IdMapping {
  uint32_t container_id = 0;
  uint32_t host_id = 0;
  uint32_t size = 0;
};

// config.md, "Root". The path as written: relative ones start at the bundle.
struct Root {
  std::string path;
  bool readonly = false;
};

// config.md, "Mounts". A relative destination counts from "/"; a relative source of a bind mount from the bundle. Two
// members are derived from others, once for all who ask: the setters keep them true.
struct Mount {
  std::string destination;
  std::string type;    // "" when absent; the options make a bind mount, not the type
  std::string source;  // "" when absent
  Strings options;
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::string target = "/";  // the destination by clean_path()
  MountOptions parsed;       // the options by parse_mount_options()

  void set_destination(std::string text);
  void set_options(Strings list);
};

// config.md, "Console size", in characters.
struct ConsoleSize {
  uint16_t height = 0;
  uint16_t width = 0;
};

struct User {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::optional<uint32_t> umask;  // 0..0777
  std::vector<uint32_t> additional_gids;
};

// Names as written ("CAP_CHOWN"); one that this kernel does not know is a warning, not an error. A set that is absent
// is an empty one.
struct Capabilities {
  Strings bounding;
  Strings effective;
  Strings inheritable;
  Strings permitted;
  Strings ambient;
};

struct Rlimit {
  int resource = -1;  // RLIMIT_*
  uint64_t soft = 0;
  uint64_t hard = 0;
};

// sched_setattr(2). All times in nanoseconds.
struct Scheduler {
  uint32_t policy = 0;  // SCHED_*
  std::optional<int32_t> nice;
  std::optional<int32_t> priority;
  uint64_t flags = 0;  // SCHED_FLAG_*
  std::optional<uint64_t> runtime;
  std::optional<uint64_t> deadline;
  std::optional<uint64_t> period;
};

// ioprio_set(2).
struct IoPriority {
  int io_class = 0;  // IOPRIO_CLASS_RT, _BE or _IDLE
  int32_t priority = 0;
};

// Lists of CPUs as written ("0-3,7"). For exec only: the container's first process takes nothing from it.
struct ExecCpuAffinity {
  std::optional<std::string> initial;
  std::optional<std::string> final;
};

// config.md, "Process".
struct Process {
  bool terminal = false;
  std::optional<ConsoleSize> console_size;  // counts with `terminal` only
  std::string cwd;
  Strings env;   // NAME=value, in order, duplicates kept
  Strings args;  // at least one
  User user;
  std::vector<Rlimit> rlimits;
  std::optional<Capabilities> capabilities;  // absent: all sets empty
  bool no_new_privileges = false;
  std::optional<int32_t> oom_score_adj;  // absent: left as it is
  std::string apparmor_profile;
  std::string selinux_label;
  std::optional<Scheduler> scheduler;
  std::optional<IoPriority> io_priority;
  std::optional<ExecCpuAffinity> exec_cpu_affinity;
};

// config.md, "POSIX-platform Hooks".
struct Hook {
  std::string path;
  Strings args;
  std::optional<Strings> env;       // absent: that of the runtime, or of the process for startContainer
  std::optional<uint32_t> timeout;  // seconds, > 0
};

struct Hooks {
  std::vector<Hook> prestart;
  std::vector<Hook> create_runtime;
  std::vector<Hook> create_container;
  std::vector<Hook> start_container;
  std::vector<Hook> poststart;
  std::vector<Hook> poststop;
};

// config-linux.md, "Namespaces". An empty path asks for a new one.
struct Namespace {
  uint32_t type = 0;  // CLONE_NEW*
  std::string path;
};

// config-linux.md, "Offset for Time Namespace".
struct TimeOffset {
  int64_t secs = 0;
  uint32_t nanosecs = 0;
};

struct TimeOffsets {
  std::optional<TimeOffset> monotonic;
  std::optional<TimeOffset> boottime;
};

// config-linux.md, "Devices".
struct Device {
  char type = 0;  // 'c', 'b', 'u' (the same as 'c') or 'p'
  std::string path;
  std::optional<int64_t> major;  // both required except for 'p'
  std::optional<int64_t> minor;
  std::optional<uint32_t> file_mode;  // permission bits; absent: 0666
  std::optional<uint32_t> uid;
  std::optional<uint32_t> gid;
};

// config-linux.md, "Network Devices". The key is the host's name of it.
struct NetDevice {
  std::string name;  // in the container; "": unchanged
};

// config-linux.md, "Allowed Device list". An absent number matches all.
struct DeviceRule {
  bool allow = false;
  char type = 'a';  // 'a' (all), 'b' or 'c'
  std::optional<int64_t> major;
  std::optional<int64_t> minor;
  std::string access;  // of r, w, m; "" (deny rules only) means all three
};

// config-linux.md, "Memory", in bytes; -1 is no limit.
struct Memory {
  std::optional<int64_t> limit;
  std::optional<int64_t> reservation;
  std::optional<int64_t> swap;  // memory and swap together
  std::optional<int64_t> kernel;
  std::optional<int64_t> kernel_tcp;
  std::optional<uint64_t> swappiness;
  std::optional<bool> disable_oom_killer;
  std::optional<bool> use_hierarchy;
  bool check_before_update = false;
};

// config-linux.md, "CPU"; times in microseconds.
struct Cpu {
  std::optional<uint64_t> shares;
  std::optional<int64_t> quota;
  std::optional<uint64_t> burst;
  std::optional<uint64_t> period;
  std::optional<int64_t> realtime_runtime;
  std::optional<uint64_t> realtime_period;
  std::string cpus;
  std::string mems;
  std::optional<int64_t> idle;
};

struct WeightDevice {
  int64_t major = 0;
  int64_t minor = 0;
  std::optional<uint16_t> weight;
  std::optional<uint16_t> leaf_weight;
};

struct ThrottleDevice {
  int64_t major = 0;
  int64_t minor = 0;
  uint64_t rate = 0;  // bytes or operations a second
};

// config-linux.md, "Block IO".
struct BlockIo {
  std::optional<uint16_t> weight;
  std::optional<uint16_t> leaf_weight;
  std::vector<WeightDevice> weight_device;
  std::vector<ThrottleDevice> throttle_read_bps_device;
  std::vector<ThrottleDevice> throttle_write_bps_device;
  std::vector<ThrottleDevice> throttle_read_iops_device;
  std::vector<ThrottleDevice> throttle_write_iops_device;
};

struct HugepageLimit {
  std::string page_size;  // "64KB", "2MB", "1GB": as in the names of the control files
  uint64_t limit = 0;     // bytes
};

struct InterfacePriority {
  std::string name;
  uint32_t priority = 0;
};

struct Network {
  std::optional<uint32_t> class_id;
  std::vector<InterfacePriority> priorities;
};

struct Rdma {
  std::optional<uint32_t> hca_handles;
  std::optional<uint32_t> hca_objects;
};

// config-linux.md, "Control groups".
struct Resources {
  std::vector<DeviceRule> devices;  // in order, the last match decides
  std::optional<Memory> memory;
  std::optional<Cpu> cpu;
  std::optional<int64_t> pids_limit;  // -1 is no limit; 0 is a limit
  std::optional<BlockIo> block_io;
  std::vector<HugepageLimit> hugepage_limits;
  std::optional<Network> network;
  std::vector<std::pair<std::string, Rdma>> rdma;  // by device
  StringMap unified;                               // control file → what to write, in order
};

// SCMP_ACT_*; SCMP_ACT_KILL is kill_thread.
enum class SeccompAction : uint8_t { kill_process, kill_thread, trap, error, trace, allow, log, notify };

// SCMP_CMP_*.
enum class SeccompOperator : uint8_t { ne, lt, le, eq, ge, gt, masked_eq };

// SCMP_ARCH_*, in the order of the schema.
enum class SeccompArch : uint8_t {
  x86,
  x86_64,
  x32,
  arm,
  aarch64,
  loongarch64,
  m68k,
  mips,
  mips64,
  mips64n32,
  mipsel,
  mipsel64,
  mipsel64n32,
  ppc,
  ppc64,
  ppc64le,
  s390,
  s390x,
  sh,
  sheb,
  parisc,
  parisc64,
  riscv64,
};

struct SeccompArg {
  uint32_t index = 0;  // 0..5
  uint64_t value = 0;  // masked_eq: the mask
  uint64_t value_two = 0;
  SeccompOperator op = SeccompOperator::eq;
};

struct SeccompRule {
  Strings names;
  SeccompAction action = SeccompAction::kill_process;
  std::optional<uint32_t> errno_ret;  // absent: EPERM
  std::vector<SeccompArg> args;
};

// config-linux.md, "Seccomp".
struct Seccomp {
  SeccompAction default_action = SeccompAction::kill_process;
  std::optional<uint32_t> default_errno_ret;  // absent: EPERM
  std::vector<SeccompArch> architectures;     // the native one always counts
  std::optional<uint32_t> flags;              // SECCOMP_FILTER_FLAG_*; absent is not the same as none
  std::string listener_path;
  std::string listener_metadata;
  std::vector<SeccompRule> syscalls;
};

// Whether any action is SCMP_ACT_NOTIFY: only such a profile uses listenerPath.
inline bool notifies(const Seccomp& seccomp) {
  auto is_notify = [](const SeccompRule& rule) { return rule.action == SeccompAction::notify; };
  return seccomp.default_action == SeccompAction::notify ||
         std::any_of(seccomp.syscalls.begin(), seccomp.syscalls.end(), is_notify);
}

// config-linux.md, "IntelRdt".
struct IntelRdt {
  std::string clos_id;
  Strings schemata;
  std::string l3_cache_schema;
  std::string mem_bw_schema;
  bool enable_monitoring = false;
};

// config-linux.md, "Memory policy"; set_mempolicy(2).
struct MemoryPolicy {
  int mode = 0;  // MPOL_*
  std::string nodes;
  uint32_t flags = 0;  // MPOL_F_*
};

// personality(2). The spec defines no flags yet.
struct Personality {
  uint32_t domain = 0;  // PER_LINUX or PER_LINUX32
  Strings flags;
};

// config-linux.md.
struct Linux {
  std::vector<Namespace> namespaces;  // no type twice
  std::vector<IdMapping> uid_mappings;
  std::vector<IdMapping> gid_mappings;
  std::optional<TimeOffsets> time_offsets;
  std::vector<Device> devices;
  std::vector<std::pair<std::string, NetDevice>> net_devices;
  std::string cgroups_path;  // "" when absent
  std::optional<Resources> resources;
  std::optional<uint64_t> rootfs_propagation;  // MS_SHARED, _SLAVE, _PRIVATE or _UNBINDABLE; with MS_REC for "rshared"…
  std::optional<Seccomp> seccomp;
  StringMap sysctl;  // keys as written: net/ipv4/x or net.ipv4.x
  Strings masked_paths;
  Strings readonly_paths;
  std::string mount_label;
  std::optional<IntelRdt> intel_rdt;
  std::optional<MemoryPolicy> memory_policy;
  std::optional<Personality> personality;
};

// config.md. `process` may be absent for create, never for start.
struct Spec {
  std::string oci_version;
  std::optional<Root> root;
  std::vector<Mount> mounts;
  std::optional<Process> process;
  std::string hostname;    // "" when absent
  std::string domainname;  // "" when absent
  Hooks hooks;
  StringMap annotations;
  Linux linux_;  // `linux` is a macro of gcc's GNU dialects
};

}  // namespace minirun::oci
