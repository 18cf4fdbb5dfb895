// SPDX-License-Identifier: Apache-2.0
#include "tests/support/world.h"

#include <fcntl.h>
#include <ftw.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

#include "sys/file.h"

namespace minirun::testing {
namespace {

const std::string kCgroups = "/sys/fs/cgroup";

[[noreturn]] void give_up(const std::string& what) {
  (void)fprintf(stderr, "integration_tests: %s: %s\n", what.c_str(), errno_text(errno).c_str());
  _exit(1);
}

void must_mount(const char* type, const char* target, unsigned long flags, const char* data = nullptr) {
  if (mount(type, target, type, flags, data) != 0) give_up(std::string("mount ") + type + " on " + target);
}

void must_write(const std::string& path, const std::string& text) {
  if (auto written = write_control(AT_FDCWD, path, text); !written) {
    errno = written.error().code;
    give_up("write " + path);
  }
}

bool is_cgroup2(const std::string& folder) {
  struct statfs info {};
  return statfs(folder.c_str(), &info) == 0 && info.f_type == CGROUP2_SUPER_MAGIC;
}

// Enables every controller that the folder's cgroup has for its children. Returns those that were not enabled before.
std::vector<std::string> enable_controllers(const std::string& folder) {
  std::vector<std::string> enabled;
  auto available = read_file(AT_FDCWD, folder + "/cgroup.controllers");
  auto before = read_file(AT_FDCWD, folder + "/cgroup.subtree_control");
  if (!available || !before) return enabled;
  std::istringstream names(*available);
  for (std::string name; names >> name;) {
    if ((" " + *before).find(" " + name) != std::string::npos) continue;
    // One that cannot be had is what the tests' skips are for.
    if (write_control(AT_FDCWD, folder + "/cgroup.subtree_control", "+" + name)) enabled.push_back(name);
  }
  return enabled;
}

// The tests' own part of the cgroup tree; gone with the object.
class CgroupSubtree {
 public:
  CgroupSubtree() : path_(kCgroups + "/minirun-tests-" + std::to_string(getpid())) {
    enabled_ = enable_controllers(kCgroups);
    if (mkdir(path_.c_str(), 0755) != 0) give_up("mkdir " + path_);
    if (mkdir((path_ + "/tests").c_str(), 0755) != 0) give_up("mkdir " + path_ + "/tests");
  }
  ~CgroupSubtree() {
    (void)write_control(AT_FDCWD, path_ + "/cgroup.kill", "1");  // seen by the loop below if it did not work
    for (int tries = 0; tries < 200; ++tries) {
      nftw(path_.c_str(), remove_folder, 16, FTW_DEPTH | FTW_PHYS);
      if (access(path_.c_str(), F_OK) != 0) break;
      usleep(10000);
    }
    if (access(path_.c_str(), F_OK) == 0)
      (void)fprintf(stderr, "integration_tests: could not remove %s\n", path_.c_str());
    for (const std::string& name : enabled_) {
      (void)write_control(AT_FDCWD, kCgroups + "/cgroup.subtree_control", "-" + name);  // another run may be using it
    }
  }
  CgroupSubtree(const CgroupSubtree&) = delete;
  CgroupSubtree& operator=(const CgroupSubtree&) = delete;

  // Moves the caller in: the root of its new cgroup namespace is the subtree's top, its own place the child /tests.
  void enter() const {
    must_write(path_ + "/cgroup.procs", "0");
    if (unshare(CLONE_NEWCGROUP) != 0) give_up("unshare the cgroup namespace");
    must_write(path_ + "/tests/cgroup.procs", "0");
  }

 private:
  static int remove_folder(const char* path, const struct stat*, int type, struct FTW*) {
    if (type == FTW_DP) (void)rmdir(path);  // a busy one is tried again
    return 0;
  }
  std::string path_;
  std::vector<std::string> enabled_;
};

volatile sig_atomic_t g_world = 0;

void end_world(int) {
  if (g_world > 0) kill(g_world, SIGKILL);
}

// PID 1 of the world: reaps everything until the tests end, and returns their status.
int reap_until(pid_t tests) {
  for (;;) {
    int status = 0;
    pid_t pid = wait(&status);
    if (pid < 0 && errno != EINTR) give_up("wait");
    if (pid != tests) continue;
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    (void)fprintf(stderr, "integration_tests: the tests were ended by signal %d%s\n", WTERMSIG(status),
                  WTERMSIG(status) == SIGALRM ? ": the last one took too long" : "");
    return 1;
  }
}

void make_mounts() {
  must_mount("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  // The mount made outside shows the whole tree; this one, made in the new cgroup namespace, has the subtree as its
  // root.
  if (umount2(kCgroups.c_str(), MNT_DETACH) != 0) give_up("umount " + kCgroups);
  must_mount("cgroup2", kCgroups.c_str(), MS_NOSUID | MS_NODEV | MS_NOEXEC);
  // Without nodev and nosuid: bundles are made here, and a rootfs on such a mount is another thing to test.
  must_mount("tmpfs", "/run", 0, "mode=755");
  if (mkdir("/run/tests", 0755) != 0) give_up("mkdir /run/tests");
  // As on a machine with systemd: what a runtime mounts in the wrong place shows here.
  if (mount(nullptr, "/", nullptr, MS_SHARED | MS_REC, nullptr) != 0) give_up("make / shared");
}

// As a CI runner, a shell or an engine may leave them: minirun's commands inherit a folder of the host, a pipe and a
// socket, at numbers that minirun's own do not reach by themselves.
void leave_descriptors_open() {
  int ends[2], sockets[2];
  if (pipe2(ends, O_CLOEXEC) != 0) give_up("pipe2");
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) give_up("socketpair");
  int folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) give_up("open /");
  // First out of the way: one of them may have a number that is wanted.
  struct {
    int fd, number;
  } const left[] = {{ends[1], 9}, {folder, 40}, {sockets[0], 63}};
  constexpr int kAbove = 64;
  for (const auto& [fd, number] : left)
    if (int high = fcntl(fd, F_DUPFD_CLOEXEC, kAbove); high < 0 || dup2(high, number) < 0) give_up("dup2");
}

[[noreturn]] void be_the_world(const std::function<int()>& tests) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up("prctl");
  make_mounts();
  pid_t runner = fork();
  if (runner < 0) give_up("fork");
  if (runner == 0) {
    // A process group of its own: a test that signals its group by mistake does not reach the caller of the tests.
    if (setsid() < 0) give_up("setsid");
    leave_descriptors_open();
    exit(tests());
  }
  int status = reap_until(runner);
  (void)fflush(nullptr);
  _exit(status);
}

pid_t start_world(const CgroupSubtree& cgroup, const std::function<int()>& tests) {
  cgroup.enter();
  if (unshare(CLONE_NEWPID | CLONE_NEWNS) != 0) give_up("unshare");
  pid_t world = fork();
  if (world < 0) give_up("fork");
  if (world == 0) be_the_world(tests);
  return world;
}

}  // namespace

int run_in_private_world(const std::function<int()>& tests) {
  if (unshare(CLONE_NEWNS) != 0) give_up("unshare the mount namespace (are you root?)");
  if (mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0) give_up("make / private");
  if (!is_cgroup2(kCgroups)) must_mount("cgroup2", kCgroups.c_str(), MS_NOSUID | MS_NODEV | MS_NOEXEC);
  CgroupSubtree cgroup;
  // A process of its own enters, so that this one can clean up from outside.
  pid_t middle = fork();
  if (middle < 0) give_up("fork");
  if (middle == 0) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) give_up("prctl");
    pid_t world = start_world(cgroup, tests);
    int status = 0;
    if (waitpid(world, &status, 0) != world) give_up("waitpid");
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
  }
  g_world = middle;
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) (void)std::signal(signal, end_world);
  int status = 0;
  while (waitpid(middle, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int slowness() {
  const char* text = getenv("MINIRUN_TESTS_SLOWNESS");
  int factor = text == nullptr ? 1 : atoi(text);
  return factor < 1 ? 1 : factor;
}

}  // namespace minirun::testing
