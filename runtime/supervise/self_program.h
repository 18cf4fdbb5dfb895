// SPDX-License-Identifier: Apache-2.0
// minirun's own program file, as processes in a container can come to see it.
#pragma once

#include <string>

#include "sys/result.h"

namespace minirun {

// Of main(): what reexec_sealed() starts again.
void remember_arguments(char** arguments);

// Where its file is, also when reexec_sealed() has started it from somewhere else; empty when that is unknown.
std::string own_program_path();

// Call it before anything else in a command that will enter a pid namespace with other processes. Between clone and
// exec, /proc/PID/exe there is minirun's own program, and a process that may trace it can write to the file as soon as
// no process runs it (CVE-2019-5736). Starts the program again, with the same arguments, from a private read-only mount
// of the file, or where such cannot be made from a sealed copy in memory. Returns when the file cannot be written to
// this way: it runs from there already, is read-only, or is not the caller's.
Result<void> reexec_sealed();

}  // namespace minirun
