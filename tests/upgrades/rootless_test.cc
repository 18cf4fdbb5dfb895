// SPDX-License-Identifier: Apache-2.0
// The same for the containers of an ordinary user: in a cgroup of the user's own, and without one.
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "tests/upgrades/upgrade.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr unsigned kUser = 1000;
const std::string kHome = "/run/tests/user";
const std::string kSlice = "/sys/fs/cgroup/slice";

class RootlessUpgrade : public Upgrade {
 protected:
  void SetUp() override {
    Upgrade::SetUp();
    if (IsSkipped()) return;
    // Reachable for that user.
    ASSERT_TRUE(copy_program(old_, "/run/tests/minirun-old"));
    ASSERT_TRUE(copy_program(now_, "/run/tests/minirun-now"));
    old_ = "/run/tests/minirun-old";
    now_ = "/run/tests/minirun-now";
    make_folders(kHome);
    ASSERT_EQ(chown(kHome.c_str(), kUser, kUser), 0);
    root_ = kHome + "/state";
    options_.env.push_back("XDG_RUNTIME_DIR=" + kHome);
    become_user("");
  }
  void TearDown() override {
    remove_tree(kHome);
    for (const char* file : {"/run/tests/minirun-old", "/run/tests/minirun-now"}) (void)unlink(file);  // when skipped
    if (access(kSlice.c_str(), F_OK) == 0) {
      EXPECT_EQ(rmdir((kSlice + "/own").c_str()), 0);
      EXPECT_EQ(rmdir(kSlice.c_str()), 0);
    }
    Upgrade::TearDown();
  }
  void become_user(const std::string& cgroup) {
    options_.in_child = [cgroup] {
      if (!cgroup.empty() && !write_control(AT_FDCWD, cgroup + "/cgroup.procs", "0")) _exit(96);
      if (setgroups(0, nullptr) != 0 || setgid(kUser) != 0 || setuid(kUser) != 0) _exit(97);
    };
  }
  // cgroup-v2.rst, "Delegation".
  void delegate_cgroup() {
    ASSERT_EQ(mkdir(kSlice.c_str(), 0755) | mkdir((kSlice + "/own").c_str(), 0755), 0);
    for (const char* file : {"", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads"})
      ASSERT_EQ(chown((kSlice + file).c_str(), kUser, kUser), 0);
    become_user(kSlice + "/own");
  }
  // What `spec --rootless` writes, with the payload instead of the shell.
  Kind kind() const {
    return {"rootless", [this](Bundle& bundle) {
              ASSERT_EQ(system(("chown -hR 1000:1000 " + bundle.path()).c_str()), 0);
              Outcome outcome = call_by(now_, {"spec", "--rootless", "--bundle", bundle.path()});
              ASSERT_EQ(outcome.code, 0) << describe(outcome);
              bundle.config = json::parse(content(bundle.path() + "/config.json"));
              bundle.config["process"]["terminal"] = false;
              bundle.config["process"].erase("rlimits");  // raising one takes a capability
              bundle.payload({"pause"});
            }};
  }
  void all_are_managed(const std::string& maker, const std::string& manager, bool starts) {
    for (bool init : {true, false}) {
      SCOPED_TRACE(init ? "init" : "no init");
      ASSERT_TRUE(make(maker, "run", kind(), init));
      manage(manager);
      end_by_kill(manager);
      ASSERT_TRUE(make(maker, "run", kind(), init));
      end_by_force(manager);
      ASSERT_TRUE(make(maker, "create", kind(), init));
      EXPECT_EQ(status_by(manager), "created");
      if (!starts) {
        EXPECT_NE(call_by(manager, {"start", id()}).code, 0);
      }
      start_by(starts ? manager : maker, kind());
      manage(manager);
      end_by_stop(manager);
      ASSERT_TRUE(make(maker, "create", kind(), init));
      end_by_force(manager);
    }
  }
};

TEST_F(RootlessUpgrade, OldOnesAreManagedByThisMinirun) {
  delegate_cgroup();
  all_are_managed(old_, now_, true);
}

TEST_F(RootlessUpgrade, NewOnesAreManagedByTheOldMinirunButForStart) {
  delegate_cgroup();
  all_are_managed(now_, old_, false);
}

TEST_F(RootlessUpgrade, OldOnesWithoutACgroupAreStartedAndRemovedByThisMinirun) {
  for (bool init : {true, false}) {
    ASSERT_TRUE(make(old_, "create", kind(), init));
    start_by(now_, kind());
    EXPECT_EQ(status_by(now_), "running");
    EXPECT_EQ(call_by(now_, {"exec", id(), "/bin/payload", "print", "hi"}).out, "hi\n");
    end_by_kill(now_);
    ASSERT_TRUE(make(old_, "run", kind(), init));
    end_by_force(now_);
  }
}

}  // namespace
}  // namespace minirun::testing
