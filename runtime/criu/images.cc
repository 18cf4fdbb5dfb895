// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/images.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "runtime/criu/arguments.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kDescriptors = "/descriptors.json";
constexpr const char* kInitName = "/init.json";
constexpr const char* kInitProgram = "/init";
constexpr size_t kMostInitBytes = size_t{1} << 20;

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

Result<ImagePaths> with_work(const std::string& images, const std::string& work) {
  return ImagePaths{images, work.empty() ? images : TRY(made(work))};
}

}  // namespace

Result<ImagePaths> make_image_paths(const std::string& images, const std::string& work) {
  return with_work(TRY(made(images)), work);
}

Result<ImagePaths> find_image_paths(const std::string& images, const std::string& work) {
  return with_work(TRY(absolute(images)), work);
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

Result<void> write_init(const ImagePaths& paths, const SavedInit& init) {
  const std::string name = paths.images + kInitName, program = paths.images + kInitProgram;
  if (!init.name.empty()) {
    TRY(replace_file(AT_FDCWD, program, init.program, 0600));
    std::vector<std::string> names = {init.name};
    if (!init.end_page.empty()) names.push_back(init.end_page);
    return replace_file(AT_FDCWD, name, descriptors_to_json(names), 0600);
  }
  for (const std::string& file : {name, program})
    if (unlink(file.c_str()) < 0 && errno != ENOENT) return fail(errno, "unlink {}", file);
  return {};
}

Result<SavedInit> read_init(const ImagePaths& paths) {
  const std::string file = paths.images + kInitName;
  auto text = read_file(AT_FDCWD, file);
  if (!text.ok() && text.error().code == ENOENT) return SavedInit{};
  if (!text.ok()) return text.error();
  auto names = descriptors_from_json(*text);
  if (!names.ok()) return wrap(names.error(), file);
  const bool good = !names->empty() && names->size() <= 2 && !names->front().empty() && !names->back().empty();
  if (!good) return fail(ErrorKind::host, "{}: must have one name, or two", file);
  std::string program = TRY(read_file(AT_FDCWD, paths.images + kInitProgram, kMostInitBytes));
  return SavedInit{names->front(), std::move(program), names->size() == 2 ? names->back() : std::string()};
}

}  // namespace minirun
