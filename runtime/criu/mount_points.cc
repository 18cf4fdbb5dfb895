// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/mount_points.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/file.h"

namespace minirun {
namespace {

bool below_another(const oci::Spec& spec, const std::string& path) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [&](const oci::Mount& mount) {
    return mount.target != "/" && path.starts_with(mount.target + "/");
  });
}

Result<void> make_last(int parent, const std::string& name, bool directory) {
  if (directory) {
    if (mkdirat(parent, name.c_str(), 0755) < 0 && errno != EEXIST) return fail(errno, "mkdir {}", name);
    return {};
  }
  UniqueFd file(openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file && errno != EEXIST) return fail(errno, "create {}", name);
  return {};
}

// Follows no link on the way, so that nothing is made outside the root filesystem.
Result<void> make_mount_point(int rootfs, const std::string& path, bool directory) {
  UniqueFd at = TRY(open_at(rootfs, ".", O_PATH | O_DIRECTORY));
  size_t start = 1;
  for (size_t slash = path.find('/', start); slash != std::string::npos; slash = path.find('/', start)) {
    std::string name = path.substr(start, slash - start);
    TRY(make_last(at.get(), name, true));
    UniqueFd next(openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next && (errno == ELOOP || errno == ENOTDIR)) return {};
    if (!next) return fail(errno, "open {}", name);
    at = std::move(next);
    start = slash + 1;
  }
  return start < path.size() ? make_last(at.get(), path.substr(start), directory) : Result<void>();
}

bool is_directory(const std::string& source) {
  struct stat info {};
  return stat(source.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

// proc_pid_mountinfo(5): "36 35 98:0 /mnt1 /mnt2 rw - ...", with \040 and the like for blanks.
std::string mount_point_of(std::string_view mountinfo, uint64_t id) {
  const std::string start = fmt::format("{} ", id);
  size_t at = mountinfo.starts_with(start) ? 0 : mountinfo.find("\n" + start);
  if (at == mountinfo.npos) return "";
  std::string_view line = mountinfo.substr(at + (at == 0 ? 0 : 1));
  for (int field = 0; field < 4; ++field) line.remove_prefix(std::min(line.find(' '), line.size() - 1) + 1);
  line = line.substr(0, line.find(' '));
  std::string path;
  for (size_t i = 0; i < line.size(); ++i) {
    bool escaped = line[i] == '\\' && i + 3 < line.size();
    path +=
        escaped ? static_cast<char>((line[i + 1] - '0') * 64 + (line[i + 2] - '0') * 8 + line[i + 3] - '0') : line[i];
    if (escaped) i += 3;
  }
  return path;
}

}  // namespace

Result<std::string> mounted_at(pid_t pid, const std::string& path) {
  UniqueFd root = TRY(open_at(AT_FDCWD, fmt::format("/proc/{}/root", pid), O_PATH | O_DIRECTORY));
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  UniqueFd file(static_cast<int>(syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof how)));
  struct statx info {};
  if (!file || statx(file.get(), "", AT_EMPTY_PATH, STATX_MNT_ID, &info) < 0) return path;
  std::string mountinfo = TRY(read_file(AT_FDCWD, fmt::format("/proc/{}/mountinfo", pid), size_t{64} << 20));
  std::string found = mount_point_of(mountinfo, info.stx_mnt_id);
  return found.empty() ? path : found;
}

Result<void> make_mount_points(int rootfs, const oci::Spec& spec, const std::vector<CriuMount>& external) {
  for (const oci::Mount& mount : spec.mounts) {
    const std::string& path = mount.target;
    if (below_another(spec, path)) continue;
    auto is_it = [&](const CriuMount& other) { return other.destination == path; };
    auto found = std::find_if(external.begin(), external.end(), is_it);
    bool directory = found == external.end() || is_directory(found->source);
    auto made = make_mount_point(rootfs, path, directory);
    if (!made.ok()) return wrap(made.error(), "make the mount point " + path);
  }
  return {};
}

}  // namespace minirun
