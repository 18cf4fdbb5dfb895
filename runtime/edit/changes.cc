// SPDX-License-Identifier: Apache-2.0
#include "runtime/edit/changes.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/edit/seccomp_profile.h"
#include "runtime/text/json.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/shown.h"

namespace minirun {
namespace {

const char* bool_text(bool value) {
  return value ? "true" : "false";
}

// A JSON text cannot hold anything else: minirun would have to alter it.
Result<void> check_utf8(const SpecChanges& changes) {
  auto check = [](const char* option, const std::string& text) -> Result<void> {
    if (is_utf8(text)) return {};
    return fail(ErrorKind::usage, "{}: must be UTF-8, as all text in JSON is: found {}", option, quoted(text));
  };
  auto check_all = [&](const char* option, const std::vector<std::string>& texts) -> Result<void> {
    for (const std::string& text : texts) TRY(check(option, text));
    return {};
  };
  TRY(check_all("the command", changes.args));
  TRY(check_all("--env", changes.env));
  TRY(check("--cwd", changes.cwd.value_or("")));
  TRY(check_all("--bind", changes.binds));
  TRY(check_all("--tmpfs", changes.tmpfs));
  return check("--hostname", changes.hostname.value_or(""));
}

Result<void> apply_to_process(JsonEdit& config, const SpecChanges& changes, const SpecCaller& caller) {
  if (!changes.args.empty()) TRY(change_args(config, changes.args));
  for (const std::string& variable : changes.env) TRY(change_env(config, variable, caller));
  if (changes.cwd) {
    config.label("--cwd");
    TRY(config.set("/process/cwd", json_string(*changes.cwd)));
  }
  if (changes.user) TRY(change_user(config, *changes.user));
  if (changes.terminal) {
    config.label(*changes.terminal ? "--terminal" : "--no-terminal");
    TRY(config.set("/process/terminal", bool_text(*changes.terminal)));
  }
  return {};
}

Result<void> apply_to_resources(JsonEdit& config, const SpecChanges& changes) {
  if (changes.memory) TRY(change_memory(config, *changes.memory));
  if (changes.cpus) TRY(change_cpus(config, *changes.cpus));
  if (changes.pids) TRY(change_pids(config, *changes.pids));
  return {};
}

}  // namespace

bool SpecChanges::any() const {
  bool list =
      !args.empty() || !env.empty() || !binds.empty() || !tmpfs.empty() || !cap_add.empty() || !cap_drop.empty();
  bool text = cwd || user || memory || cpus || pids || hostname || !seccomp.empty();
  return list || text || terminal || own_network || read_only;
}

Result<void> apply_changes(JsonEdit& config, const SpecChanges& changes, const SpecCaller& caller) {
  TRY(check_utf8(changes));
  TRY(apply_to_process(config, changes, caller));
  TRY(apply_to_resources(config, changes));
  for (const std::string& bind : changes.binds) TRY(change_bind(config, bind, caller));
  for (const std::string& tmpfs : changes.tmpfs) TRY(change_tmpfs(config, tmpfs));
  if (changes.hostname) TRY(change_hostname(config, *changes.hostname));
  if (changes.own_network) TRY(change_network(config, *changes.own_network));
  if (changes.read_only) {
    config.label(*changes.read_only ? "--read-only" : "--read-write");
    TRY(config.set("/root/readonly", bool_text(*changes.read_only)));
  }
  if (!changes.cap_add.empty() || !changes.cap_drop.empty())
    TRY(change_capabilities(config, changes.cap_add, changes.cap_drop));
  if (!changes.seccomp.empty()) TRY(change_seccomp(config, changes.seccomp));
  config.label("");
  return {};
}

std::vector<std::string> strings_at(const JsonEdit& config, const std::string& pointer) {
  std::vector<std::string> strings;
  for (size_t i = 0; i < config.size(pointer); ++i)
    strings.push_back(config.string(fmt::format("{}/{}", pointer, i)).value_or(""));
  return strings;
}

std::string json_strings(const std::vector<std::string>& strings) {
  JsonWriter json;
  json.begin_array();
  for (const std::string& text : strings) json.string(text);
  return json.end_array().take();
}

Result<void> change_seccomp(JsonEdit& config, const std::string& profile) {
  config.label("--seccomp");
  if (profile == "none") return config.remove("/linux/seccomp");
  if (profile != "default")
    return fail(ErrorKind::usage, "--seccomp: must be default or none: found {}", quoted(profile));
  return config.set("/linux/seccomp", default_seccomp(strings_at(config, "/process/capabilities/bounding")));
}

}  // namespace minirun
