// SPDX-License-Identifier: Apache-2.0
// describe(): a plan for a person, made from the arguments that the child will use.
#include <asm/unistd.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/sysmacros.h>

#include "namespaces/plan_builder.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

struct OpText {
  std::string_view name;
  std::string_view text;
};

constexpr OpText kOps[] = {
#define MINIRUN_OP_TEXT(name, text) {#name, text},
    MINIRUN_OPS(MINIRUN_OP_TEXT)
#undef MINIRUN_OP_TEXT
};

struct Name {
  uint64_t value;
  std::string_view name;
};

constexpr Name kAttributes[] = {
    {abi::kMountAttrReadonly, "ro"},           {abi::kMountAttrNosuid, "nosuid"},
    {abi::kMountAttrNodev, "nodev"},           {abi::kMountAttrNoexec, "noexec"},
    {abi::kMountAttrNoatime, "noatime"},       {abi::kMountAttrStrictatime, "strictatime"},
    {abi::kMountAttrNodiratime, "nodiratime"}, {abi::kMountAttrNosymfollow, "nosymfollow"},
};

constexpr Name kPropagation[] = {
    {abi::kMsShared, "shared"},
    {abi::kMsSlave, "slave"},
    {abi::kMsPrivate, "private"},
    {abi::kMsUnbindable, "unbindable"},
};

constexpr Name kNamespaces[] = {
    {CLONE_NEWPID, "pid"}, {CLONE_NEWNET, "network"},   {CLONE_NEWNS, "mount"},  {CLONE_NEWIPC, "ipc"},
    {CLONE_NEWUTS, "uts"}, {CLONE_NEWCGROUP, "cgroup"}, {CLONE_NEWUSER, "user"}, {0x80 /* CLONE_NEWTIME */, "time"},
};

// The calls that steps make, by this architecture's numbers.
constexpr Name kCalls[] = {
    {__NR_openat2, "openat2"},
    {__NR_openat, "open"},
    {__NR_open_tree, "open_tree"},
    {__NR_move_mount, "move_mount"},
    {__NR_fsopen, "fsopen"},
    {__NR_fsconfig, "fsconfig"},
    {__NR_fsmount, "fsmount"},
    {__NR_fspick, "fspick"},
    {__NR_mount_setattr, "mount_setattr"},
    {__NR_mount, "mount"},
    {__NR_pivot_root, "pivot_root"},
    {__NR_umount2, "umount"},
    {__NR_setns, "setns"},
    {__NR_unshare, "unshare"},
    {__NR_mkdirat, "mkdir"},
    {__NR_mknodat, "mknod"},
    {__NR_symlinkat, "symlink"},
    {__NR_unlinkat, "unlink"},
    {__NR_readlinkat, "readlink"},
    {__NR_fchownat, "chown"},
    {__NR_fchown, "chown"},
    {__NR_statx, "statx"},
    {__NR_fstatfs, "fstatfs"},
    {__NR_read, "read"},
    {__NR_write, "write"},
    {__NR_chdir, "chdir"},
    {__NR_fchdir, "fchdir"},
    {__NR_chroot, "chroot"},
    {__NR_getcwd, "getcwd"},
    {__NR_sethostname, "sethostname"},
    {__NR_setdomainname, "setdomainname"},
    {__NR_prlimit64, "prlimit"},
    {__NR_personality, "personality"},
    {__NR_sched_setattr, "sched_setattr"},
    {__NR_set_mempolicy, "set_mempolicy"},
    {__NR_ioprio_set, "ioprio_set"},
    {__NR_setgroups, "setgroups"},
    {__NR_setresgid, "setresgid"},
    {__NR_setresuid, "setresuid"},
    {__NR_capset, "capset"},
    {__NR_prctl, "prctl"},
    {__NR_seccomp, "seccomp"},
    {__NR_setsid, "setsid"},
    {__NR_ioctl, "ioctl"},
    {__NR_dup3, "dup"},
    {__NR_close_range, "close_range"},
    {__NR_execve, "exec"},
    {__NR_execveat, "exec"},
    {__NR_clone3, "clone3"},
    {__NR_clone, "clone"},
    {__NR_close, "close"},
    {__NR_socket, "socket"},
    {__NR_sendmsg, "sendmsg"},
    {__NR_recvfrom, "recv"},
    {__NR_recvmsg, "recv"},
    {__NR_accept4, "accept"},
    {__NR_keyctl, "keyctl"},
    {__NR_getppid, "getppid"},
    {__NR_wait4, "wait"},
    {__NR_sched_setaffinity, "sched_setaffinity"},
    {__NR_rt_sigprocmask, "sigprocmask"},
    {__NR_rt_sigaction, "sigaction"},
};

void join(std::string* out, std::string_view separator, std::string_view more) {
  if (!out->empty() && !more.empty()) out->append(separator);
  out->append(more);
}

template <size_t N>
std::string names_of(const Name (&table)[N], uint64_t bits) {
  std::string out;
  for (const Name& entry : table)
    if ((bits & entry.value) != 0) join(&out, ",", entry.name);
  return out;
}

const char* data_at(const Plan& plan, uint64_t offset) {
  return plan.data.c_str() + (offset - kDataOffset);
}

// A list of filesystem parameters ("key", "=value" or ""), `count` pairs.
std::string parameters(const Plan& plan, uint64_t offset, uint64_t count) {
  std::string out;
  const char* at = data_at(plan, offset);
  for (uint64_t i = 0; i < count; i++) {
    std::string_view key = at;
    at += key.size() + 1;
    std::string_view value = at;
    at += value.size() + 1;
    join(&out, ",", key);
    out.append(value);
  }
  return out;
}

// "ro,rnosuid": those in the high half are for the mounts below too.
std::string attributes(uint64_t bits, std::string_view prefix) {
  std::string out;
  for (const Name& entry : kAttributes)
    if ((bits & entry.value) != 0) join(&out, ",", fmt::format("{}{}", prefix, entry.name));
  for (const Name& entry : kAttributes)
    if ((bits >> 32 & entry.value) != 0) join(&out, ",", fmt::format("{}r{}", prefix, entry.name));
  return out;
}

// The access time mode is one field, cleared whole to be set: that it was cleared alone says relatime.
std::string cleared_attributes(uint64_t cleared, uint64_t set) {
  constexpr uint64_t kMode = abi::kMountAttrAtimeMask;
  std::string out = attributes(cleared & ~(kMode | kMode << 32), "not ");
  if ((cleared & kMode) != 0 && (set & kMode) == 0) join(&out, ",", "relatime");
  if ((cleared >> 32 & kMode) != 0 && (set >> 32 & kMode) == 0) join(&out, ",", "rrelatime");
  return out;
}

std::string argument(const Plan& plan, const Step& step, unsigned index, char kind) {
  uint64_t value = step.arg[index];
  switch (kind) {
    case 's':
      return value == kNoText ? "" : data_at(plan, value);
    case 'd':
      return value == ~0ULL ? "unlimited" : std::to_string(value);
    case 'o':
      return fmt::format("{:04o}", value & 07777);
    case 'x':
      return fmt::format("{:#x}", value);
    case 'f':
      return value < plan.slots.size() ? describe(plan.slots[value]) : "?";
    case 'l':
      return parameters(plan, value, step.arg[index + 1]);
    case 'n':
      return namespace_names(value);
    case 'a':
      return attributes(value, "");
    case 'A':
      return cleared_attributes(value, step.arg[index - 1]);
    case 'p':
      return (value & abi::kMsRecursive) != 0 ? "r" + names_of(kPropagation, value) : names_of(kPropagation, value);
    case 'v':
      return fmt::format("{}:{}", gnu_dev_major(value), gnu_dev_minor(value));
    default:
      return "?";
  }
}

}  // namespace

std::string_view op_name(Op op) {
  return kOps[static_cast<size_t>(op)].name;
}
std::string namespace_names(uint64_t flags) {
  return names_of(kNamespaces, flags);
}

std::string call_name(uint32_t number) {
  for (const Name& entry : kCalls)
    if (entry.value == number) return std::string(entry.name);
  return "syscall " + std::to_string(number);
}

std::string describe(const Plan& plan, uint32_t index) {
  const Step& step = plan.steps[index];
  std::string_view text = kOps[static_cast<size_t>(step.op)].text;
  std::string out, group;  // group: what stands in parentheses, its parts joined by commas, left out when empty
  bool in_group = false;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '{' && i + 3 < text.size() + 1) {
      std::string part = argument(plan, step, static_cast<unsigned>(text[i + 1] - '0'), text[i + 2]);
      if (in_group)
        join(&group, ",", part);
      else
        out += part;
      i += 3;
    } else if (text[i] == '(') {
      in_group = true;
    } else if (text[i] == ')') {
      in_group = false;
      if (group.empty() && !out.empty() && out.back() == ' ') out.pop_back();
      if (!group.empty()) out += "(" + group + ")";
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string path_of(const Plan& plan, uint32_t index) {
  const Step& step = plan.steps[index];
  auto text = [&](size_t number) { return std::string(data_at(plan, step.arg[number])); };
  switch (step.op) {
    case Op::mount_new:
    case Op::mount_proc:
    case Op::attach:
    case Op::bind_own:
    case Op::place_root:
    case Op::symlink:
      return text(1);
    case Op::hide:
    case Op::set_attributes:
    case Op::reconfigure:
    case Op::device:
    case Op::mask:
    case Op::make_readonly:
    case Op::bind_console:
    case Op::working_directory:
      return text(0);
    case Op::write_proc:
      return "/proc/" + text(0);
    default:
      return "";
  }
}

// "uids 0-100000-65536,..., gids ..."
static std::string id_map_names(const MountIdMap& map) {
  if (!map.user_namespace.empty()) return "as in " + map.user_namespace;
  std::string text;
  auto add = [&](const char* kind, const IdMaps& maps) {
    text += kind;
    for (const IdMap& m : maps) text += fmt::format(" {}-{}-{}", m.container_id, m.host_id, m.size);
  };
  add("uids", map.uids);
  add(", gids", map.gids);
  return text;
}

static std::string describe_plain(const Source& source) {
  switch (source.kind) {
    case SourceKind::tree:
      return source.path;
    case SourceKind::rootfs_tree:
      return "the rootfs " + source.path;
    case SourceKind::rootfs_directory:
    case SourceKind::rootfs_namespace:
      return "the rootfs " + source.path;
    case SourceKind::namespace_file:
      return source.path;
    case SourceKind::null_device:
      return "the host's /dev/null";
    case SourceKind::cgroup_tree:
      return "the container's cgroup";
    case SourceKind::filesystem:
      return fmt::format("{} {}", source.type, source.path);
    case SourceKind::device:
      return "the host's " + source.path;
    case SourceKind::proc_context:
      return "proc of its pid namespace";
    case SourceKind::given:
      return source.path;
  }
  return "?";
}

std::string describe(const Source& source) {
  std::string text = describe_plain(source);
  if (source.copy_up) text += " filled from the image";
  if (source.id_map.any())
    text += fmt::format(" with {}mapped {}", source.id_map.recursive ? "all " : "", id_map_names(source.id_map));
  return text;
}

}  // namespace minirun
