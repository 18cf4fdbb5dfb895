// SPDX-License-Identifier: Apache-2.0
// Running criu(8), and waiting for it.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "runtime/supervise/signals.h"
#include "sys/result.h"

namespace minirun {

struct CriuRun {
  std::string program;  // find_criu()
  std::vector<std::string> arguments;
  std::string log;            // absolute: where its errors are found
  std::vector<int> kept_fds;  // borrowed; criu has them under these numbers
  // For a restore: criu works in a mount namespace of its own, where the root filesystem is mounted on itself (criu
  // wants a mount point) and all mounts can be masters of those in the container. Nothing of that is seen on the host,
  // and nothing is left behind. "": none.
  std::string rootfs;
  int cgroup_fd = -1;             // borrowed; criu, and so what it restores, is born in it. -1: in the caller's
  bool cgroup_namespace = false;  // a new one, rooted there
  // Called while criu waits with the first process and its namespaces made, and nothing restored in it; its error ends
  // the restore and is the one reported. Empty: criu does not wait. criu asks by a shell (--action-script).
  std::function<Result<void>(pid_t)> namespaces_made{};
  // Blocked; one that asks to give up (Signals::abort_request) is an error: criu is killed, and all that it has
  // started. Null: signals are not held, and end minirun.
  Signals* signals = nullptr;
};

// Until criu has ended. Whatever the caller's signal mask is, criu has an empty one; it dies with minirun, and has
// /dev/null for stdin and stdout. Errors: it cannot be started; it fails, with the last errors in its log.
Result<void> run_criu(const CriuRun& run);

}  // namespace minirun
