// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/unit_name.h"

#include <algorithm>
#include <cerrno>

#include "cgroups/own_name.h"

namespace minirun::systemd {
namespace {

constexpr size_t kMostBytes = 255;  // UNIT_NAME_MAX
constexpr std::string_view kScope = ".scope";
constexpr std::string_view kSlice = ".slice";

// systemd.unit(5): "ASCII letters, digits, ":", "-", "_", ".", and "\"", and "@" for instances.
bool is_unit_character(char c) {
  bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

bool is_unit_name(std::string_view name) {
  return !name.empty() && name.size() <= kMostBytes && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), is_unit_character);
}

}  // namespace

std::string escape_unit(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    if (is_unit_character(c) && c != '\\' && !(c == '.' && escaped.empty()))
      escaped.push_back(c);
    else
      escaped += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return escaped;
}

Result<std::string> slice_path(std::string_view slice) {
  auto refuse = [&] { return fail(ErrorKind::config, EINVAL, "\"{}\" is not the name of a slice of systemd", slice); };
  if (!is_unit_name(slice) || !slice.ends_with(kSlice)) return refuse();
  std::string_view name = slice.substr(0, slice.size() - kSlice.size());
  if (name == "-") return std::string();
  std::string path;
  for (size_t end = 0; end != name.npos;) {
    size_t start = end == 0 ? 0 : end + 1;
    end = name.find('-', start);
    if (end == start || start == name.size()) return refuse();  // an empty part
    path += fmt::format("/{}{}", name.substr(0, end), kSlice);
  }
  return path;
}

Result<ScopeName> parse_scope_name(std::string_view cgroups_path, std::string_view id, bool user) {
  ScopeName scope{user ? "user.slice" : "system.slice", ""};
  if (cgroups_path.empty()) {
    scope.unit = own_cgroup_name(escape_unit(id), kScope);
    return scope;
  }
  size_t first = cgroups_path.find(':');
  size_t second = first == cgroups_path.npos ? first : cgroups_path.find(':', first + 1);
  if (second == cgroups_path.npos || cgroups_path.find(':', second + 1) != cgroups_path.npos)
    return fail(ErrorKind::config, EINVAL,
                "expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"{}\" instead",
                cgroups_path);
  std::string_view slice = cgroups_path.substr(0, first);
  std::string_view prefix = cgroups_path.substr(first + 1, second - first - 1);
  std::string_view name = cgroups_path.substr(second + 1);
  if (name.ends_with(kSlice))
    return fail(ErrorKind::config, EINVAL, "\"{}\" is the name of a slice, and a slice of systemd can hold no process",
                name);
  if (!slice.empty()) scope.slice = slice;
  TRY(slice_path(scope.slice));
  scope.unit = fmt::format("{}{}{}{}", prefix, prefix.empty() ? "" : "-", name, kScope);
  if (name.empty() || !is_unit_name(scope.unit))
    return fail(ErrorKind::config, EINVAL, "\"{}\" is not the name of a unit of systemd", scope.unit);
  return scope;
}

}  // namespace minirun::systemd
