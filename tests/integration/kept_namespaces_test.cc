// SPDX-License-Identifier: Apache-2.0
// Trees of the host in which a mount namespace is kept by a mount, as snapd and `unshare --mount=FILE` leave them: a
// mount of that kind cannot come into a container, and stops none. A whole host is bound by node exporters: -v
// /:/host:ro,rslave.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

class KeptNamespaces : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    ASSERT_EQ(sched_getaffinity(0, sizeof all_, &all_), 0);
    make_folders(source());
    ASSERT_NO_FATAL_FAILURE(keep_one_in(source()));
    make_folders(source() + "/sub");
    ASSERT_EQ(mount("sub", (source() + "/sub").c_str(), "tmpfs", 0, nullptr), 0);
    write_new_file(source() + "/sub/file", "below\n", 0644);
    bundle_.payload({"files", "/data/sub/file"});
  }
  void TearDown() override {
    EXPECT_EQ(umount2((source() + "/sub").c_str(), 0), 0);
    EXPECT_NO_FATAL_FAILURE(let_go_in(source()));
    EXPECT_EQ(sched_setaffinity(0, sizeof all_, &all_), 0);
    MinirunTest::TearDown();
  }
  std::string source() const { return bundle_.path() + "/source"; }

  // Such a file has to be on a private mount.
  static void keep_one_in(const std::string& folder) {
    ASSERT_EQ(mount(folder.c_str(), folder.c_str(), nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(mount("", folder.c_str(), nullptr, MS_PRIVATE, nullptr), 0);
    write_new_file(folder + "/kept", "", 0644);
    bool kept = false;
    for (int cpu = 0; cpu < CPU_SETSIZE && !kept; ++cpu) kept = stay_on(cpu) && keep_a_new_one(folder + "/kept");
    ASSERT_TRUE(kept) << "on no CPU";
  }
  // Which of two namespaces is the younger one the kernel knows by numbers, of which each CPU has its own supply since
  // Linux 6.18: they are in order only on one CPU. minirun is on it too, where it makes its own.
  static bool stay_on(int cpu) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) == 0;
  }
  static bool keep_a_new_one(const std::string& file) {
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_CLOEXEC) != 0) return false;
    UniqueFd reader(ends[0]), writer(ends[1]);
    pid_t child = fork();
    if (child == 0) {
      if (unshare(CLONE_NEWNS) != 0 || write(writer.get(), "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte = 0;
    const std::string space = "/proc/" + std::to_string(child) + "/ns/mnt";
    bool kept = read(reader.get(), &byte, 1) == 1 && mount(space.c_str(), file.c_str(), nullptr, MS_BIND, nullptr) == 0;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, nullptr, 0);
    return kept;
  }
  static void let_go_in(const std::string& folder) {
    ASSERT_EQ(umount2((folder + "/kept").c_str(), 0), 0);
    ASSERT_EQ(umount2(folder.c_str(), MNT_DETACH), 0);
  }
  void expect_below(const std::vector<std::string>& flags = {}) {
    Outcome outcome = run(bundle_, flags);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out, "below\n") << describe(outcome);
  }

  cpu_set_t all_{};
  Bundle bundle_;
};

TEST_F(KeptNamespaces, ARecursiveBindLeavesThemOut) {
  bundle_.add_mount("/data", "bind", source(), {"rbind", "ro", "rslave"});
  expect_below();
  expect_below({"--no-pivot"});
  bundle_.add_user_namespace();
  expect_below();
}

TEST_F(KeptNamespaces, DebugNamesWhatWasLeftOut) {
  bundle_.add_mount("/data", "bind", source(), {"rbind"});
  bundle_.write();
  Outcome outcome = call({"--debug", "run", "--bundle", bundle_.path(), id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("the mount namespace that is kept at " + source() + "/kept is left out"),
            std::string::npos)
      << outcome.err;
}

TEST_F(KeptNamespaces, ASharedOneIsAPeerStill) {
  ASSERT_EQ(mount("", (source() + "/sub").c_str(), nullptr, MS_SHARED, nullptr), 0);
  bundle_.add_mount("/data", "bind", source(), {"rbind", "rshared"});
  expect_below();
}

TEST_F(KeptNamespaces, OneOfALaterTurnToo) {
  for (int i = 0; i < 100; ++i) bundle_.add_mount("/many/" + std::to_string(i), "bind", source(), {"bind"});
  bundle_.add_mount("/data", "bind", source(), {"rbind"});
  bundle_.add_mount("/again", "bind", source(), {"rbind"});
  expect_below();
}

TEST_F(KeptNamespaces, TheRootfsItselfMayHaveOne) {
  bundle_.add_mount("/data", "bind", source(), {"rbind"});
  ASSERT_NO_FATAL_FAILURE(keep_one_in(bundle_.rootfs()));
  expect_below();
  expect_below({"--no-pivot"});
  bundle_.config["hooks"]["createContainer"] = {{{"path", "/bin/true"}}};  // the root is placed where it is
  expect_below();
  ASSERT_NO_FATAL_FAILURE(let_go_in(bundle_.rootfs()));
}

TEST_F(KeptNamespaces, TheRootfsOfAUserNamespaceToo) {
  bundle_.add_mount("/data", "bind", source(), {"rbind"});
  bundle_.add_user_namespace();
  ASSERT_NO_FATAL_FAILURE(keep_one_in(bundle_.rootfs()));
  expect_below();
  ASSERT_NO_FATAL_FAILURE(let_go_in(bundle_.rootfs()));
}

// As of mount(2), what is bound is the file beneath.
TEST_F(KeptNamespaces, OneAloneIsTheFileBeneath) {
  bundle_.add_mount("/kept", "bind", source() + "/kept", {"bind"});
  bundle_.payload({"stat", "/kept"});
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
