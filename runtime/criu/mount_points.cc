#include "runtime/criu/mount_points.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "runtime/oci/container_path.h"
#include "sys/file.h"

namespace minirun {
namespace {

bool below_another(const oci::Spec& spec, const std::string& path) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [&](const oci::Mount& mount) {
    std::string above = clean_path(mount.destination);
    return above != "/" && path.starts_with(above + "/");
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

// No link is followed on the way, so that nothing is made outside of the root filesystem.
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

}  // namespace

Result<void> make_mount_points(int rootfs, const oci::Spec& spec, const std::vector<CriuMount>& external) {
  for (const oci::Mount& mount : spec.mounts) {
    std::string path = clean_path(mount.destination);
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
