// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/command_table.h"

#include <fmt/format.h>

#include <algorithm>

// Each is NAME_command() in its own file.
#define MINIRUN_COMMANDS(ROW) \
  ROW(run)                    \
  ROW(create)                 \
  ROW(start)                  \
  ROW(exec)                   \
  ROW(state)                  \
  ROW(list)                   \
  ROW(ps)                     \
  ROW(kill)                   \
  ROW(stop)                   \
  ROW(wait)                   \
  ROW(delete)                 \
  ROW(pause)                  \
  ROW(resume)                 \
  ROW(update)                 \
  ROW(events)                 \
  ROW(top)                    \
  ROW(doctor)                 \
  ROW(plan)                   \
  ROW(check)                  \
  ROW(spec)                   \
  ROW(features)               \
  ROW(checkpoint)             \
  ROW(restore)                \
  ROW(help)

namespace minirun {

#define MINIRUN_DECLARE(name) Command name##_command();
MINIRUN_COMMANDS(MINIRUN_DECLARE)
#undef MINIRUN_DECLARE

std::span<const CommandRow> command_rows() {
#define MINIRUN_ROW(name) {#name, name##_command},
  static constexpr CommandRow kRows[] = {MINIRUN_COMMANDS(MINIRUN_ROW)};
#undef MINIRUN_ROW
  return kRows;
}

const CommandRow* find_command(std::string_view name) {
  for (const CommandRow& row : command_rows())
    if (row.name == name) return &row;
  return nullptr;
}

std::string command_names() {
  std::string names;
  for (const CommandRow& row : command_rows()) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

Error unknown_command(std::string_view name) {
  return fail(ErrorKind::usage, "unknown command \"{}\": one of {} (minirun --help)", name, command_names());
}

CommandEntry read_command(const CommandRow& row) {
  Command command = row.make();
  Options options;
  command.describe(options);
  return {std::string(row.name), command.manual, options.entries(), options.takes_id(), options.takes_bundle()};
}

CommandTable read_command_table() {
  GlobalOptions global;
  Options options;
  describe(options, global);
  CommandTable table;
  table.options = options.entries();
  table.manual = {
      .arguments = "COMMAND [OPTIONS] [ARGUMENTS]",
      .description =
          "Runs containers from OCI bundles: a directory with a config.json and a root filesystem. People and test "
          "harnesses use run. Container engines such as podman, docker and containerd call create, start and the other "
          "commands.\n\n"
          "An error is one line on stderr that says what failed, where in config.json, and why.",
      .examples = {{{"minirun run bundle/", "run the bundle in the foreground"},
                    {"minirun help exec", "print the options, examples and exit statuses of exec"}}},
  };
  for (const CommandRow& row : command_rows()) table.commands.push_back(read_command(row));
  return table;
}

std::vector<std::string> groups_of(const std::vector<OptionEntry>& options) {
  std::vector<std::string> groups;
  for (const OptionEntry& option : options)
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end()) groups.push_back(option.group);
  return groups;
}

}  // namespace minirun
