// SPDX-License-Identifier: Apache-2.0
#include "namespaces/sources.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "namespaces/copy_up.h"
#include "namespaces/filesystem_log.h"
#include "namespaces/mount_copy.h"
#include "namespaces/mount_id_map.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

Error of_call(const char* call, Error error) {
  error.change_details().call = call;
  return error;
}

int open_tree(int dirfd, const char* path, unsigned flags) {
  return static_cast<int>(syscall(SYS_open_tree, dirfd, path, flags | abi::kCloexec));
}

unsigned tree_flags(const Source& source) {
  return abi::kOpenTreeClone | (source.recursive ? abi::kAtRecursive : 0) |
         (source.no_follow ? abi::kAtSymlinkNofollow : 0);
}

Result<UniqueFd> open_tree_source(const Source& source) {
  UniqueFd fd(open_tree(AT_FDCWD, source.path.c_str(), tree_flags(source)));
  if (!fd) return of_call("open_tree", fail(errno, "source {}", source.path));
  return fd;
}

// The path may no longer lead to what the descriptor refers to; then it is refused.
Result<UniqueFd> reopen_rootfs(const Source& source, int rootfs_fd) {
  UniqueFd fd = TRY(open_tree_in_copy(source.path, abi::kOpenTreeClone | abi::kAtRecursive | abi::kAtSymlinkNofollow));
  if (!TRY(is_same_file(fd.get(), rootfs_fd)))
    return fail(ESTALE, "{} was replaced by another directory meanwhile", source.path);
  return fd;
}

Result<UniqueFd> open_rootfs(const Source& source, int rootfs_fd) {
  unsigned way = source.kind == SourceKind::rootfs_namespace ? abi::kOpenTreeNamespace : abi::kOpenTreeClone;
  UniqueFd fd(open_tree(rootfs_fd, "", way | abi::kAtEmptyPath | abi::kAtRecursive));
  if (!fd) return of_call("open_tree", fail(errno, "open_tree {}", source.path));
  return fd;
}

// Opens a node of the host in place of one that the container may not make itself.
Result<UniqueFd> open_device(const Source& source) {
  UniqueFd fd = TRY(open_tree_source(source));
  struct stat facts {};
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat {}", source.path);
  bool device = S_ISCHR(facts.st_mode) || S_ISBLK(facts.st_mode);
  if (!device || facts.st_rdev != source.detail)
    return fail(ErrorKind::host,
                "the host's {} is not the device {}:{}: in a user namespace devices are bind mounts of the host's",
                source.path, major(source.detail), minor(source.detail));
  return fd;
}

bool is_own_mount_namespace(int fd) {
  struct stat own {
  }, other{};
  return stat("/proc/self/ns/mnt", &own) == 0 && fstat(fd, &other) == 0 && own.st_dev == other.st_dev &&
         own.st_ino == other.st_ino;
}

}  // namespace

Result<UniqueFd> open_namespace(const std::string& path, uint64_t wanted) {
  // O_NONBLOCK: the path may name a FIFO by mistake, and opening one must not hang.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fd) return of_call("open", fail(errno, "open {}", path));
  int type = ioctl(fd.get(), NS_GET_NSTYPE);  // Linux 4.11
  if (type < 0) return fail(EINVAL, "{} is not a namespace", path);
  if (static_cast<uint64_t>(type) != wanted) {
    return fail(EINVAL, "{} is a {} namespace, not a {} namespace", path, namespace_names(static_cast<uint64_t>(type)),
                namespace_names(wanted));
  }
  if (wanted == CLONE_NEWNS && is_own_mount_namespace(fd.get()))
    return fail(EINVAL, "{} is minirun's own mount namespace: the container's mounts would cover the host's", path);
  return fd;
}

namespace {

// Covers masked files, so it is checked: anything else would make them readable (CVE-2025-31133).
Result<UniqueFd> open_null_device() {
  UniqueFd fd(open_tree(AT_FDCWD, "/dev/null", abi::kOpenTreeClone | abi::kAtSymlinkNofollow));
  if (!fd) return of_call("open_tree", fail(errno, "open_tree /dev/null"));
  struct stat facts {};
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat /dev/null");
  if (!S_ISCHR(facts.st_mode) || facts.st_rdev != makedev(1, 3))
    return fail(ErrorKind::host,
                "the host's /dev/null is not the character device 1:3: masked paths cannot be hidden with it");
  abi::MountAttributes attributes{abi::kMountAttrReadonly | abi::kMountAttrNosuid | abi::kMountAttrNoexec, 0,
                                  abi::kMsPrivate, 0};
  if (syscall(SYS_mount_setattr, fd.get(), "", abi::kAtEmptyPath, &attributes, sizeof attributes) < 0)
    return of_call("mount_setattr", fail(errno, "mount_setattr /dev/null"));
  return fd;
}

// The filesystem's own error message, if any.
std::string filesystem_says(int context) {
  char text[256];
  ssize_t n = read(context, text, sizeof text);
  return n > 0 ? ": " + filesystem_words({text, static_cast<size_t>(n)}) : "";
}

// Made here, since it needs a device or a path of the host.
Result<UniqueFd> open_filesystem(const Source& source) {
  UniqueFd context(static_cast<int>(syscall(SYS_fsopen, source.type.c_str(), abi::kFsopenCloexec)));
  if (!context) return of_call("fsopen", fail(errno, "fsopen {}", source.type));
  auto configure = [&](unsigned command, const char* key, const char* value) {
    return syscall(SYS_fsconfig, context.get(), command, key, value, 0);
  };
  for (const auto& [key, value] : source.parameters) {
    bool flag = value.empty();
    unsigned command = flag ? abi::kFsconfigSetFlag : abi::kFsconfigSetString;
    if (configure(command, key.c_str(), flag ? nullptr : value.c_str() + 1) < 0) {
      int code = errno;
      return of_call("fsconfig",
                     fail(code, "mount {}: option {}{}{}", source.type, key, value, filesystem_says(context.get())));
    }
  }
  long rc = configure(abi::kFsconfigCreate, nullptr, nullptr);
  const char* call = rc >= 0 ? "fsmount" : "fsconfig";
  if (rc >= 0) rc = syscall(SYS_fsmount, context.get(), abi::kFsmountCloexec, source.detail);
  if (rc < 0) {
    int code = errno;
    return of_call(call, fail(code, "mount {} from {}{}", source.type, source.path, filesystem_says(context.get())));
  }
  return UniqueFd(static_cast<int>(rc));
}

std::string limits_of(const Source& source) {
  std::string limits;
  for (const auto& [key, value] : source.parameters) {
    if (key != "size" && key != "nr_inodes" && key != "nr_blocks") continue;
    if (!limits.empty()) limits.append(",");
    limits.append(key).append(value);
  }
  return limits.empty() ? "half of the memory" : limits;
}

// Gives a tmpfs what it takes from the image's directory beneath it.
Result<void> copy_from_image(const Source& source, int mount_fd, int rootfs_fd) {
  auto given = [&](const char* key) {
    return std::any_of(source.parameters.begin(), source.parameters.end(),
                       [&](const auto& p) { return p.first == key; });
  };
  CopyUp what{source.like_directory, !given("mode"), source.copy_up && !given("uid") && !given("gid"), source.copy_up};
  auto copied = copy_up(rootfs_fd, mount_fd, what);
  if (copied.ok()) return {};
  if (!source.copy_up) return copied.error();
  if (copied.error().code != ENOSPC) return wrap(copied.error(), "tmpcopyup");
  return fail(ENOSPC, "tmpcopyup: {}: the image's {} does not fit into the tmpfs ({})", copied.error().message,
              source.like_directory, limits_of(source));
}

Result<UniqueFd> duplicate(int fd, const std::string& name) {
  UniqueFd copy = UniqueFd::duplicate(fd);
  if (!copy) return fail(errno, "duplicate {}", name);
  return copy;
}

Result<UniqueFd> open_source(const Source& source, const HostDescriptors& host) {
  switch (source.kind) {
    case SourceKind::tree:
      return open_tree_source(source);
    case SourceKind::rootfs_tree:
    case SourceKind::rootfs_namespace:
      return open_rootfs(source, host.rootfs);
    case SourceKind::rootfs_overlay:
      return open_overlay(source, host.rootfs, host.changes);
    case SourceKind::rootfs_directory:
      return duplicate(host.rootfs, source.path);
    case SourceKind::namespace_file:
      return open_namespace(source.path, source.detail);
    case SourceKind::null_device:
      return open_null_device();
    case SourceKind::cgroup_tree: {
      UniqueFd fd(open_tree(host.cgroup, "", abi::kOpenTreeClone | abi::kAtEmptyPath));
      if (!fd) return fail(errno, "open_tree of the container's cgroup");
      return fd;
    }
    case SourceKind::filesystem: {
      UniqueFd fd = TRY(open_filesystem(source));
      if (!source.like_directory.empty()) TRY(copy_from_image(source, fd.get(), host.rootfs));
      return fd;
    }
    case SourceKind::device:
      return open_device(source);
    case SourceKind::proc_context:
      return duplicate(host.proc.at(source.detail), "a filesystem context");
    case SourceKind::given:
      return duplicate(host.given.at(source.detail), source.path);
  }
  return fail(EINVAL, "unknown source");
}

}  // namespace

namespace {

// Prepares a source before the container's side gets it.
Result<void> prepare_source(int mount, const Source& source, const HostDescriptors& host, MountIdMapper& mapper) {
  if (source.id_map.any()) TRY(mapper.apply(mount, source));
  return source.peers == Peers::stay ? Result<void>() : leave_peers(mount, source, host.peers);
}

Error with_origin(Error error, const Source& source) {
  ErrorDetail& detail = error.change_details();
  detail.pointer = source.origin;
  if (detail.path.empty() && source.path.starts_with('/')) detail.path = source.path;
  return source.origin.empty() ? error : wrap(std::move(error), source.origin);
}

Result<UniqueFd> reopen_without_namespaces(const Source& source, const HostDescriptors& host) {
  if (source.kind == SourceKind::rootfs_tree) return reopen_rootfs(source, host.rootfs);
  if (source.kind != SourceKind::tree) return fail(EPROTO, "no tree of the host to open again");
  UniqueFd fd = TRY(open_tree_in_copy(source.path, tree_flags(source)));
  // Drops the peers of the first tree, which no container gets.
  std::erase_if(*host.peers, [&](const PeerMount& peer) { return peer.source == &source; });
  MountIdMapper mapper;
  TRY(prepare_source(fd.get(), source, host, mapper));
  return fd;
}

}  // namespace

Result<std::vector<UniqueFd>> open_sources(const Plan& plan, const HostDescriptors& host, uint32_t turn) {
  std::vector<UniqueFd> opened(plan.slots.size());
  MountIdMapper mapper;
  for (size_t i = 0; i < plan.slots.size(); i++) {
    const Source& source = plan.slots[i];
    if (source.turn != turn) continue;
    auto fd = open_source(source, host);
    if (!fd.ok()) return with_origin(fd.error(), source);
    auto prepared = prepare_source(fd->get(), source, host, mapper);
    if (!prepared.ok()) return with_origin(prepared.error(), source);
    opened[i] = std::move(fd).value();
  }
  return opened;
}

Result<UniqueFd> reopen_source(const Plan& plan, const HostDescriptors& host, uint32_t slot) {
  const Source& source = plan.slots.at(slot);
  auto fd = reopen_without_namespaces(source, host);
  if (!fd.ok()) return with_origin(fd.error(), source);
  return fd;
}

}  // namespace minirun
