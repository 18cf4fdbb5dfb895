// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/owned_process.h"

#include <sys/wait.h>

#include <chrono>
#include <csignal>

#include "runtime/resources/limited_cgroup.h"
#include "sys/pidfd.h"

namespace minirun {

OwnedProcess::~OwnedProcess() {
  (void)end();  // the removal of its cgroup reports what is left
}

bool OwnedProcess::end() {
  if (!std::exchange(owned_, false)) return true;
  // SIGKILL to the init of a pid namespace ends all its processes; without one the cgroup's removal does the rest.
  (void)send_signal(child_.pidfd.get(), SIGKILL);  // it may have ended by itself
  auto ended = await_end(child_.pidfd.get(), std::chrono::steady_clock::now() + kRemovalTime);
  if (child_.outer >= 0) {
    (void)send_signal(child_.outer_pidfd.get(), SIGKILL);
    (void)await_outer(&child_, static_cast<int>(std::chrono::milliseconds(kRemovalTime).count()));
  }
  if (child_.stands_in && ended.ok() && *ended) {
    auto arrived = arrive(&child_);
    if (arrived.ok() && *arrived) {
      owned_ = true;
      return end();
    }
  }
  // A traced process has ended, but its tracer must reap it first.
  return waitpid(child_.pid, nullptr, WNOHANG) != 0 || (ended.ok() && *ended);
}

}  // namespace minirun
