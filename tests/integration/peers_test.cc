// SPDX-License-Identifier: Apache-2.0
// Peer groups of what a container gets of the host's mounts: nothing that
// minirun mounts for it reaches the host. mount_namespaces(7), "SHARED
// SUBTREES".
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

// A shared mount with another one on it, and folders in both.
class Peers : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    source_ = bundle_.path() + "/source";
    make_folders(source_);
    mount_shared(source_);
    make_folders(source_ + "/sub");
    mount_shared(source_ + "/sub");
    for (const char* folder : {"/below", "/masked", "/linked", "/inside", "/sub/below", "/sub/inside"})
      make_folders(source_ + folder);
    bundle_.payload({"pause"});
  }
  void TearDown() override {
    EXPECT_EQ(umount2((source_ + "/sub").c_str(), 0), 0);
    EXPECT_EQ(umount2(source_.c_str(), 0), 0);
    MinirunTest::TearDown();
  }

  // Mount points of the host at or below the source, without what comes before
  // it.
  std::vector<std::string> on_the_host() const {
    std::vector<std::string> found;
    std::istringstream lines(content("/proc/self/mountinfo"));
    for (std::string line; std::getline(lines, line);) {
      std::istringstream fields(line);
      std::string point;
      for (int i = 0; i < 5; ++i) fields >> point;
      if (point.starts_with(source_)) found.push_back(point.substr(source_.size()));
    }
    return found;
  }
  // Runs the bundle until `running` returns.
  void while_it_runs(const std::vector<std::string>& flags, const std::function<void(pid_t)>& running) {
    std::vector<std::string> all = {"--pid-file", kPidFile};
    all.insert(all.end(), flags.begin(), flags.end());
    (void)unlink(kPidFile);  // that of the run before
    Running container(run_command(bundle_, all), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    running(container_pid());
    container.send(SIGTERM);
    container.finish();
  }
  // As a container with CAP_SYS_ADMIN does it.
  static void mount_inside(pid_t pid, const std::string& path, const char* file = nullptr, bool as_its_root = false) {
    pid_t child = fork();
    if (child == 0) {
      UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
      if (setns(process.get(), CLONE_NEWNS | (as_its_root ? CLONE_NEWUSER : 0)) != 0) _exit(1);
      if (as_its_root && setuid(0) != 0) _exit(3);
      int rc = file == nullptr ? mount("inside", path.c_str(), "tmpfs", 0, nullptr)
                               : mount(file, path.c_str(), nullptr, MS_BIND, nullptr);
      _exit(rc == 0 ? 0 : 2);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0) << path;
  }
  // A tmpfs on each mount of the tree at /shared, one more through a link of
  // the image, and a masked path.
  void mount_below() {
    bundle_.add_mount("/shared/below", "tmpfs", "tmpfs");
    bundle_.add_mount("/shared/sub/below", "tmpfs", "tmpfs");
    bundle_.add_link("/link", "/shared/linked");
    bundle_.add_mount("/link", "tmpfs", "tmpfs");
    bundle_.config["linux"]["maskedPaths"].push_back("/shared/masked");
  }
  static bool is_shared(const std::string& path) {
    std::istringstream lines(content("/proc/self/mountinfo"));
    for (std::string line; std::getline(lines, line);)
      if (line.find(" " + path + " ") != std::string::npos) return line.find(" shared:") != std::string::npos;
    return false;
  }
  static std::string mountinfo_of(pid_t pid) { return content("/proc/" + std::to_string(pid) + "/mountinfo"); }

  const std::vector<std::string> kAsBefore = {"", "/sub"};
  Bundle bundle_;
  std::string source_;

 private:
  static void mount_shared(const std::string& path) {
    ASSERT_EQ(mount("source", path.c_str(), "tmpfs", 0, nullptr), 0);
    ASSERT_EQ(mount("", path.c_str(), nullptr, MS_SHARED, nullptr), 0);
  }
};

TEST_F(Peers, WhatIsBelowASharedBindStaysInTheContainer) {
  bundle_.add_mount("/shared", "bind", source_, {"rbind", "rshared"});
  mount_below();
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-pivot"}}) {
    while_it_runs(flags, [&](pid_t pid) {
      EXPECT_EQ(on_the_host(), kAsBefore);
      for (const char* path : {" /shared/below ", " /shared/sub/below ", " /shared/linked ", " /shared/masked "})
        EXPECT_NE(mountinfo_of(pid).find(path), std::string::npos) << path;
    });
    EXPECT_EQ(on_the_host(), kAsBefore);
  }
}

TEST_F(Peers, InAUserNamespaceToo) {
  bundle_.add_user_namespace();
  bundle_.add_mount("/shared", "bind", source_, {"rbind", "rshared"});
  mount_below();
  while_it_runs({}, [&](pid_t) { EXPECT_EQ(on_the_host(), kAsBefore); });
  EXPECT_EQ(on_the_host(), kAsBefore);
}

// What rshared is for: a volume plugin mounts in its container what others are
// to find on the host.
TEST_F(Peers, OfASharedBindAreTheHostsOnceAllIsPlaced) {
  bundle_.add_mount("/shared", "bind", source_, {"rbind", "rshared"});
  mount_below();
  while_it_runs({}, [&](pid_t pid) {
    mount_inside(pid, "/shared/inside");
    mount_inside(pid, "/shared/sub/inside");
    EXPECT_EQ(on_the_host(), (std::vector<std::string>{"", "/sub", "/inside", "/sub/inside"}));
    EXPECT_EQ(umount2((source_ + "/inside").c_str(), 0), 0);
    EXPECT_EQ(umount2((source_ + "/sub/inside").c_str(), 0), 0);
    EXPECT_EQ(mountinfo_of(pid).find("inside"), std::string::npos) << "what is unmounted here is so there";
  });
  EXPECT_EQ(on_the_host(), kAsBefore);
}

TEST_F(Peers, OfASourceThatIsPrivateAreNone) {
  ASSERT_EQ(mount("", source_.c_str(), nullptr, MS_PRIVATE | MS_REC, nullptr), 0);
  bundle_.add_mount("/shared", "bind", source_, {"rbind", "rshared"});
  while_it_runs({}, [&](pid_t pid) {
    std::istringstream lines(mountinfo_of(pid));
    int shared = 0;
    for (std::string line; std::getline(lines, line);)
      if (line.find(" /shared") != std::string::npos && line.find(" shared:") != std::string::npos) ++shared;
    EXPECT_EQ(shared, 2) << mountinfo_of(pid);
    mount_inside(pid, "/shared/inside");
    EXPECT_EQ(on_the_host(), kAsBefore);
  });
}

// The option is for the mount alone, and what is below was the host's peer
// still.
TEST_F(Peers, MountsBelowTheSourceSendNothingToTheHost) {
  bundle_.add_mount("/shared/sub/below", "tmpfs", "tmpfs");
  const json below = bundle_.config["mounts"].back();
  for (const char* option : {"private", "slave", "shared", "unbindable"}) {
    bundle_.config["mounts"].erase(bundle_.config["mounts"].size() - 1);
    bundle_.add_mount("/shared", "bind", source_, {"rbind", option});
    bundle_.config["mounts"].push_back(below);
    while_it_runs({}, [&](pid_t pid) {
      mount_inside(pid, "/shared/sub/inside");
      EXPECT_EQ(on_the_host(), kAsBefore) << option;
    });
    EXPECT_EQ(on_the_host(), kAsBefore) << option;
    bundle_.config["mounts"].erase(bundle_.config["mounts"].size() - 2);
  }
}

TEST_F(Peers, ALaterEntryHasTheLastWord) {
  bundle_.add_mount("/shared", "bind", source_, {"rbind", "rshared"});
  bundle_.add_mount("/shared", "", "", {"rprivate"});
  while_it_runs({}, [&](pid_t pid) {
    mount_inside(pid, "/shared/inside");
    EXPECT_EQ(on_the_host(), kAsBefore);
  });
}

// In a user namespace the container's devices are the host's nodes. Its root
// may mount what it likes on them.
TEST_F(Peers, DevicesOfTheHostAreNone) {
  bundle_.add_user_namespace();
  ASSERT_TRUE(is_shared("/dev")) << "as systemd leaves it";
  while_it_runs({}, [&](pid_t pid) {
    EXPECT_NE(mountinfo_of(pid).find(" /dev/null "), std::string::npos);
    mount_inside(pid, "/dev/null", "/dev/zero", true);
    EXPECT_EQ(content("/proc/self/mountinfo").find(" /dev/null "), std::string::npos) << "covered on the host";
  });
}

}  // namespace
}  // namespace minirun::testing
