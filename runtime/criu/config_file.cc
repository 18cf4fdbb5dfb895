// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "runtime/compile/mount_links.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/mount_options.h"

namespace minirun {
namespace {

struct Inode {
  dev_t device;
  ino_t number;
  bool operator==(const Inode&) const = default;
};

// The directories that the container may write to, whatever their paths on the host.
std::vector<Inode> reachable(const oci::Spec& spec, const std::string& bundle, const std::string& rootfs) {
  std::vector<std::string> paths = {rootfs};
  for (const oci::Mount& mount : spec.mounts)
    if (mount.parsed.bind) paths.push_back(bind_source(mount, bundle));
  std::vector<Inode> inodes;
  struct stat info {};
  for (const std::string& path : paths)
    if (stat(path.c_str(), &info) == 0) inodes.push_back({info.st_dev, info.st_ino});
  return inodes;
}

Result<void> check(int fd, const std::string& path, const std::vector<Inode>& reached) {
  struct stat info {};
  if (fstat(fd, &info) < 0) return fail(errno, "stat {}", path);
  if (info.st_uid != 0 || (info.st_mode & 022) != 0)
    return fail(ErrorKind::config, "{} must belong to root and be writable by root alone", path);
  if (std::find(reached.begin(), reached.end(), Inode{info.st_dev, info.st_ino}) != reached.end())
    return fail(ErrorKind::config, "{} can be reached by the container", path);
  return {};
}

Result<UniqueFd> open_checked(const std::string& path, const std::vector<Inode>& reached) {
  if (!path.starts_with('/')) return fail(ErrorKind::config, "must be an absolute path");
  UniqueFd at(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!at) return fail(errno, "open /");
  for (size_t start = 1, end = 0; end != path.npos; start = end + 1) {
    TRY(check(at.get(), path.substr(0, std::max<size_t>(start - 1, 1)), reached));
    end = path.find('/', start);
    std::string name = path.substr(start, end == path.npos ? end : end - start);
    if (name.empty() || name == "." || name == "..")
      return fail(ErrorKind::config, "must have no empty, . or .. component");
    int kind = end == path.npos ? O_RDONLY | O_NONBLOCK | O_NOCTTY : O_PATH | O_DIRECTORY;
    UniqueFd next(openat(at.get(), name.c_str(), kind | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return fail(errno, "open {} without following links", path.substr(0, end));
    at = std::move(next);
  }
  TRY(check(at.get(), path, reached));
  struct stat info {};
  if (fstat(at.get(), &info) < 0 || !S_ISREG(info.st_mode)) return fail(ErrorKind::config, "must be a regular file");
  return at;
}

}  // namespace

Result<std::optional<UniqueFd>> open_criu_config(const oci::Spec& spec, const std::string& bundle,
                                                 const std::string& rootfs) {
  std::string path = criu_config_file(spec.annotations);
  if (path.empty()) return std::optional<UniqueFd>();
  auto opened = open_checked(path, reachable(spec, bundle, rootfs));
  if (!opened.ok())
    return wrap(opened.error(), fmt::format("annotation {}: {}", annotation_key(Annotation::criu_config), path));
  return std::optional<UniqueFd>(std::move(opened).value());
}

std::string criu_config_path(int fd) {
  return fmt::format("/proc/self/fd/{}", fd);
}

}  // namespace minirun
