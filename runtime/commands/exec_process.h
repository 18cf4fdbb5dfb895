// SPDX-License-Identifier: Apache-2.0
// The process of `minirun exec`: from a file or from the command line.
#pragma once

#include "runtime/commands/options.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// container: the config that the container was made from. With --process the file's process object as it is, with the
// rules of config.json; else the container's own process with the command's arguments and options. Errors name the
// file and the place in it, or the option.
Result<oci::Process> exec_process(const ExecCommand& command, const oci::Spec& container);

// What failed, named by the option or the file that asked for it instead of its place in config.json.
Error name_as_given(Error error, const ExecCommand& command);

}  // namespace minirun
