// SPDX-License-Identifier: Apache-2.0
// Changes of /process.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "runtime/compile/capabilities.h"
#include "runtime/edit/changes.h"
#include "runtime/text/json.h"

namespace minirun {
namespace {

constexpr const char* kEnv = "/process/env";

std::string env_place(size_t index) {
  return fmt::format("{}/{}", kEnv, index);
}

Result<uint32_t> id_of(std::string_view text) {
  constexpr uint32_t kNoId = 0xffffffff;  // to the kernel it means "leave it as it is" (setresuid(2))
  uint32_t id = kNoId;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id == kNoId)
    return fail(ErrorKind::usage, "--user: must be UID or UID:GID, in numbers (names are not looked up): found {}",
                quoted(text));
  return id;
}

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return result;
}

// All names that this build knows, from the lowest number on.
std::vector<std::string> all_names() {
  std::vector<std::string> names;
  std::string list = capability_names(~uint64_t{0});
  for (size_t at = 0; at < list.size();) {
    size_t end = std::min(list.find(',', at), list.size());
    std::string name = list.substr(at, end - at);
    if (name.starts_with("CAP_")) names.push_back(std::move(name));
    at = end + 1;
  }
  return names;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// "net_admin" and "CAP_NET_ADMIN" are CAP_NET_ADMIN; ALL stays.
Result<std::vector<std::string>> full_names(const char* option, const std::vector<std::string>& given) {
  const std::vector<std::string> known = all_names();
  std::vector<std::string> names;
  for (const std::string& text : given) {
    std::string name = upper(text);
    if (name != "ALL" && !name.starts_with("CAP_")) name.insert(0, "CAP_");
    if (name != "ALL" && !has(known, name))
      return fail(ErrorKind::usage, "{}: must be a capability, such as NET_ADMIN, or ALL: found {}", option,
                  quoted(text));
    names.push_back(name);
  }
  return names;
}

// One set with the changes. The order of what stays is kept.
std::vector<std::string> changed_set(std::vector<std::string> set, const std::vector<std::string>& add,
                                     const std::vector<std::string>& drop) {
  if (has(drop, "ALL")) set.clear();
  if (has(add, "ALL")) set = all_names();
  std::erase_if(set, [&](const std::string& name) { return has(drop, name); });
  for (const std::string& name : add)
    if (name != "ALL" && !has(set, name)) set.push_back(name);
  return set;
}

}  // namespace

Result<void> change_args(JsonEdit& config, const std::vector<std::string>& args) {
  config.label("the command");
  return config.set("/process/args", json_strings(args));
}

Result<void> change_env(JsonEdit& config, const std::string& variable, const SpecCaller& caller) {
  config.label("--env");
  const std::string name = variable.substr(0, variable.find('='));
  if (name.empty()) return fail(ErrorKind::usage, "--env: must be NAME=VALUE or NAME: found {}", quoted(variable));
  std::optional<std::string> entry = variable;
  if (name == variable) {
    const char* value = caller.variable(name.c_str());
    entry = value != nullptr ? std::optional(name + "=" + value) : std::nullopt;
  }
  std::vector<size_t> old;
  for (size_t i = 0; i < config.size(kEnv); ++i)
    if (auto text = config.string(env_place(i)); text && (*text + "=").starts_with(name + "=")) old.push_back(i);
  // A program finds the first of several.
  for (size_t i = old.size(); i-- > (entry ? 1U : 0U);) TRY(config.remove(env_place(old[i])));
  if (!entry) return {};
  if (!old.empty()) return config.set(env_place(old[0]), json_string(*entry));
  return config.append(kEnv, json_string(*entry));
}

Result<void> change_user(JsonEdit& config, const std::string& user) {
  config.label("--user");
  size_t colon = user.find(':');
  uint32_t uid = TRY(id_of(std::string_view(user).substr(0, colon)));
  std::optional<uint32_t> gid;
  if (colon != std::string::npos) gid = TRY(id_of(std::string_view(user).substr(colon + 1)));
  TRY(config.set("/process/user/uid", std::to_string(uid)));
  if (gid) return config.set("/process/user/gid", std::to_string(*gid));
  if (!config.get("/process/user/gid")) return config.set("/process/user/gid", "0");  // the spec requires one
  return {};
}

// An added capability is in the sets that a program of root has it from. Another user's program has only those that are
// ambient, which must be inheritable too (capabilities(7)). For root they are not inheritable: programs with
// inheritable file capabilities would get more than the container's own process (CVE-2022-29162).
Result<void> change_capabilities(JsonEdit& config, const std::vector<std::string>& add,
                                 const std::vector<std::string>& drop) {
  const std::vector<std::string> added = TRY(full_names("--cap-add", add));
  const std::vector<std::string> dropped = TRY(full_names("--cap-drop", drop));
  for (const std::string& name : added)
    if (has(dropped, name)) return fail(ErrorKind::usage, "--cap-add and --cap-drop must not both have {}", name);
  config.label(add.empty() ? "--cap-drop" : "--cap-add");
  const bool root = config.get("/process/user/uid").value_or("0") == "0";
  for (std::string set : {"bounding", "effective", "permitted", "inheritable", "ambient"}) {
    const std::string place = "/process/capabilities/" + set;
    const bool only_drops = root && (set == "inheritable" || set == "ambient");
    const auto names = changed_set(strings_at(config, place), only_drops ? std::vector<std::string>() : added, dropped);
    if (names.empty() && !config.get(place)) continue;
    TRY(config.set(place, json_strings(names)));
  }
  return {};
}

}  // namespace minirun
