// SPDX-License-Identifier: Apache-2.0
// Ready-made ailments.
#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

[[noreturn]] void be_ready() {
  say("ready\n");
  for (;;) pause();
}

[[noreturn]] void compute() {
  for (;;) asm volatile("");
}

long number(const Args& args, size_t index) {
  return strtol(args.at(index).c_str(), nullptr, 10);
}

void heed(int signal_number) {
  struct sigaction action {};
  action.sa_handler = [](int) { _exit(0); };
  (void)sigaction(signal_number, &action, nullptr);
}

pid_t fork_or_end() {
  pid_t pid = fork();
  if (pid < 0) broken("fork");
  return pid;
}

// N children that have ended, and for which nothing waits.
void make_zombies(const Args& args) {
  for (long i = 0; i < number(args, 1); ++i) {
    pid_t pid = fork_or_end();
    if (pid == 0) _exit(0);
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0) broken("waitid");
  }
  heed(SIGTERM);
  be_ready();
}

// OPEN of LIMIT descriptors, sockets all; then one more each MS milliseconds, if that is given, until none is left.
void leak_sockets(const Args& args) {
  rlimit limit{static_cast<rlim_t>(number(args, 2)), static_cast<rlim_t>(number(args, 2))};
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) broken("setrlimit");
  heed(SIGTERM);
  auto leak = [] { return socket(AF_UNIX, SOCK_STREAM, 0); };
  int last = 2;
  while (last + 1 < number(args, 1)) {
    last = leak();
    if (last < 0) broken("socket");
  }
  if (args.size() < 4) be_ready();
  say("ready\n");
  while (leak() >= 0) usleep(static_cast<useconds_t>(number(args, 3)) * 1000);
  for (;;) pause();
}

// A server whose event loop never comes back.
void block_event_loop() {
  heed(SIGTERM);
  if (epoll_create1(EPOLL_CLOEXEC) < 0) broken("epoll_create1");
  say("ready\n");
  compute();
}

// N processes that compute.
void burn_all(const Args& args) {
  heed(SIGTERM);
  for (long i = 1; i < number(args, 1); ++i)
    if (fork_or_end() == 0) compute();
  say("ready\n");
  compute();
}

// Ends by SIGTERM without a word to its child, which would clean up.
void have_a_child_that_heeds() {
  if (fork_or_end() == 0) {
    heed(SIGTERM);
    be_ready();
  }
  for (;;) pause();
}

// Each byte of the names is a child's own choice.
void have_bad_names() {
  heed(SIGTERM);
  for (const char* name : {"a) R 1 (x", "\033[31mred\033[2J", "two\nlines", "\xff\xfe\x9b", "\xc2\x9b", "", ")"}) {
    if (fork_or_end() != 0) continue;
    if (prctl(PR_SET_NAME, name) != 0) broken("PR_SET_NAME");
    for (;;) pause();
  }
  usleep(100000);
  be_ready();
}

// N cgroups below its own, which are empty.
void make_cgroups(const Args& args) {
  heed(SIGTERM);
  for (long i = 0; i < number(args, 1); ++i) {
    std::string path = "/sys/fs/cgroup/child" + std::to_string(i);
    if (mkdir(path.c_str(), 0755) != 0) broken("mkdir " + path);
  }
  be_ready();
}

// N processes.
void make_processes(const Args& args) {
  heed(SIGTERM);
  for (long i = 0; i < number(args, 1); ++i)
    if (fork_or_end() == 0)
      for (;;) pause();
  be_ready();
}

void* g_page = nullptr;

// The kernel holds the memory's lock for reading while it waits for the page, which a filesystem keeps from it.
void* read_own_memory(void*) {
  int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  char byte = 0;
  if (memory < 0 || pread(memory, &byte, 1, static_cast<off_t>(reinterpret_cast<uintptr_t>(g_page))) != 1)
    say("the page came\n");
  return nullptr;
}

// Then one that wants it for writing keeps all other readers out: cmdline, environ and maps of this process hang.
void hold_memory_lock(const Args& args) {
  heed(SIGTERM);
  int file = open(args.at(1).c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) broken("open " + args[1]);
  g_page = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, file, 0);
  if (g_page == MAP_FAILED) broken("mmap");
  pthread_t reader{};
  if (pthread_create(&reader, nullptr, read_own_memory, nullptr) != 0) broken("pthread_create");
  say("ready\n");
  for (;;) {
    void* more = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)munmap(more, 4096);
    usleep(1000);
  }
}

}  // namespace

int ailing(const Args& args) {
  const std::string& kind = args.at(0);
  if (kind == "zombies") make_zombies(args);
  if (kind == "descriptors") leak_sockets(args);
  if (kind == "event-loop") block_event_loop();
  if (kind == "busy") burn_all(args);
  if (kind == "child") have_a_child_that_heeds();
  if (kind == "names") have_bad_names();
  if (kind == "cgroups") make_cgroups(args);
  if (kind == "processes") make_processes(args);
  if (kind == "memory-lock") hold_memory_lock(args);
  if (kind == "healthy") {
    heed(SIGTERM);
    be_ready();
  }
  errno = EINVAL;
  broken("ailing " + kind);
}

}  // namespace payload
