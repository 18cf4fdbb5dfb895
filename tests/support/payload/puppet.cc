// SPDX-License-Identifier: Apache-2.0
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>

#include "tests/support/payload/payload.h"

namespace payload {

// The process waits in a system call: the two bytes before its instruction pointer make one.
int puppet(const Args& args) {
#if defined(__x86_64__)
  auto pid = static_cast<pid_t>(atoi(args.at(0).c_str()));
  if (ptrace(PTRACE_ATTACH, pid, 0, 0) != 0) {
    say("attach " + std::to_string(errno) + "\n");
    return 0;
  }
  int status = 0;
  user_regs_struct before{};
  if (waitpid(pid, &status, __WALL) != pid || ptrace(PTRACE_GETREGS, pid, 0, &before) != 0) broken("stop it");
  user_regs_struct registers = before;
  registers.rax = static_cast<unsigned long long>(atol(args.at(1).c_str()));
  registers.orig_rax = ~0ULL;  // no restart of the call that it waits in
  registers.rip -= 2;
  if (ptrace(PTRACE_SETREGS, pid, 0, &registers) != 0) broken("set its registers");
  if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0) != 0 || waitpid(pid, &status, __WALL) != pid) broken("step");
  if (ptrace(PTRACE_GETREGS, pid, 0, &registers) != 0) broken("get its registers");
  say(std::to_string(static_cast<long>(registers.rax)) + "\n");
  before.orig_rax = ~0ULL;
  before.rax = static_cast<unsigned long long>(-EINTR);
  (void)ptrace(PTRACE_SETREGS, pid, 0, &before);
  (void)ptrace(PTRACE_DETACH, pid, 0, 0);
  return 0;
#else
  broken("no puppet on this machine");
#endif
}

}  // namespace payload
