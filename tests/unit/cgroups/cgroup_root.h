// SPDX-License-Identifier: Apache-2.0
// For tests that only a kernel can answer: root, and cgroup2 at /sys/fs/cgroup. Each test gets a cgroup of its own
// there and must leave nothing in it.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cgroups/cgroup.h"
#include "cgroups/controllers.h"
#include "sys/file.h"

namespace minirun {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

inline Cgroup::Deadline in(milliseconds time) {
  return steady_clock::now() + time;
}

class CgroupRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "not root";
    auto found = find_hierarchy();
    if (!found || found->mount_point != "/sys/fs/cgroup") GTEST_SKIP() << "no cgroup2 at /sys/fs/cgroup";
    hierarchy_ = std::move(*found);
    static int count = 0;
    base_ = fmt::format("/minirun-test-{}-{}", getpid(), ++count);
    if (mkdirat(root(), base_.c_str() + 1, 0755) < 0) {
      base_.clear();
      GTEST_SKIP() << "cgroup2 at /sys/fs/cgroup is not writable";
    }
  }
  void TearDown() override {
    if (base_.empty()) return;
    for (pid_t child : children_) {
      ::kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    if (unlinkat(root(), base_.c_str() + 1, AT_REMOVEDIR) == 0) return;
    ADD_FAILURE() << "something was left in " << base_;
    auto base = Cgroup::open(hierarchy_, {.path = base_, .made = 1});
    if (base) (void)base->remove(Cgroup::Processes::wait, in(seconds(1)));
  }

  int root() { return hierarchy_.root.get(); }
  bool exists(const std::string& path) { return faccessat(root(), path.c_str() + 1, F_OK, 0) == 0; }
  bool offers(const char* controller) { return lists_controller(*read_file(root(), "cgroup.controllers"), controller); }

  // A process born in the cgroup that runs `body` and exits with what it returns.
  template <class Body>
  pid_t spawn(int cgroup_fd, Body body) {
    clone_args args{};
    args.flags = CLONE_INTO_CGROUP;
    args.exit_signal = SIGCHLD;
    args.cgroup = static_cast<uint64_t>(cgroup_fd);
    auto pid = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) _exit(body());
    if (pid > 0) children_.push_back(pid);
    return pid;
  }
  pid_t spawn_sleeper(int cgroup_fd) {
    return spawn(cgroup_fd, [] {
      for (;;) pause();
      return 0;
    });
  }
  // A process with mounts of its own.
  template <class Body>
  pid_t in_own_mounts(Body body) {
    pid_t pid = fork();
    if (pid == 0) {
      if (unshare(CLONE_NEWNS) < 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0) _exit(100);
      _exit(body());
    }
    children_.push_back(pid);
    return pid;
  }
  int wait_for(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    std::erase(children_, pid);
    return status;
  }

  Hierarchy hierarchy_;
  std::string base_;
  std::vector<pid_t> children_;
};

}  // namespace minirun
