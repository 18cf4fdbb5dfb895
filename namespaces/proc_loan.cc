// SPDX-License-Identifier: Apache-2.0
#include "namespaces/proc_loan.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

#include "namespaces/clone.h"
#include "namespaces/sources.h"
#include "namespaces/spawn.h"

namespace minirun {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds kPatience{10};

// True: it has opened the contexts. False: it has ended, or has reported a failure and waits for minirun to hang up.
Result<bool> await_contexts(Child& child, const std::function<Result<void>()>& check) {
  const uint32_t* word = &child.memory.header()->birth.word;
  for (auto deadline = Clock::now() + kPatience; Clock::now() < deadline;) {
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) == kProcLent) return true;
    pollfd polls[] = {{child.pidfd.get(), POLLIN, 0}};
    if (poll(polls, 1, 0) > 0 || child.memory.report().state == kFailed) return false;
    TRY(check());
    constexpr timespec kNap{0, 10'000'000};
    (void)syscall(SYS_futex, word, FUTEX_WAIT, kNotBorn, &kNap, nullptr, 0);
  }
  return fail(ETIMEDOUT, "a process in the pid namespace is blocked there");
}

Result<std::vector<UniqueFd>> take(const Plan& plan, Child& child, const std::function<Result<void>()>& check) {
  const auto* loan = get_if<steps::LendProc>(plan.steps.back());
  if (!TRY(await_contexts(child, check))) {
    Report report = child.memory.report();
    if (report.state != kFailed) return fail(ErrorKind::setup, "the process that opens it was killed");
    return step_error(plan, report);
  }
  std::vector<UniqueFd> contexts;
  for (uint32_t number = 0; loan != nullptr && number < loan->count; number++) {
    contexts.emplace_back(static_cast<int>(syscall(SYS_pidfd_getfd, child.pidfd.get(), number, 0)));
    if (!contexts.back()) return fail(errno, "take the filesystem context (pidfd_getfd)");
  }
  return contexts;
}

}  // namespace

Result<std::vector<UniqueFd>> borrow_proc(const Plan& plan, int init_program, int cgroup,
                                          const std::function<Result<void>()>& check) {
  SpawnRequest request;
  request.plan = &plan;
  request.sources = TRY(open_sources(plan, {}));
  request.init_program = UniqueFd::duplicate(init_program);
  if (!request.init_program) return fail(errno, "duplicate a descriptor");
  request.cgroup_fd = cgroup;
  Child child = TRY(spawn(std::move(request)));
  auto contexts = take(plan, child, check);
  end_child(child.pid);
  if (contexts.ok()) return contexts;
  return wrap(contexts.error(), plan.origins.back() + ": open a procfs of the joined pid namespace");
}

}  // namespace minirun
