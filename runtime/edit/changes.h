// SPDX-License-Identifier: Apache-2.0
// Changes of a config.json, each from the text of an option of `minirun spec`. Nothing here examines the host or writes
// a file. An error of kind usage begins with the option; one of kind config has the pointer of what the file has
// instead of an object or an array. Each change made twice is the same as made once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/text/json_edit.h"
#include "sys/result.h"

namespace minirun {

struct SpecChanges {
  std::vector<std::string> args;  // empty: unchanged; so in all that follows
  std::vector<std::string> env;   // NAME=VALUE; NAME: the caller's value, or no such variable if the caller has none
  std::optional<std::string> cwd;
  std::optional<std::string> user;  // UID[:GID]
  std::optional<bool> terminal;
  std::optional<std::string> memory;  // as parse_byte_size() reads it
  std::optional<std::string> cpus;    // decimal
  std::optional<std::string> pids;
  std::vector<std::string> binds;  // SRC:DST[:OPTION,...]
  std::vector<std::string> tmpfs;  // DST[:OPTION,...]
  std::optional<std::string> hostname;
  std::optional<bool> own_network;
  std::optional<bool> read_only;
  std::vector<std::string> cap_add;
  std::vector<std::string> cap_drop;
  std::string seccomp;  // "default" or "none"

  bool any() const;
};

// What of the caller some options refer to.
struct SpecCaller {
  const char* (*variable)(const char* name) = nullptr;  // as getenv(3)
  std::string directory;                                // relative sources of bind mounts count from it
};

// All of them. The order of the options does not matter.
Result<void> apply_changes(JsonEdit& config, const SpecChanges& changes, const SpecCaller& caller);

// One by one.
Result<void> change_args(JsonEdit& config, const std::vector<std::string>& args);
Result<void> change_env(JsonEdit& config, const std::string& variable, const SpecCaller& caller);
Result<void> change_user(JsonEdit& config, const std::string& user);
Result<void> change_memory(JsonEdit& config, const std::string& size);
Result<void> change_cpus(JsonEdit& config, const std::string& cpus);
Result<void> change_pids(JsonEdit& config, const std::string& pids);
Result<void> change_bind(JsonEdit& config, const std::string& bind, const SpecCaller& caller);
Result<void> change_tmpfs(JsonEdit& config, const std::string& tmpfs);
Result<void> change_hostname(JsonEdit& config, const std::string& name);
Result<void> change_network(JsonEdit& config, bool own);
Result<void> change_capabilities(JsonEdit& config, const std::vector<std::string>& add,
                                 const std::vector<std::string>& drop);
Result<void> change_seccomp(JsonEdit& config, const std::string& profile);

// The strings of an array; what is no string is "".
std::vector<std::string> strings_at(const JsonEdit& config, const std::string& pointer);
// A JSON array of them.
std::string json_strings(const std::vector<std::string>& strings);

}  // namespace minirun
