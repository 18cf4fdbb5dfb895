// SPDX-License-Identifier: Apache-2.0
// A launch that is tried and thrown away: the plan of `run`, in namespaces of its own, up to the program's exec.
//
// What it could leave behind is taken out of it. The rootfs is under an overlay in memory, or cannot be written at all.
// Mounts of the host are read-only. It has no cgroup, runs no hook, and changes nothing of namespaces that it joins.
// The kernel stops it at the end of a successful exec (ptrace(2), PTRACE_O_TRACEEXEC), before the first instruction of
// the program, and it is killed there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "runtime/compile/compile.h"
#include "sys/result.h"

namespace minirun {

struct Rehearsal {
  enum class End : uint8_t {
    passed,      // `run` gets past all of it, but for what is untried
    failed,      // `run` fails in the same way: the error
    unsure,      // it failed, and `run` may not: a hook may bring what was missing, or the rehearsal itself was why
    impossible,  // it could not be tried: the error says why
  };
  End end = End::impossible;
  std::optional<Error> error{};
  std::vector<Error> more{};         // mounts that fail too
  bool at_program = false;           // it failed at the exec
  bool with_program = false;         // it passed the exec too, which needs the right to trace
  std::vector<std::string> untried;  // JSON pointers of what was left out
};

// compiled: by prepare_check(). rootfs: a directory, borrowed. overlay: the container has one, not only the rehearsal.
Rehearsal rehearse(const oci::Spec& spec, const Compiled& compiled, int rootfs, bool overlay);

}  // namespace minirun
