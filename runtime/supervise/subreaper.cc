// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/subreaper.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>

#include "sys/pidfd.h"

namespace minirun {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kKillTime{10};

// Whether the child has ended by the deadline; then it is reaped.
bool reap_by(pid_t pid, Clock::time_point deadline) {
  auto pidfd = open_pidfd(pid);
  if (pidfd.ok()) (void)await_end(pidfd->get(), deadline);  // waitpid says whether it did
  return waitpid(pid, nullptr, WNOHANG) != 0;
}

}  // namespace

Subreaper::Subreaper() : before_(own_children()) {
  (void)prctl(PR_GET_CHILD_SUBREAPER, &was_);
  (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
}

Subreaper::~Subreaper() {
  (void)prctl(PR_SET_CHILD_SUBREAPER, was_);
}

Result<void> Subreaper::spare_others(const std::vector<pid_t>& made) {
  for (pid_t pid : TRY(own_children()))
    if (std::find(made.begin(), made.end(), pid) == made.end()) before_->push_back(pid);
  return {};
}

bool Subreaper::kill_new() const {
  auto deadline = Clock::now() + kKillTime;
  for (;;) {
    auto now = own_children();
    if (!now.ok() && Clock::now() >= deadline) return false;
    if (!now.ok()) {
      (void)poll(nullptr, 0, 10);
      continue;
    }
    std::erase_if(*now, [&](pid_t pid) { return std::find(before_->begin(), before_->end(), pid) != before_->end(); });
    if (now->empty()) return true;
    if (Clock::now() >= deadline) return false;
    for (pid_t pid : *now) (void)kill(pid, SIGKILL);  // a child that is not reaped keeps its pid
    for (pid_t pid : *now)
      if (!reap_by(pid, deadline)) return false;
  }
}

}  // namespace minirun
