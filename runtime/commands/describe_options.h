// SPDX-License-Identifier: Apache-2.0
// How the options of a command are described to CLI11. For option_groups.cc and criu_options.cc only.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>

#include "runtime/commands/option_groups.h"

namespace minirun {

// The options from here on stand below this title in the help.
inline void begin_group(CLI::App* command, const char* title) {
  command->option_defaults()->group(title);
}

// An option that takes a value, which the help calls by that name. The names FILE, DIR and SOCKET complete as paths.
template <class T>
CLI::Option* add_value(CLI::App* command, const char* name, const char* value, T& place, const char* text) {
  return command->add_option(name, place, text)->type_name(value);
}

// One that may be given several times.
inline void add_values(CLI::App* command, const char* name, const char* value, std::vector<std::string>& place,
                       const char* text) {
  add_value(command, name, value, place, text)->allow_extra_args(false)->take_all();
}

// A flag that something else answers where it is not given: a process file, or the container's config. CLI11 sets the
// variable of a flag that is not given too.
inline void add_choice(CLI::App* command, const char* name, std::optional<bool>* place, const char* text) {
  command->add_flag_function(
      name,
      [place](int64_t count) {
        if (count != 0) *place = count > 0;
      },
      text);
}

inline void add_ignored(CLI::App* command, const char* name, const char* text) {
  command->add_flag(
      name, [](int64_t) {}, text);
}

inline CLI::Option* add_id(CLI::App* command, std::string* id) {
  return command->add_option("ID", *id, "the container")->required();
}

inline constexpr const char* kNoSubreaperText =
    "accepted for compatibility, ignored: minirun is a subreaper only while a hook runs";

// What run, create and restore share.
void add_launch(CLI::App* command, LaunchOptions* launch);

void add_checkpoint(CLI::App* command, CommandOptions* options);
void add_restore(CLI::App* command, CommandOptions* options);

}  // namespace minirun
