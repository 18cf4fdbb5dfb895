// SPDX-License-Identifier: Apache-2.0
// Runs criu(8) and waits for it.
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
  // For a restore: criu works in its own mount namespace, where the root filesystem is mounted on itself (criu needs a
  // mount point) and all mounts can be masters of those in the container. The host sees nothing of it, and nothing is
  // left behind. "": none.
  std::string rootfs;
  int cgroup_fd = -1;             // borrowed; criu, and so what it restores, is born there. -1: in the caller's
  bool cgroup_namespace = false;  // a new one, rooted there
  // Called while criu waits, after it has made the first process and its namespaces and restored nothing in them; its
  // error ends the restore and is reported. Empty: criu does not wait. criu calls a shell for it (--action-script).
  std::function<Result<void>(pid_t)> namespaces_made{};
  // Blocked; an abort request (Signals::abort_request) is an error, and kills criu and all that it has started. Null:
  // signals are not blocked, and end minirun.
  Signals* signals = nullptr;
};

// Returns when criu has ended. criu has an empty signal mask whatever the caller's is, dies with minirun, and has
// /dev/null as stdin and stdout. Errors: it cannot be started; it fails, with the last errors in its log.
Result<void> run_criu(const CriuRun& run);

}  // namespace minirun
