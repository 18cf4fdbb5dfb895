// SPDX-License-Identifier: Apache-2.0
#include "namespaces/spawn.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <iterator>
#include <utility>

#include "namespaces/clone.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {

namespace {

// Does what minirun may do, but not the child in a user namespace: raises rlimits, which their steps then set.
Result<void> prepare_for_user_namespace(const Plan& plan, pid_t pid) {
  for (const Step& step : plan.steps) {
    const auto* wanted = get_if<steps::Rlimit>(step);
    if (wanted == nullptr) continue;
    rlimit64 limit{};
    const uint64_t hard = wanted->hard.value();
    if (syscall(SYS_prlimit64, pid, wanted->resource, nullptr, &limit) < 0 || limit.rlim_max >= hard) continue;
    limit.rlim_max = hard;
    (void)syscall(SYS_prlimit64, pid, wanted->resource, &limit, nullptr);  // refused: the step says so
  }
  if (plan.oom_score_adj) {
    TRY(write_control(AT_FDCWD, "/proc/" + std::to_string(pid) + "/oom_score_adj",
                      std::to_string(*plan.oom_score_adj)));
  }
  return {};
}

Result<void> let_into_user_namespace(const Plan& plan, pid_t pid, int control) {
  TRY(prepare_for_user_namespace(plan, pid));
  TRY(write_id_maps(pid, plan.uid_map, plan.gid_map));
  Envelope envelope{Message::mapped, 0};
  if (send(control, &envelope, sizeof envelope, MSG_NOSIGNAL) < 0)
    return fail(errno, "report that the id maps are written");
  return {};
}

// The pid of the outer process's clone, 0 until then. A tracer of that process could write it, so it must be a child of
// this process that is newer than the outer process (the watchdog is in the host's namespaces).
pid_t number_of_born(const Child& child) {
  int32_t pid = child.memory.born();
  if (pid <= 0 || pid == child.pid) return 0;
  if (std::find(child.siblings.begin(), child.siblings.end(), pid) != child.siblings.end()) return 0;
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? pid : 0;
}

// Whether the next message is that one; if so, receives it.
bool take_message(int control, Message message) {
  Envelope envelope{};
  constexpr ssize_t kWhole = sizeof envelope;
  if (recv(control, &envelope, sizeof envelope, MSG_PEEK | MSG_DONTWAIT) != kWhole) return false;
  return envelope.message == message && recv(control, &envelope, sizeof envelope, MSG_DONTWAIT) == kWhole;
}

// For a child that is cloned first of all: waits until it exists, or the outer process has failed.
Result<void> await_birth(const Plan& plan, Child* child) {
  bool maps = (plan.clone_flags & CLONE_NEWUSER) != 0;
  bool speaks = false;
  while (child->stands_in || maps) {
    pollfd polls[] = {{child->pidfd.get(), POLLIN, 0},
                      {speaks && child->stands_in ? -1 : child->control.get(), POLLIN, 0}};
    if (poll(polls, std::size(polls), -1) < 0 && errno != EINTR) return fail(errno, "wait for the birth");
    bool ended = polls[0].revents != 0;
    if (ended && (!child->stands_in || !TRY(arrive(child)))) return {};
    if (ended || polls[1].revents == 0) continue;
    if (child->stands_in) {
      if (number_of_born(*child) == 0) return {};  // it has failed, and waits
      speaks = true;
      continue;
    }
    if (!take_message(child->control.get(), Message::unmapped)) return {};
    return let_into_user_namespace(plan, child->pid, child->control.get());
  }
  return {};
}

// For a process that makes its own user namespace.
Result<void> await_unshare(const Plan& plan, const Child& child) {
  for (;;) {
    pollfd polls[] = {{child.pidfd.get(), POLLIN, 0}, {child.control.get(), POLLIN, 0}};
    if (poll(polls, std::size(polls), -1) < 0) {
      if (errno == EINTR) continue;
      return fail(errno, "wait for the user namespace");
    }
    bool mine = polls[1].revents != 0 && take_message(child.control.get(), Message::unmapped);
    return mine ? let_into_user_namespace(plan, child.pid, child.control.get()) : Result<void>();
  }
}

}  // namespace

Result<bool> take_place(Child* child) {
  pid_t pid = number_of_born(*child);
  if (pid == 0) return false;
  UniqueFd pidfd = TRY(open_pidfd(pid));
  child->outer = std::exchange(child->pid, pid);
  child->outer_pidfd = std::exchange(child->pidfd, std::move(pidfd));
  child->stands_in = false;
  return true;
}

void commit(Child* child) {
  child->waits_for_commit = false;
  uint32_t* word = &child->memory.header()->birth.word;
  __atomic_store_n(word, uint32_t{kBornCommitted}, __ATOMIC_RELEASE);
  (void)syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  (void)await_outer(child, 0);  // the outer process of one that waits for start has ended
}

bool await_outer(Child* child, int milliseconds) {
  if (child->outer < 0) return true;
  pollfd polls[] = {{child->outer_pidfd.get(), POLLIN, 0}};
  if (poll(polls, 1, milliseconds) <= 0) return false;
  while (waitpid(child->outer, nullptr, 0) < 0 && errno == EINTR) {
  }
  child->outer = -1;
  child->outer_pidfd.reset();
  return true;
}

Result<bool> arrive(Child* child) {
  pid_t pid = number_of_born(*child);
  if (pid == 0) return false;
  int status = 0;
  while (waitpid(child->pid, &status, 0) < 0 && errno == EINTR) {
  }
  auto pidfd = open_pidfd(pid);
  bool good = pidfd.ok() && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!good) (void)kill(pid, SIGKILL);
  child->stands_in = false;
  child->pid = pid;
  if (pidfd.ok()) {
    child->pidfd = std::move(pidfd).value();
    return true;
  }
  end_child(pid);
  return pidfd.error();
}

Result<UniqueFd> pidfd_of_born(const Child& child) {
  pid_t pid = number_of_born(child);
  return pid == 0 ? Result<UniqueFd>(UniqueFd()) : open_pidfd(pid);
}

Result<Child> spawn(SpawnRequest request) {
  const Plan& plan = *request.plan;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return fail(errno, "socketpair");
  UniqueFd ours(pair[0]), theirs(pair[1]);

  std::vector<int> keep;
  for (const UniqueFd& source : request.sources) keep.push_back(source.get());
  PlanMemory memory = TRY(PlanMemory::create(serialize(plan, keep, theirs.get(), request.stamping)));
  keep.erase(std::remove(keep.begin(), keep.end(), -1), keep.end());  // those of a later turn
  keep.push_back(theirs.get());
  keep.push_back(memory.fd());
  memory.header()->memory = memory.fd();
  memory.header()->birth.parent = getpid();

  std::string plan_fd = std::to_string(memory.fd());
  const char* const argv[] = {"minirun-init", plan_fd.c_str(), nullptr};
  bool maps = (plan.clone_flags & CLONE_NEWUSER) != 0 && !plan.birth;
  std::vector<pid_t> siblings;
  if (plan.birth) siblings = TRY(own_children());
  ChildStart start{keep.data(), keep.size(), request.init_program.get(), argv, &memory.header()->report, theirs.get(),
                   ours.get(),  maps};
  Born born = TRY(clone_child(plan, request.cgroup_fd, &start));
  const auto* birth = plan.birth ? get_if<steps::Birth>(plan.steps[*plan.birth]) : nullptr;
  const BirthWay way = birth != nullptr ? birth->way : BirthWay::last;
  Child child{born.pid,           std::move(born.pidfd),  std::move(ours),
              std::move(memory),  plan.birth.has_value(), way == BirthWay::held || way == BirthWay::alone,
              std::move(siblings)};
  theirs.reset();
  Result<void> ready{};
  if (maps)
    ready = let_into_user_namespace(plan, child.pid, child.control.get());
  else if (plan.birth && way == BirthWay::early)
    ready = await_birth(plan, &child);
  else if (plan.birth && (plan.clone_flags & CLONE_NEWUSER) != 0)
    ready = await_unshare(plan, child);
  // A child that has ended failed for another reason, which the caller finds.
  if (!ready.ok() && !TRY(has_ended(child.pidfd.get()))) {
    end_child(child.pid);
    return ready.error();
  }
  child.memory.close_fd();
  return child;
}

}  // namespace minirun
