// SPDX-License-Identifier: Apache-2.0
// Changes of /mounts, and of the namespaces that mounts depend on.
#include <fmt/format.h>

#include <algorithm>

#include "runtime/edit/changes.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/mount_options.h"
#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

constexpr const char* kMounts = "/mounts";
constexpr const char* kNamespaces = "/linux/namespaces";

std::string mount_place(size_t index) {
  return fmt::format("{}/{}", kMounts, index);
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

bool is_below(std::string_view path, std::string_view folder) {
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

// In the place of the last mount at the destination, which hides the others there; else before the first mount that is
// below it, which it would hide.
Result<void> place_mount(JsonEdit& config, const std::string& destination, const std::string& mount) {
  const std::string target = clean_path(destination);
  std::optional<size_t> same, below;
  for (size_t i = 0; i < config.size(kMounts); ++i) {
    std::string other = clean_path(config.string(mount_place(i) + "/destination").value_or(""));
    if (other == target) same = i;
    if (!below && is_below(other, target)) below = i;
  }
  if (same) return config.set(mount_place(*same), mount);
  return config.insert(kMounts, below.value_or(SIZE_MAX), mount);
}

std::string mount_text(const std::string& destination, const char* type, const std::string& source,
                       const std::vector<std::string>& options) {
  JsonWriter json;
  json.begin_object().key("destination").string(destination).key("type").string(type).key("source").string(source);
  json.key("options").begin_array();
  for (const std::string& option : options) json.string(option);
  return json.end_array().end_object().take();
}

Result<void> check_destination(const char* option, const std::string& destination) {
  if (destination.starts_with('/') && clean_path(destination) != "/") return {};
  return fail(ErrorKind::usage, "{}: the destination must be an absolute path below the root: found {}", option,
              quoted(destination));
}

// What mount(8) calls the options of tmpfs: tmpfs(5) and Documentation/filesystems/tmpfs.rst.
bool is_tmpfs_parameter(std::string_view option) {
  static constexpr std::string_view kNames[] = {"size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "huge", "mpol"};
  static constexpr std::string_view kFlags[] = {"inode32", "inode64", "noswap"};
  size_t equals = option.find('=');
  if (equals == option.npos) return std::find(std::begin(kFlags), std::end(kFlags), option) != std::end(kFlags);
  std::string_view name = option.substr(0, equals), value = option.substr(equals + 1);
  if (std::find(std::begin(kNames), std::end(kNames), name) == std::end(kNames) || value.empty()) return false;
  if (name == "mode") return value.find_first_not_of("01234567") == value.npos && value.size() <= 5;
  if (name == "uid" || name == "gid") return value.find_first_not_of("0123456789") == value.npos;
  if (name == "huge" || name == "mpol") return true;
  size_t digits = std::min(value.find_first_not_of("0123456789"), value.size());
  std::string_view unit = value.substr(digits);
  bool suffix = unit.empty() || (unit.size() == 1 && std::string_view("kKmMgGtT").find(unit[0]) != unit.npos);
  return digits > 0 && (suffix || (name == "size" && unit == "%"));
}

std::optional<size_t> namespace_at(const JsonEdit& config, std::string_view type) {
  for (size_t i = 0; i < config.size(kNamespaces); ++i)
    if (config.string(fmt::format("{}/{}/type", kNamespaces, i)) == type) return i;
  return std::nullopt;
}

Result<void> add_namespace(JsonEdit& config, const char* type) {
  return config.append(kNamespaces, fmt::format(R"({{"type":"{}"}})", type));
}

// A user namespace may mount a sysfs only together with a network namespace of its own (kernfs; sysfs_init_fs_context()
// in fs/sysfs/mount.c). The host's, bound in its place, shows the same.
Result<void> bind_sysfs(JsonEdit& config) {
  for (size_t i = 0; i < config.size(kMounts); ++i) {
    const std::string place = mount_place(i);
    auto options = strings_at(config, place + "/options");
    if (config.string(place + "/type") != "sysfs" || parse_mount_options(options).bind) continue;
    options.insert(options.begin(), "rbind");
    TRY(config.set(place + "/type", R"("none")"));
    TRY(config.set(place + "/source", R"("/sys")"));
    TRY(config.set(place + "/options", json_strings(options)));
  }
  return {};
}

}  // namespace

Result<void> change_bind(JsonEdit& config, const std::string& bind, const SpecCaller& caller) {
  config.label("--bind");
  auto parts = split(bind, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty())
    return fail(ErrorKind::usage, "--bind: must be SOURCE:DESTINATION or SOURCE:DESTINATION:OPTIONS: found {}",
                quoted(bind));
  TRY(check_destination("--bind", parts[1]));
  std::string source = parts[0];
  while (source.starts_with("./")) source.erase(0, 2);
  if (source.empty() || source == ".")
    source = caller.directory;
  else if (!source.starts_with('/'))
    source = (caller.directory == "/" ? "" : caller.directory) + "/" + source;
  std::vector<std::string> options = {"rbind"};
  for (const std::string& option : parts.size() == 3 ? split(parts[2], ',') : std::vector<std::string>()) {
    const auto known = known_mount_options();
    if (std::find(known.begin(), known.end(), option) == known.end())
      return fail(ErrorKind::usage, "--bind: {} is not an option of a bind mount, such as ro: found {}", quoted(option),
                  quoted(bind));
    if (option == "bind" || option == "rbind")
      options[0] = option;
    else
      options.push_back(option == "ro" ? "rro" : option);  // the mounts below it are as read-only
  }
  return place_mount(config, parts[1], mount_text(parts[1], "bind", source, options));
}

Result<void> change_tmpfs(JsonEdit& config, const std::string& tmpfs) {
  config.label("--tmpfs");
  const size_t colon = tmpfs.find(':');
  const std::string destination = tmpfs.substr(0, colon);
  TRY(check_destination("--tmpfs", destination));
  std::vector<std::string> options = {"nosuid", "nodev", "noexec"};  // the last one of two opposites counts
  const auto known = known_mount_options();
  for (const std::string& option :
       colon == tmpfs.npos ? std::vector<std::string>() : split(tmpfs.substr(colon + 1), ',')) {
    bool bind = option == "bind" || option == "rbind" || option == "remount";
    if (bind || (std::find(known.begin(), known.end(), option) == known.end() && !is_tmpfs_parameter(option)))
      return fail(ErrorKind::usage, "--tmpfs: {} is not an option of a tmpfs, such as size=64m or mode=1777: found {}",
                  quoted(option), quoted(tmpfs));
    options.push_back(option);
  }
  return place_mount(config, destination, mount_text(destination, "tmpfs", "tmpfs", options));
}

Result<void> change_hostname(JsonEdit& config, const std::string& name) {
  config.label("--hostname");
  if (name.empty()) return fail(ErrorKind::usage, "--hostname: must be a name: found \"\"");
  if (!namespace_at(config, "uts")) TRY(add_namespace(config, "uts"));
  return config.set("/hostname", json_string(name));
}

Result<void> change_network(JsonEdit& config, bool own) {
  config.label(own ? "--no-network" : "--host-network");
  auto present = namespace_at(config, "network");
  if (own) {
    if (!present) return add_namespace(config, "network");
    return config.remove(fmt::format("{}/{}/path", kNamespaces, *present));
  }
  for (; present; present = namespace_at(config, "network"))
    TRY(config.remove(fmt::format("{}/{}", kNamespaces, *present)));
  if (namespace_at(config, "user")) return bind_sysfs(config);
  return {};
}

}  // namespace minirun
