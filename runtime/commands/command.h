// SPDX-License-Identifier: Apache-2.0
// A command. Its file has its options, describe(), perform(), and a function NAME_command() that combines them with the
// manual's text; command_table.cc has a row for it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "runtime/commands/global_options.h"
#include "runtime/commands/options.h"
#include "sys/result.h"

namespace minirun {

struct Outcome {
  int status = 0;
  std::string out{};   // for stdout
  std::string note{};  // for stderr: a line that explains an end which is no failure of minirun
};

struct Example {
  std::string_view line;  // a command line of minirun, without quotes
  std::string_view text;
};

struct ExitStatus {
  std::string_view status;
  std::string_view text;
};

inline constexpr ExitStatus kOrdinaryStatuses[] = {
    {"0", "done"},
    {"1", "failed; one line on stderr says why"},
};

// The text of help and manual pages for a command, apart from its options.
struct Manual {
  std::string_view summary{};      // for a list of commands
  std::string_view arguments{};    // in the synopsis, after the options
  std::string_view description{};  // paragraphs, separated by an empty line
  std::array<Example, 2> examples{};
  std::span<const ExitStatus> exit_statuses = kOrdinaryStatuses;
};

// For commands that wait until the workload ends.
inline constexpr ExitStatus kWorkloadStatuses[] = {
    {"N", "the workload's own status; 0 with --detach"},
    {"128+N", "signal N ended the workload, or the launch was given up for it"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"1", "minirun failed; one line on stderr says why"},
};

// For commands that return once the workload is launched, or about to be.
inline constexpr ExitStatus kLaunchStatuses[] = {
    {"0", "done"},
    {"128+N", "signal N ended the launch before the workload ran"},
    {"127", "the program, or the interpreter that it names, does not exist"},
    {"126", "the program exists but cannot be executed"},
    {"1", "failed; one line on stderr says why"},
};

// What a command line says about descriptors that are open in its caller.
struct Descriptors {
  uint64_t handed_on = 0;               // how many after stdio the container gets
  std::optional<uint64_t> status{};     // for the events of --status-fd
  std::optional<std::string> report{};  // the value of --report, which may name one
};

class Command {
 public:
  // Own: the struct of the command's options; it has descriptors() if the command uses the caller's.
  template <class Own, void (*kDescribe)(Options&, Own&), Result<Outcome> (*kPerform)(const GlobalOptions&, const Own&)>
  static Command of(const Manual& manual, Own own = {}) {
    Command command(manual, {new Own(std::move(own)), [](void* object) { delete static_cast<Own*>(object); }});
    command.describe_ = [](Options& options, void* object) { kDescribe(options, *static_cast<Own*>(object)); };
    command.perform_ = [](const GlobalOptions& global, const void* object) {
      return kPerform(global, *static_cast<const Own*>(object));
    };
    if constexpr (requires(const Own& options) { options.descriptors(); })
      command.descriptors_ = [](const void* object) { return static_cast<const Own*>(object)->descriptors(); };
    return command;
  }

  void describe(Options& options) { describe_(options, own_.get()); }
  // Errors lack the command and the id, which main prepends; run does so itself, as it may make the id up.
  Result<Outcome> perform(const GlobalOptions& global) const { return perform_(global, own_.get()); }
  Descriptors descriptors() const { return descriptors_ != nullptr ? descriptors_(own_.get()) : Descriptors{}; }

  Manual manual;
  int failure_status = 1;                    // minirun's own; the others are the workload's
  std::string_view errors_of{};              // precedes the id in errors; "": the command's name
  Result<std::string> (*needs)() = nullptr;  // finds a program: without it the help fails, for engines
  std::string_view feature{};                // the annotation of `features` that announces the command

 private:
  using Object = std::unique_ptr<void, void (*)(void*)>;

  Command(const Manual& about, Object own) : manual(about), own_(std::move(own)) {}

  Object own_;  // the options; only of() knows their type
  void (*describe_)(Options&, void*) = nullptr;
  Result<Outcome> (*perform_)(const GlobalOptions&, const void*) = nullptr;
  Descriptors (*descriptors_)(const void*) = nullptr;
};

}  // namespace minirun
