#include "runtime/criu/images.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "runtime/criu/arguments.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kDescriptors = "/descriptors.json";

Result<std::string> absolute(const std::string& path) {
  char resolved[PATH_MAX];
  if (realpath(path.c_str(), resolved) == nullptr) return fail(errno, "open {}", path);
  struct stat info {};
  if (stat(resolved, &info) < 0) return fail(errno, "open {}", path);
  if (!S_ISDIR(info.st_mode)) return fail(ENOTDIR, "open {}", path);
  return std::string(resolved);
}

Result<std::string> made(const std::string& path) {
  if (mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) return fail(errno, "mkdir {}", path);
  return absolute(path);
}

}  // namespace

Result<ImagePaths> make_image_paths(const std::string& images, const std::string& work) {
  ImagePaths paths;
  paths.images = TRY(made(images));
  paths.work = work.empty() ? paths.images : TRY(made(work));
  return paths;
}

Result<ImagePaths> find_image_paths(const std::string& images, const std::string& work) {
  ImagePaths paths;
  paths.images = TRY(absolute(images));
  paths.work = work.empty() ? paths.images : TRY(made(work));
  return paths;
}

Result<void> check_parent_images(const ImagePaths& paths, const std::string& parent) {
  auto found = absolute(paths.images + "/" + parent);
  if (!found.ok()) return wrap(found.error(), "--parent-path");
  return {};
}

Result<void> write_descriptors(const ImagePaths& paths, const std::vector<std::string>& names) {
  return replace_file(AT_FDCWD, paths.images + kDescriptors, descriptors_to_json(names), 0600);
}

Result<std::vector<std::string>> read_descriptors(const ImagePaths& paths) {
  std::string file = paths.images + kDescriptors;
  auto names = descriptors_from_json(TRY(read_file(AT_FDCWD, file)));
  if (!names.ok()) return wrap(names.error(), file);
  return names;
}

}  // namespace minirun
