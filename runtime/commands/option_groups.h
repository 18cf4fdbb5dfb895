// SPDX-License-Identifier: Apache-2.0
// The table of commands: what options.cc reads the command line by, and command_table.cc turns into plain values.
#pragma once

#include <string>
#include <vector>

#include "runtime/commands/options.h"

namespace CLI {
class App;
}

namespace minirun {

using AnyCommand = decltype(Invocation::command);

// Where the options of each command go.
struct CommandOptions {
  RunCommand run;
  CreateCommand create;
  StartCommand start;
  ExecCommand exec;
  StateCommand state;
  ListCommand list;
  PsCommand ps;
  KillCommand kill;
  StopCommand stop;
  WaitCommand wait;
  DeleteCommand remove;
  PauseCommand pause;
  ResumeCommand resume;
  UpdateCommand update;
  EventsCommand events;
  PlanCommand plan;
  SpecCommand spec;
  FeaturesCommand features;
  CheckpointCommand checkpoint;
  RestoreCommand restore;
  std::vector<std::string> positionals;  // of run
  std::string signal = "TERM";           // of kill
  std::string help_topic;
};

struct CommandDescription {
  const char* name;
  const char* text;
  void (*describe)(CLI::App* command, CommandOptions* options);
  AnyCommand (*take)(const CLI::App& command, CommandOptions& options);  // throws CLI::ParseError
};

// The options before the command, and what all commands inherit.
void describe_globals(CLI::App* app, GlobalOptions* global);

const std::vector<CommandDescription>& command_descriptions();

}  // namespace minirun
