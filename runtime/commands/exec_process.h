// SPDX-License-Identifier: Apache-2.0
// The process that `minirun exec` runs: from a file or the command line, within the container's config.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/commands/options.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

struct ProcessOptions {
  std::vector<std::string> arguments;
  std::string process;  // file with a process object; "": the container's own, changed by the options below
  std::string cwd;
  std::vector<std::string> env;
  std::string user;
  std::vector<std::string> additional_gids;
  std::vector<std::string> capabilities;
  std::string apparmor;
  std::string process_label;
  std::optional<bool> tty;
  std::optional<bool> no_new_privs;
};

// All options except --tty.
void describe(Options& options, ProcessOptions& process);

// container: the config that the container was made from. The result has another process: the file's process object
// with --process, else the container's own with the arguments and options. It is valid as a whole. Errors name the file
// and the place in it, or the option.
Result<oci::Spec> exec_spec(const ProcessOptions& options, const oci::Spec& container);

// Names in an error the option or the file that asked for what failed, instead of a place in config.json.
Error name_as_given_to_exec(Error error, const ProcessOptions& options);

}  // namespace minirun
