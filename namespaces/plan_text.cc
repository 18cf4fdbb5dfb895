// SPDX-License-Identifier: Apache-2.0
// describe(): the text of a plan, made from the fields that the child will use.
#include <asm/unistd.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/sysmacros.h>

#include "namespaces/plan_builder.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

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

// "ro,rnosuid": "r" is for the mounts below too.
std::string attributes(uint32_t own, uint32_t below, std::string_view prefix) {
  std::string out;
  for (const Name& entry : kAttributes)
    if ((own & entry.value) != 0) join(&out, ",", fmt::format("{}{}", prefix, entry.name));
  for (const Name& entry : kAttributes)
    if ((below & entry.value) != 0) join(&out, ",", fmt::format("{}r{}", prefix, entry.name));
  return out;
}

// The access time mode is one field, which is cleared before it is set: cleared alone it means relatime.
std::string cleared_attributes(const MountChange& change) {
  constexpr uint32_t kMode = abi::kMountAttrAtimeMask;
  const uint32_t own = change.clear.value, below = change.clear_below.value;
  std::string out = attributes(own & ~kMode, below & ~kMode, "not ");
  if ((own & kMode) != 0 && (change.set.value & kMode) == 0) join(&out, ",", "relatime");
  if ((below & kMode) != 0 && (change.set_below.value & kMode) == 0) join(&out, ",", "rrelatime");
  return out;
}

// Joins the words and fields that MINIRUN_STEP lists.
class Sentence {
 public:
  explicit Sentence(const Plan& plan) : plan_(plan) {}

  template <class... Parts>
  void operator()(const Parts&... parts) {
    (add(parts), ...);
  }
  std::string take() { return std::move(out_); }
  std::string take_path() { return std::move(path_); }

 private:
  std::string data(uint32_t at) const { return at == kNoText ? "" : plan_.data.c_str() + (at - kDataOffset); }

  void add(const char* words) {
    for (; *words != '\0'; words++) {
      if (*words == '(') {
        in_group_ = true;
      } else if (*words == ')') {
        end_group();
      } else {
        out_ += *words;
      }
    }
  }
  void put(std::string_view part) {
    if (in_group_)
      join(&group_, ",", part);
    else
      out_ += part;
  }
  void end_group() {
    in_group_ = false;
    if (group_.empty() && out_.ends_with(' ')) out_.pop_back();
    if (!group_.empty()) out_ += "(" + std::exchange(group_, "") + ")";
  }

  void add(uint32_t number) { put(std::to_string(number)); }
  void add(Slot slot) { put(slot.index < plan_.slots.size() ? minirun::describe(plan_.slots[slot.index]) : "?"); }
  void add(Text text) { put(data(text.at)); }
  void add(Path path) { put(path_ = data(path.at)); }
  void add(ProcPath path) { put(path_ = "/proc/" + data(path.at)); }
  void add(ParameterList list) {
    const char* at = plan_.data.c_str() + (list.at - kDataOffset);
    for (uint32_t i = 0; i < list.count; i++) {
      std::string_view key = at, value = at + key.size() + 1;
      at = value.data() + value.size() + 1;
      put(std::string(key) + std::string(value));
    }
  }
  void add(Namespaces types) { put(namespace_names(types.value)); }
  void add(Attributes set) { put(attributes(set.value, 0, "")); }
  void add(Propagation propagation) {
    const char* all = (propagation.value & abi::kMsRecursive) != 0 ? "r" : "";
    put(all + names_of(kPropagation, propagation.value));
  }
  void add(const MountChange& change) {
    put(attributes(change.set.value, change.set_below.value, ""));
    put(cleared_attributes(change));
    add(change.propagation);
  }
  void add(Mode mode) { put(fmt::format("{:04o}", mode.value & 07777)); }
  void add(NodeNumber number) { put(fmt::format("{}:{}", gnu_dev_major(number.value), gnu_dev_minor(number.value))); }
  void add(Personality personality) { put(fmt::format("{:#x}", personality.value)); }
  void add(Limit limit) { put(limit.value() == ~0ULL ? "unlimited" : std::to_string(limit.value())); }
  void add(Procfs which) {
    constexpr std::string_view kWhich[] = {"a private", "minirun's own", "the container's own",
                                           "a private (subset=pid)"};
    put(kWhich[static_cast<size_t>(which)]);
  }
  void add(BirthWay way) { put(way == BirthWay::early ? "" : " that executes the program"); }
  void add(LeftOpen left_open) {
    constexpr std::string_view kLeft[] = {"", ", but for those of the wait", ", its init's own excepted"};
    put(kLeft[static_cast<size_t>(left_open)]);
  }

  const Plan& plan_;
  std::string out_, group_, path_;
  bool in_group_ = false;
};

Sentence sentence_of(const Plan& plan, uint32_t step) {
  Sentence sentence(plan);
  visit(plan.steps[step], [&](auto numbered, const auto& fields) { numbered.describe(fields, sentence); });
  return sentence;
}

}  // namespace

std::string_view op_name(Op op) {
  return visit(Step{op, {}}, [](auto numbered, const auto&) -> std::string_view { return numbered.kName; });
}

bool asks_for_mount(const Step& step) {
  return visit(step, [](auto, const auto& fields) {
    if constexpr (requires { fields.mount.by; })
      return fields.mount.by != PlacedBy::none;
    else
      return false;
  });
}

std::string namespace_names(uint64_t flags) {
  return names_of(kNamespaces, flags);
}

std::string call_name(uint32_t number) {
  for (const Name& entry : kCalls)
    if (entry.value == number) return std::string(entry.name);
  return "syscall " + std::to_string(number);
}

std::string describe(const Plan& plan, uint32_t step) {
  return sentence_of(plan, step).take();
}

std::string filesystem_of(const Plan& plan, uint32_t step) {
  const auto* mount = get_if<steps::MountNew>(plan.steps[step]);
  return mount == nullptr ? "" : plan.data.c_str() + (mount->filesystem.at - kDataOffset);
}

std::string path_of(const Plan& plan, uint32_t step) {
  return sentence_of(plan, step).take_path();
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
    case SourceKind::rootfs_overlay:
      return "an overlay over the rootfs " + source.path;
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
