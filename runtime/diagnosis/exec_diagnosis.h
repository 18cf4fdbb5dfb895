// SPDX-License-Identifier: Apache-2.0
// Explains why execve(2) failed in the container, from the files that it used. execve has one errno for many causes:
// ENOENT also means a missing ELF interpreter or a carriage return at the end of a "#!" line.
//
// The files belong to the image: this opens only regular files, under the container's root, and reads a bounded part of
// them as data.
#pragma once

#include <optional>
#include <string>

#include "sys/result.h"

namespace minirun {

struct ExecFailure {
  int root_fd = -1;         // a directory (O_PATH will do): the container's root with its mounts, e.g. /proc/PID/root
  std::string argv0;        // process.args[0]; without a slash it was looked up in search_path
  std::string cwd = "/";    // process.cwd, for a relative argv0 or PATH entry
  std::string search_path;  // the value of PATH in process.env
  int code = 0;             // errno of execve, or of the last one tried along PATH
};

// As an ErrorKind::exec. The words that container engines match come first and are as runc writes them ("exec /app: no
// such file or directory", `exec: "app": executable file not found in $PATH`); a hint may follow. The exit status is
// that of shells: 127 if something is missing according to execve (also an interpreter), 126 for every other reason.
// Never fails: the hint leaves out what cannot be found out.
Error diagnose_exec(const ExecFailure& failure);

// The error that execve is sure to return, before it is called: no file has this name, or no user may execute it.
// Nothing: it may work. Ignores failure.code.
std::optional<Error> foresee_exec(const ExecFailure& failure);

}  // namespace minirun
