// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

constexpr size_t kPage = 4096;

long long now_us(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

// Processes in this /proc whose state is Z.
int count_zombies() {
  int zombies = 0;
  DIR* proc = opendir("/proc");
  if (proc == nullptr) broken("open /proc");
  while (const dirent* entry = readdir(proc)) {
    if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
    std::string stat = slurp(std::string("/proc/") + entry->d_name + "/stat");
    size_t name_end = stat.rfind(')');
    if (name_end != std::string::npos && stat.compare(name_end, 3, ") Z") == 0) ++zombies;
  }
  closedir(proc);
  return zombies;
}

pid_t must_fork() {
  pid_t pid = fork();
  if (pid < 0) broken("fork");
  return pid;
}

// A child that makes `count` children which end at once, and ends without waiting for them.
void leave_orphans(int count) {
  pid_t parent = must_fork();
  if (parent == 0) {
    for (int i = 0; i < count; ++i) {
      if (must_fork() == 0) _exit(0);
    }
    _exit(0);
  }
  int status = 0;
  if (waitpid(parent, &status, 0) != parent || status != 0) broken("wait for the parent of orphans");
}

}  // namespace

int hog(const Args& args) {
  size_t bytes = strtoull(args.at(0).c_str(), nullptr, 10);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) broken("mmap");
  for (size_t at = 0; at < bytes; at += kPage) static_cast<volatile char*>(memory)[at] = 1;
  say("touched\n");
  for (;;) pause();
}

int burn(const Args& args) {
  long long wall = static_cast<long long>(strtod(args.at(0).c_str(), nullptr) * 1e6);
  long long start = now_us(CLOCK_MONOTONIC);
  long long used = now_us(CLOCK_PROCESS_CPUTIME_ID);
  while (now_us(CLOCK_MONOTONIC) - start < wall) {
  }
  used = now_us(CLOCK_PROCESS_CPUTIME_ID) - used;
  say(std::to_string(used) + " " + std::to_string(now_us(CLOCK_MONOTONIC) - start) + "\n");
  return 0;
}

int time_stamp_frequency(const Args&) {
#ifdef __x86_64__
  constexpr useconds_t kMeasuredUs = 100000;
  long long start = now_us(CLOCK_MONOTONIC);
  unsigned long long ticks = __builtin_ia32_rdtsc();
  usleep(kMeasuredUs);
  long long us = now_us(CLOCK_MONOTONIC) - start;
  ticks = __builtin_ia32_rdtsc() - ticks;
  say(std::to_string(ticks * 1000 / static_cast<unsigned long long>(us)) + "\n");
#else
  say("0\n");
#endif
  return 0;
}

int orphans(const Args& args) {
  constexpr int kBatch = 100;
  int left = atoi(args.at(0).c_str());
  for (; left > 0; left -= kBatch) leave_orphans(left < kBatch ? left : kBatch);
  // init may still be at work: quiet is when none is left, or after ten seconds.
  int zombies = 0;
  for (int tries = 0; tries < 1000; ++tries) {
    zombies = count_zombies();
    if (zombies == 0) break;
    usleep(10000);
  }
  say("zombies " + std::to_string(zombies) + "\n");
  return 0;
}

int fork_bomb(const Args& args) {
  int most = atoi(args.at(0).c_str());
  std::vector<pid_t> children;
  int refusal = 0;
  while (static_cast<int>(children.size()) < most) {
    pid_t pid = fork();
    if (pid < 0) {
      refusal = errno;
      break;
    }
    if (pid == 0) {
      for (;;) pause();
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) kill(pid, SIGKILL);
  for (pid_t pid : children) waitpid(pid, nullptr, 0);
  say("forked " + std::to_string(children.size()) + " errno " + std::to_string(refusal) + "\n");
  return 0;
}

int bomb(const Args&) {
  for (int number : {SIGTERM, SIGINT, SIGHUP}) (void)signal(number, SIG_IGN);
  say("ready\n");
  for (;;) {
    if (fork() == 0) setsid();
  }
}

int leave_child(const Args&) {
  pid_t middle = must_fork();
  if (middle == 0) {
    if (must_fork() > 0) _exit(0);
    setsid();
    for (;;) pause();
  }
  if (waitpid(middle, nullptr, 0) != middle) broken("waitpid");
  say("left\n");
  return 0;
}

}  // namespace payload
