// SPDX-License-Identifier: Apache-2.0
#include "namespaces/mount_id_map.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "namespaces/sources.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/mountinfo.h"

namespace minirun {
namespace {

int set_mappings(int mount, int user_namespace, bool recursive) {
  abi::MountAttributes attributes{abi::kMountAttrIdmap, 0, 0, static_cast<uint64_t>(user_namespace)};
  unsigned flags = abi::kAtEmptyPath | (recursive ? abi::kAtRecursive : 0);
  return static_cast<int>(syscall(SYS_mount_setattr, mount, "", flags, &attributes, sizeof attributes));
}

uint64_t mount_id_of(const std::string& path) {
  struct statx facts {};
  return statx(AT_FDCWD, path.c_str(), 0, STATX_MNT_ID, &facts) < 0 ? 0 : facts.stx_mnt_id;
}

bool refuses(const MountLine& line, int user_namespace) {
  UniqueFd tree(static_cast<int>(syscall(SYS_open_tree, AT_FDCWD, line.mount_point.c_str(),
                                         abi::kOpenTreeClone | abi::kAtSymlinkNofollow | abi::kCloexec)));
  return tree && set_mappings(tree.get(), user_namespace, false) < 0;
}

// For an error: which of the mounts was refused. "" if unknown.
std::string refusing_filesystem(const Source& source, int user_namespace) {
  if (source.kind == SourceKind::filesystem) return source.type;
  auto text = read_file(AT_FDCWD, "/proc/self/mountinfo", kMostMountinfoBytes);
  char real[PATH_MAX];
  if (!text.ok() || realpath(source.path.c_str(), real) == nullptr) return "";
  uint64_t top = mount_id_of(source.path);
  std::string below = std::string(real) == "/" ? "/" : std::string(real) + "/";
  std::vector<MountLine> mounts = parse_mountinfo(*text);
  for (bool looks_below : {false, true}) {
    if (looks_below && !source.id_map.recursive) continue;
    for (const MountLine& line : mounts) {
      bool candidate = looks_below ? line.mount_point.starts_with(below) && line.id != top : line.id == top;
      bool only_one = !source.id_map.recursive;
      if (candidate && (only_one || refuses(line, user_namespace)))
        return fmt::format("{} (mounted on {})", line.type, line.mount_point);
    }
  }
  return "";
}

Error refused(int code, const Source& source, int user_namespace) {
  std::string filesystem = refusing_filesystem(source, user_namespace);
  const char* why = code == EINVAL  ? ": this filesystem cannot be idmapped (on this kernel)"
                    : code == EPERM ? ": it is idmapped already, or belongs to another user namespace than minirun's"
                                    : "";
  return fail(code, "map the ids of {}{}{}{}", source.path, filesystem.empty() ? "" : " on ", filesystem, why);
}

}  // namespace

Result<int> MountIdMapper::user_namespace(const MountIdMap& map) {
  for (const Namespace& made : namespaces_)
    if (made.map.same_ids(map)) return made.fd.get();
  auto opened = map.user_namespace.empty() ? make_user_namespace(map.uids, map.gids)
                                           : open_namespace(map.user_namespace, CLONE_NEWUSER);
  if (!opened.ok()) return wrap(opened.error(), "map the ids of the mount");
  struct stat own {
  }, other{};
  if (stat("/proc/self/ns/user", &own) == 0 && fstat(opened->get(), &other) == 0 && own.st_dev == other.st_dev &&
      own.st_ino == other.st_ino)
    return fail(ErrorKind::config,
                "map the ids of the mount: {} is minirun's own user namespace, which maps every id to itself",
                map.user_namespace);
  namespaces_.push_back({map, std::move(opened).value()});
  return namespaces_.back().fd.get();
}

Result<void> MountIdMapper::apply(int mount, const Source& source) {
  int user = TRY(user_namespace(source.id_map));
  if (set_mappings(mount, user, source.id_map.recursive) == 0) return {};
  return refused(errno, source, user);
}

}  // namespace minirun
