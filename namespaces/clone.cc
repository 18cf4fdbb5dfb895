// SPDX-License-Identifier: Apache-2.0
#include "namespaces/clone.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <csignal>

#include "namespaces/kernel.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

// Without this, the exec would drop all capabilities in the user namespace.
void become_root(const ChildStart& start) {
  long rc = RawKernel::call(SYS_setgroups, 0, 0);
  if (rc < 0 && rc != -EPERM)
    give_up(start.report, SYS_setgroups, rc);  // EPERM: denied to the unprivileged (user_namespaces(7))
  rc = RawKernel::call(SYS_setresgid, 0, 0, 0);
  if (rc < 0) give_up(start.report, SYS_setresgid, rc);
  rc = RawKernel::call(SYS_setresuid, 0, 0, 0);
  if (rc < 0) give_up(start.report, SYS_setresuid, rc);
}

[[noreturn]] void child_entry(void* pointer) {
  const ChildStart& start = *static_cast<ChildStart*>(pointer);
  // Set at once: until its exec the child has copies of all of minirun's descriptors, and so the lock of the state
  // directory. If minirun has already died, the child sees the end of file.
  RawKernel::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (start.waits_for_maps) {
    RawKernel::call(SYS_close, static_cast<uint64_t>(start.parents_control));
    Envelope envelope{};
    long rc = RawKernel::call(SYS_recvfrom, static_cast<uint64_t>(start.control), reinterpret_cast<uint64_t>(&envelope),
                              sizeof envelope);
    if (rc != sizeof envelope || envelope.message != Message::mapped)
      give_up(start.report, SYS_recvfrom, rc < 0 ? rc : -EPROTO);
    become_root(start);
    RawKernel::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);  // lost with the change of ids
  }
  for (size_t i = 0; i < start.keep_count; i++) {
    long rc = RawKernel::call(SYS_fcntl, static_cast<uint64_t>(start.keep[i]), F_SETFD, 0);
    if (rc < 0) give_up(start.report, SYS_fcntl, rc);
  }
  const char* const environment[] = {nullptr};
  long rc =
      RawKernel::call(SYS_execveat, static_cast<uint64_t>(start.program), reinterpret_cast<uint64_t>(""),
                      reinterpret_cast<uint64_t>(start.argv), reinterpret_cast<uint64_t>(environment), AT_EMPTY_PATH);
  give_up(start.report, SYS_execveat, rc);
}

}  // namespace

Result<Born> clone_child(const Plan& plan, int cgroup, ChildStart* start) {
  alignas(16) static char stack[16384];
  int pidfd = -1;
  uint64_t namespaces = plan.birth ? 0 : plan.clone_flags;
  abi::CloneArguments arguments{};
  arguments.stack = reinterpret_cast<uint64_t>(stack);
  arguments.stack_size = sizeof stack;
  arguments.exit_signal = SIGCHLD;
  arguments.flags = namespaces | CLONE_PIDFD;
  // The child gets its own memory if this process must act before the child's exec.
  if (!start->waits_for_maps) arguments.flags |= CLONE_VM | CLONE_VFORK;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  if (cgroup >= 0) {
    arguments.flags |= abi::kCloneIntoCgroup;
    arguments.cgroup = static_cast<uint64_t>(cgroup);
  }
  long pid = clone_into(&arguments, sizeof arguments, child_entry, start);
  if (pid < 0) {
    std::string made = namespaces == 0 ? "" : " with new namespaces: " + namespace_names(namespaces);
    Error error = fail(static_cast<int>(-pid), "clone3{}", made);
    error.change_details().call = "clone3";
    return error;
  }
  return Born{static_cast<pid_t>(pid), UniqueFd(pidfd)};
}

void end_child(pid_t pid) {
  constexpr int kKillMs = 10000;
  (void)kill(pid, SIGKILL);  // it is this process's child and not waited for yet
  for (int ms = 0; ms < kKillMs && waitpid(pid, nullptr, WNOHANG) == 0; ms++) (void)poll(nullptr, 0, 1);
}

}  // namespace minirun
