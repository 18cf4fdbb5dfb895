// SPDX-License-Identifier: Apache-2.0
// --no-pivot, and an initramfs: the host's tree stays beneath the container's root, and nothing of it may be seen by
// what the container makes later. mount_too_revealing() in the kernel's fs/namespace.c.
#include <sys/mount.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

constexpr const char* kDenied = "procfs 1\nsysfs 1\n";  // EPERM

class NoPivot : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    bundle_.config["linux"]["maskedPaths"] = {"/proc/keys", "/sys/firmware"};
    bundle_.config["linux"]["readonlyPaths"] = {"/proc/sys"};
    bundle_.payload({"kernel-views"});
  }
  // In nested namespaces too the container has no other view of the kernel than its own, of which parts are masked.
  void expect_no_other_view() {
    for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-pivot"}}) {
      Outcome outcome = run(bundle_, flags);
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
      EXPECT_EQ(outcome.out, kDenied) << flags.size();
    }
  }
  Bundle bundle_;
};

TEST_F(NoPivot, HostsProcAndSysAreHidden) {
  expect_no_other_view();
}

TEST_F(NoPivot, HostsProcAndSysAreHiddenFromAUserNamespace) {
  bundle_.add_user_namespace();
  expect_no_other_view();
}

TEST_F(NoPivot, HostsProcAndSysAreHiddenAfterHooks) {
  bundle_.config["hooks"]["createContainer"] = {{{"path", "/bin/true"}}};
  expect_no_other_view();
}

// Where they are mounted elsewhere, more than once, below the rootfs and on a shared mount: those of the host stay as
// they are.
TEST_F(NoPivot, EveryProcOfTheHostIsHiddenAndStaysTheHosts) {
  const std::string shared = "/run/tests/shared place";
  make_folders(shared + "/proc");
  ASSERT_EQ(mount("tmpfs", shared.c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(mount(nullptr, shared.c_str(), nullptr, MS_SHARED, nullptr), 0);
  make_folders(shared + "/proc");
  const std::vector<std::string> places = {shared + "/proc", shared + "/proc", bundle_.rootfs() + "/proc"};
  for (const std::string& place : places) ASSERT_EQ(mount("proc", place.c_str(), "proc", 0, nullptr), 0) << place;
  std::string before = content("/proc/self/mountinfo");
  expect_no_other_view();
  bundle_.config["hooks"]["createContainer"] = {{{"path", "/bin/true"}}};
  expect_no_other_view();
  EXPECT_EQ(content("/proc/self/mountinfo"), before);
  for (const std::string& place : places) EXPECT_EQ(umount2(place.c_str(), 0), 0) << place;
  EXPECT_EQ(umount2(shared.c_str(), 0), 0);
  remove_tree(shared);
}

// A procfs that no path leads to cannot be hidden, and the kernel counts it all the same.
TEST_F(NoPivot, AProcThatCannotBeReachedIsARefusal) {
  const std::string place = "/run/tests/place";
  make_folders(place + "/proc");
  ASSERT_EQ(mount("proc", (place + "/proc").c_str(), "proc", 0, nullptr), 0);
  ASSERT_EQ(mount("tmpfs", place.c_str(), "tmpfs", 0, nullptr), 0);
  make_folders(place + "/proc");
  EXPECT_EQ(run(bundle_).out, kDenied);
  // Linux 7.0 makes a mount namespace of the rootfs alone, where nothing has to be hidden; not for these hooks.
  Outcome outcome = run(bundle_, {"--no-pivot"});
  EXPECT_TRUE(outcome.code == 1 || outcome.out == kDenied) << describe(outcome);
  bundle_.config["hooks"]["createContainer"] = {{{"path", "/bin/true"}}};
  expect_refused(run(bundle_, {"--no-pivot"}), {"/root/path", "hide the host's " + place + "/proc", "covers"});
  EXPECT_EQ(umount2(place.c_str(), 0), 0);
  EXPECT_EQ(umount2((place + "/proc").c_str(), 0), 0);
  remove_tree(place);
}

}  // namespace
}  // namespace minirun::testing
