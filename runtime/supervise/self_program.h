// SPDX-License-Identifier: Apache-2.0
// minirun's own program file, as processes in a container can come to see it.
#pragma once

#include <string>

#include "sys/result.h"

namespace minirun {

// Of main(): what leave_host_program() starts again.
void remember_arguments(char** arguments);

// Where its file is, also when leave_host_program() has started it from somewhere else; empty when that is unknown.
std::string own_program_path();

// To be called before anything is done, by a command that is going to be in a pid namespace where others are at work
// already: between clone and exec, /proc/PID/exe there is minirun's own program, and who may trace it can write to the
// file as soon as nobody runs it (CVE-2019-5736). Starts the program again, with the same arguments, from a mount of
// the file that is read-only and nobody's, or where such cannot be made from a sealed copy in memory. Returns when it
// is not to be written to this way: because it runs from there, or is read-only, or not the caller's.
Result<void> leave_host_program();

}  // namespace minirun
