// SPDX-License-Identifier: Apache-2.0
// minirun as an ordinary user.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {

inline constexpr unsigned kUser = 1000, kGroup = 1001;
inline const std::string kHome = "/run/tests/user";  // $XDG_RUNTIME_DIR
inline const std::string kProgram = "/run/tests/minirun";
inline const std::string kSlice = "/sys/fs/cgroup/slice";

class RootlessTest : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    ASSERT_TRUE(copy_program(program("MINIRUN", "minirun"), kProgram));  // reachable for that user
    make_folders(kHome);
    ASSERT_EQ(chown(kHome.c_str(), kUser, kGroup), 0);
  }
  void TearDown() override {
    remove_tree(kHome);
    (void)unlink(kProgram.c_str());  // not there when SetUp failed
    if (access(kSlice.c_str(), F_OK) == 0) {
      EXPECT_EQ(rmdir((kSlice + "/own").c_str()), 0);
      EXPECT_EQ(rmdir(kSlice.c_str()), 0);
    }
    MinirunTest::TearDown();
  }

  // Any program as that user, with the runtime directory, in the cgroup.
  StartOptions user_options() const {
    StartOptions options;
    std::string cgroup = cgroup_;
    options.in_child = [cgroup] {
      if (!cgroup.empty() && !write_control(AT_FDCWD, cgroup + "/cgroup.procs", "0")) _exit(96);
      if (setgroups(0, nullptr) != 0 || setgid(kGroup) != 0 || setuid(kUser) != 0) _exit(97);
    };
    options.env.push_back("XDG_RUNTIME_DIR=" + kHome);
    if (!notify_.empty()) options.env.push_back("NOTIFY_SOCKET=" + notify_);
    options.env[0].insert(5, path_);  // "PATH="
    return options;
  }
  Outcome as_user(const std::vector<std::string>& argv) const {
    StartOptions options = user_options();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    bool detached = std::find(argv.begin(), argv.end(), "--detach") != argv.end() || argv[1] == "create";
    if (detached) options.stdout_fd = nowhere.get();
    return Running(argv, options).finish();
  }
  Outcome user_minirun(std::vector<std::string> args) const {
    args.insert(args.begin(), kProgram);
    return as_user(args);
  }
  Outcome user_run(const Bundle& bundle, const std::vector<std::string>& flags = {}) const {
    bundle.write();
    std::vector<std::string> args = {"run"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--bundle", bundle.path(), "mine"});
    return user_minirun(args);
  }

  // What `minirun spec --rootless` writes, with the payload instead of the shell, and a rootfs that is the user's.
  void make_rootless(Bundle& bundle, const std::vector<std::string>& payload) const {
    ASSERT_EQ(system(("chown -hR 1000:1001 " + bundle.path()).c_str()), 0);
    Outcome outcome = user_minirun({"spec", "--rootless", "--bundle", bundle.path()});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    bundle.config = nlohmann::json::parse(content(bundle.path() + "/config.json"));
    bundle.config["process"]["terminal"] = false;
    bundle.config["process"].erase("rlimits");  // raising one takes a capability
    bundle.payload(payload);
  }

  // A cgroup delegated to the user (cgroup-v2.rst, "Delegation"), with one in it that minirun starts from.
  void delegate_cgroup() {
    ASSERT_EQ(mkdir(kSlice.c_str(), 0755) | mkdir((kSlice + "/own").c_str(), 0755), 0);
    for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"})
      ASSERT_EQ(chown((kSlice + file).c_str(), kUser, kGroup), 0);
    cgroup_ = kSlice + "/own";
  }

  std::string cgroup_;
  std::string notify_;
  std::string path_;  // before the others: "/more:"
};

}  // namespace minirun::testing
