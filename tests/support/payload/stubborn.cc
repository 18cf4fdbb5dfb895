// SPDX-License-Identifier: Apache-2.0
// Processes that are hard to kill.
#include <fcntl.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/payload/payload.h"

namespace payload {
namespace {

const std::string kCgroups = "/sys/fs/cgroup";

[[noreturn]] void sleep_for_ever() {
  for (;;) pause();
}

pid_t fork_or_end() {
  pid_t pid = fork();
  if (pid < 0) broken("fork");
  return pid;
}

void write_text(const std::string& path, const std::string& text) {
  int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text.data(), text.size()) != static_cast<ssize_t>(text.size())) broken("write " + path);
  close(fd);
}

void await_stop(pid_t pid) {
  int status = 0;
  if (waitpid(pid, &status, WUNTRACED | __WALL) != pid || !WIFSTOPPED(status)) broken("wait for a stopped child");
}

char state_of(pid_t pid) {
  std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  size_t end = stat.rfind(')');
  return end == std::string::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

pid_t be_stopped() {
  pid_t pid = fork_or_end();
  if (pid == 0) {
    (void)raise(SIGSTOP);
    sleep_for_ever();
  }
  await_stop(pid);
  return pid;
}

// A tracee that stands still, and is to stand still once more when it ends; and its tracer is stopped itself.
void be_traced() {
  pid_t tracer = fork_or_end();
  if (tracer == 0) {
    pid_t tracee = fork_or_end();
    if (tracee == 0) sleep_for_ever();
    if (ptrace(PTRACE_SEIZE, tracee, nullptr, PTRACE_O_TRACEEXIT) != 0) broken("PTRACE_SEIZE");
    if (ptrace(PTRACE_INTERRUPT, tracee, nullptr, nullptr) != 0) broken("PTRACE_INTERRUPT");
    await_stop(tracee);
    (void)raise(SIGSTOP);
    sleep_for_ever();
  }
  await_stop(tracer);
}

// The parent waits in the kernel, in state D, as long as its child neither ends nor executes anything.
void wait_for_a_vforked_child() {
  pid_t parent = fork_or_end();
  if (parent == 0) {
    if (syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0) == 0) sleep_for_ever();
    sleep_for_ever();
  }
  for (int i = 0; state_of(parent) != 'D'; ++i) {
    if (i == 5000) broken("be the parent of a vforked child");
    usleep(1000);
  }
}

// A process on each of several levels of cgroups, two of which are frozen.
void nest_cgroups() {
  std::string path = kCgroups;
  for (int level = 0; level < 6; ++level) {
    path += "/level" + std::to_string(level);
    if (mkdir(path.c_str(), 0755) != 0) broken("mkdir " + path);
    for (int i = 0; i < 2; ++i) {
      pid_t pid = i == 0 ? be_stopped() : fork_or_end();
      if (pid == 0) sleep_for_ever();
      write_text(path + "/cgroup.procs", std::to_string(pid));
    }
  }
  write_text(path + "/cgroup.freeze", "1");
  write_text(kCgroups + "/level0/level1/cgroup.freeze", "1");
}

void sit_in_a_cgroup() {
  std::string path = kCgroups + "/empty";
  if (mkdir(path.c_str(), 0755) != 0) broken("mkdir " + path);
  for (const std::string& folder : {path, kCgroups}) {
    if (fork_or_end() != 0) continue;
    if (chdir(folder.c_str()) != 0 || open(".", O_RDONLY | O_DIRECTORY) < 0) broken("chdir " + folder);
    sleep_for_ever();
  }
}

}  // namespace

int stubborn(const Args& args) {
  (void)signal(SIGTERM, SIG_IGN);
  for (const std::string& kind : args) {
    if (kind == "stopped") (void)be_stopped();
    if (kind == "traced") be_traced();
    if (kind == "vfork") wait_for_a_vforked_child();
    if (kind == "nested") nest_cgroups();
    if (kind == "cwd") sit_in_a_cgroup();
  }
  int fd = open("/tmp/ready", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) broken("make /tmp/ready");
  say("ready\n");
  sleep_for_ever();
}

}  // namespace payload
