// SPDX-License-Identifier: Apache-2.0
// Names the descriptors of a process that lead out of its container, in criu's terms.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <set>

#include "runtime/criu/arguments.h"
#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/mountinfo.h"

namespace minirun {
namespace {

constexpr size_t kMostDescriptors = 4096;  // in the list

std::set<uint64_t> mount_ids(std::string_view table) {
  std::set<uint64_t> ids;
  for (const MountLine& mount : parse_mountinfo(table)) ids.insert(mount.id);
  return ids;
}

// proc_pid_fdinfo(5): "mnt_id:\t24"
uint64_t mount_id_of(std::string_view fdinfo) {
  constexpr std::string_view kKey = "mnt_id:\t";
  size_t at = fdinfo.find(kKey);
  uint64_t id = 0;
  if (at != std::string_view::npos)
    std::from_chars(fdinfo.data() + at + kKey.size(), fdinfo.data() + fdinfo.size(), id);
  return id;
}

bool is_tty(const struct stat& info) {
  constexpr unsigned kTty = 4, kTtyAux = 5, kFirstPts = 136, kLastPts = 143;
  unsigned type = major(info.st_rdev);
  bool pts = type >= kFirstPts && type <= kLastPts;
  return S_ISCHR(info.st_mode) && (pts || type == kTty || type == kTtyAux);
}

std::string name_of(const std::string& process, const std::string& fd, const std::set<uint64_t>& inside) {
  std::array<char, 64> target{};
  std::string link = process + "/fd/" + fd;
  ssize_t n = readlink(link.c_str(), target.data(), target.size() - 1);
  std::string_view text(target.data(), n < 0 ? 0 : static_cast<size_t>(n));
  if (text.starts_with("pipe:[") || text.starts_with("socket:[")) return std::string(text);
  struct stat info {};
  if (n < 0 || text[0] != '/' || stat(link.c_str(), &info) < 0) return "";
  // The terminal's other side is always outside, wherever this one was opened.
  if (is_tty(info)) return fmt::format("tty[{:x}:{:x}]", info.st_rdev, info.st_dev);
  auto fdinfo = read_file(AT_FDCWD, process + "/fdinfo/" + fd);
  if (!fdinfo.ok()) return "";
  uint64_t mount = mount_id_of(*fdinfo);
  if (inside.count(mount) != 0) return "";
  return fmt::format("file[{:x}:{:x}]", mount, info.st_ino);
}

}  // namespace

Result<std::vector<std::string>> descriptor_names(pid_t pid) {
  std::string process = fmt::format("/proc/{}", pid);
  std::set<uint64_t> inside = mount_ids(TRY(read_file(AT_FDCWD, process + "/mountinfo", kMostMountinfoBytes)));
  std::vector<std::string> names(3);
  TRY(for_each_entry(AT_FDCWD, process + "/fd", [&](const dirent& entry) -> Result<bool> {
    std::string_view text = static_cast<const char*>(entry.d_name);
    size_t number = kMostDescriptors;
    std::from_chars(text.data(), text.data() + text.size(), number);
    if (number >= kMostDescriptors) return true;
    std::string name = name_of(process, std::string(text), inside);
    // Its own pipes and sockets have both ends inside: criu saves them.
    bool own = number > 2 && (name.starts_with("pipe:") || name.starts_with("socket:"));
    if (name.empty() || own) return true;
    if (names.size() <= number) names.resize(number + 1);
    names[number] = std::move(name);
    return true;
  }));
  return names;
}

std::string descriptors_to_json(const std::vector<std::string>& names) {
  JsonWriter json;
  json.begin_array();
  for (const std::string& name : names) json.string(name);
  json.end_array();
  return json.take();
}

Result<std::vector<std::string>> descriptors_from_json(std::string_view text) {
  auto document = TRY(JsonDocument::parse(text));
  if (document->root().type() != JsonType::array) return fail(ErrorKind::config, "must be an array");
  std::vector<std::string> names;
  for (auto value = document->root().first(); value; value = value->next()) {
    if (value->type() != JsonType::string) return fail(ErrorKind::config, "must be an array of strings");
    names.emplace_back(value->text());
  }
  return names;
}

}  // namespace minirun
