// SPDX-License-Identifier: Apache-2.0
#include "sys/mountinfo.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <climits>
#include <cstdlib>
#include <utility>

#include "sys/file.h"

namespace minirun {
namespace {

// "\040" is a space, and the like.
std::string without_escapes(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    unsigned value = 0;
    auto digits = text.substr(i, 4);
    if (text[i] == '\\' && digits.size() == 4 &&
        std::from_chars(digits.data() + 1, digits.data() + 4, value, 8).ptr == digits.data() + 4) {
      out += static_cast<char>(value);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string_view take_field(std::string_view* line) {
  size_t end = std::min(line->find(' '), line->size());
  std::string_view field = line->substr(0, end);
  line->remove_prefix(std::min(end + 1, line->size()));
  return field;
}

uint64_t take_number(std::string_view* line) {
  std::string_view field = take_field(line);
  uint64_t number = 0;
  std::from_chars(field.data(), field.data() + field.size(), number);
  return number;
}

}  // namespace

std::vector<MountLine> parse_mountinfo(std::string_view text) {
  std::vector<MountLine> mounts;
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    // "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": before the hyphen one field for each
    // kind of propagation.
    size_t separator = line.find(" - ");
    if (separator == std::string_view::npos) continue;
    std::string_view rest = line.substr(separator + 3);
    line = line.substr(0, separator);
    MountLine mount;
    mount.id = take_number(&line);
    mount.parent = take_number(&line);
    (void)take_field(&line);  // device
    mount.root = without_escapes(take_field(&line));
    mount.mount_point = without_escapes(take_field(&line));
    mount.type = take_field(&rest);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

Result<std::vector<MountBelow>> mounts_below(const std::string& path) {
  char real[PATH_MAX];
  if (realpath(path.c_str(), real) == nullptr) return fail(errno, "resolve {}", path);
  const std::string top = real, prefix = top == "/" ? top : top + "/";
  std::vector<MountBelow> found;
  for (MountLine& line : parse_mountinfo(TRY(read_file(AT_FDCWD, "/proc/self/mountinfo", kMostMountinfoBytes)))) {
    bool itself = line.mount_point == top;
    if (!itself && !line.mount_point.starts_with(prefix)) continue;
    std::string below = itself ? "" : line.mount_point.substr(prefix.size());
    found.push_back({std::move(line), std::move(below)});
  }
  return found;
}

}  // namespace minirun
