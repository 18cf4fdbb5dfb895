// SPDX-License-Identifier: Apache-2.0
// Calls that a seccomp filter refuses, in every way that minirun's --explain-seccomp must stand.
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdlib>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

// mkdirat(2) on nothing: EFAULT where the kernel itself answers.
int refused_errno() {
  errno = 0;
  (void)syscall(SYS_mkdirat, 0, 0, 0);
  return errno;
}

void personality() {
  (void)syscall(SYS_personality, 0xffffffff);
}

void take_name(const std::string& name) {
  if (prctl(PR_SET_NAME, name.c_str()) != 0) broken("prctl");
}

int as_many(int programs) {
  for (int i = 0; i < programs; ++i) {
    take_name("p" + std::to_string(i));
    if (refused_errno() == EFAULT) broken("mkdirat is not refused");
  }
  return 0;
}

int flood(int processes) {
  for (int i = 0; i < processes; ++i) {
    if (fork() != 0) continue;
    for (unsigned n = 0;; ++n) {
      take_name("f" + std::to_string(n % 1000));
      (void)refused_errno();
    }
  }
  (void)refused_errno();
  say("ready\n");
  for (;;) pause();
}

int in_a_thread() {
  pthread_t thread{};
  auto body = [](void*) -> void* {
    take_name("thread");
    personality();
    return nullptr;
  };
  if (pthread_create(&thread, nullptr, body, nullptr) != 0) broken("pthread_create");
  (void)pthread_join(thread, nullptr);
  say("alive\n");
  return 0;
}

int in_a_child() {
  pid_t child = fork();
  if (child == 0) {
    take_name("child");
    personality();
    _exit(0);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) broken("waitpid");
  say("child " + std::to_string(WIFSIGNALED(status) ? WTERMSIG(status) : 0) + "\n");
  return 0;
}

// Children that die while they wait for an answer, or before, or after it.
int racing(int rounds) {
  for (int i = 0; i < rounds; ++i) {
    pid_t child = fork();
    if (child == 0) {
      if (i % 2 == 0) personality();
      for (;;) (void)refused_errno();
    }
    usleep(static_cast<useconds_t>(i % 200));
    (void)kill(child, SIGKILL);
    int status = 0;
    if (waitpid(child, &status, 0) != child) broken("waitpid");
  }
  say("rounds " + std::to_string(rounds) + "\n");
  return 0;
}

volatile sig_atomic_t alarms = 0;

// Signals come far more often than a call takes.
int among_signals(int calls) {
  struct sigaction action {};
  action.sa_handler = [](int) { alarms = alarms + 1; };
  action.sa_flags = SA_RESTART;
  itimerval often{{0, 500}, {0, 500}};
  if (sigaction(SIGALRM, &action, nullptr) != 0 || setitimer(ITIMER_REAL, &often, nullptr) != 0) broken("setitimer");
  for (int i = 0; i < calls; ++i)
    if (refused_errno() == EFAULT) broken("mkdirat is not refused");
  say(alarms > 0 ? "signals came\n" : "no signal came\n");
  return 0;
}

int load_own_listener() {
  sock_filter filter[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
  const sock_fprog program{1, filter};
  errno = 0;
  (void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  say("listener " + std::to_string(errno) + "\n");
  return 0;
}

// As 32-bit code calls.
int call_i386(const Args& args) {
#if defined(__x86_64__)
  long result = strtol(args.at(1).c_str(), nullptr, 0);
  const long first = args.size() > 2 ? strtol(args[2].c_str(), nullptr, 0) : 0;
  asm volatile("int $0x80" : "+a"(result) : "b"(first), "c"(0L), "d"(0L) : "memory", "r8", "r9", "r10", "r11");
  say("i386 " + std::to_string(static_cast<int>(result)) + "\n");
#else
  (void)args;
#endif
  return 0;
}

}  // namespace

int refused(const Args& args) {
  const std::string& how = args.at(0);
  auto number = [&] { return atoi(args.at(1).c_str()); };
  if (how == "programs") return as_many(number());
  if (how == "racing") return racing(number());
  if (how == "flood") return flood(number());
  if (how == "thread") return in_a_thread();
  if (how == "child") return in_a_child();
  if (how == "signals") return among_signals(number());
  if (how == "own-listener") return load_own_listener();
  if (how == "i386") return call_i386(args);
  if (how != "as") broken(how);
  take_name(args.at(1));
  say("errno " + std::to_string(refused_errno()) + "\n");
  return 0;
}

}  // namespace payload
