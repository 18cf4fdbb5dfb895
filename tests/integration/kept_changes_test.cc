// SPDX-License-Identifier: Apache-2.0
// --keep-changes: a directory of the host holds what the container changed, and nothing else is left.
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statfs.h>

#include <csignal>

#include "tests/support/overlay_fixture.h"

namespace minirun::testing {
namespace {

class KeptChanges : public OverlayTest {
 protected:
  static std::string facts(const std::string& path) {
    struct stat found {};
    if (lstat(path.c_str(), &found) != 0) return "none";
    return fmt::format("{:o} {}:{}", found.st_mode, found.st_uid, found.st_gid);
  }
};

TEST_F(KeptChanges, AreWhatTheWorkloadChanged) {
  Bundle bundle;
  fill(bundle);
  ASSERT_EQ(chmod(bundle.rootfs().c_str(), 0751), 0);
  script(bundle, kChanges);
  StartOptions older;
  older.in_child = forbid_descriptors_as_layers;
  for (const StartOptions& options : {StartOptions(), older}) {
    expect_untouched(bundle, {"--keep-changes", kKept}, options);
    const std::string kept = kKept;
    EXPECT_EQ(facts(kept), "40711 0:0");
    EXPECT_EQ(content(kept + "/etc/renamed"), "changed");
    EXPECT_EQ(facts(kept + "/etc/passwd"), "20000 0:0") << "a whiteout";
    EXPECT_EQ(facts(kept + "/home/user/y"), "100644 7:8");
    EXPECT_EQ(facts(kept + "/bin"), "none") << "nothing in it has changed";
    char value[8] = "";
    EXPECT_EQ(getxattr((kept + "/data").c_str(), "trusted.overlay.opaque", value, sizeof value), 1);
    EXPECT_EQ(work_directories(), "");
    remove_tree(kKept);
  }
}

// By a second container, whose image is the first one's with its changes.
TEST_F(KeptChanges, CanBeMountedOverTheImageAgain) {
  Bundle bundle;
  fill(bundle);
  script(bundle, kChanges);
  ASSERT_EQ(run(bundle, {"--keep-changes", kKept}).code, 0);
  const std::string merged = bundle.path() + "/merged";
  make_folders(merged);
  const std::string options = "lowerdir=" + std::string(kKept) + ":" + bundle.rootfs();
  ASSERT_EQ(mount("overlay", merged.c_str(), "overlay", 0, options.c_str()), 0);
  bundle.config["root"]["path"] = merged;
  script(bundle, "ls -A /data; cat /etc/renamed; [ -e /etc/passwd ] || echo gone; stat -c %a /; rm /etc/renamed");
  Outcome outcome = run(bundle, {"--overlay"});
  EXPECT_EQ(outcome.out, "changed\ngone\n711\n") << describe(outcome);
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(umount2(merged.c_str(), MNT_DETACH), 0);
}

TEST_F(KeptChanges, OfAUserNamespaceBelongToItsIds) {
  Bundle bundle;
  fill(bundle);
  bundle.add_user_namespace();
  script(bundle, kChanges);
  expect_untouched(bundle, {"--keep-changes", kKept});
  EXPECT_EQ(facts(std::string(kKept) + "/home/user/y"), "100644 100007:100008");
  EXPECT_EQ(facts(std::string(kKept) + "/etc/new"), "100644 100000:100000");
  EXPECT_EQ(work_directories(), "");
}

TEST_F(KeptChanges, OfAnOrdinaryUserAreTheUsers) {
  Bundle bundle;
  fill(bundle);
  make_rootless(bundle, {});
  script(bundle, "rm -r /data; mkdir /data; ls -A /data; echo changed > /etc/changed");
  bundle.config["root"]["readonly"] = false;
  const std::string kept = kHome + "/kept";
  TreeState before = state_of(bundle.rootfs());
  Outcome outcome = user_run(bundle, {"--keep-changes", kept});
  EXPECT_EQ(state_of(bundle.rootfs()), before);
  EXPECT_EQ(outcome.out, "");
  if (outcome.code != 0) {  // a tmpfs of an older kernel
    EXPECT_NE(outcome.err.find("tmpfs has since Linux 6.6"), std::string::npos) << describe(outcome);
    EXPECT_FALSE(exists(kept));
    return;
  }
  EXPECT_EQ(content(kept + "/etc/changed"), "changed");
  EXPECT_EQ(facts(kept + "/etc/changed"), "100644 1000:1001");
  // One that a killed minirun leaves.
  remove_tree(kept);
  script(bundle, "touch /etc/new; sleep 1000");
  ASSERT_EQ(user_run(bundle, {"--detach", "--keep-changes", kept}).code, 0);
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).err, "");
}

TEST_F(KeptChanges, PathMayHaveAnyCharacterAndLength) {
  Bundle bundle;
  fill(bundle);
  script(bundle, "echo x > /etc/new");
  std::vector<std::string> names = {kKept + std::string("/a: b,c\\d=e\"f\n"),
                                    kKept + std::string("/") + std::string(255, 'n')};
  std::string deep = kKept;
  while (deep.size() < 3800) deep += "/" + std::string(190, 'd');
  names.push_back(deep + "/end");
  for (const std::string& name : names) {
    make_folders(name.substr(0, name.rfind('/')));
    Outcome outcome = run(bundle, {"--keep-changes", name});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(content(name + "/etc/new"), "x");
  }
  make_folders(std::string(kKept) + "/relative");
  StartOptions there;
  there.in_child = [] {
    if (chdir("/run/tests/kept/relative") != 0) _exit(98);
  };
  EXPECT_EQ(run(bundle, {"--keep-changes=new///"}, there).code, 0);
  EXPECT_EQ(content(std::string(kKept) + "/relative/new/etc/new"), "x");
  // And one of the rootfs.
  Bundle odd;
  fill(odd);
  script(odd, kChanges);
  ASSERT_EQ(rename(odd.rootfs().c_str(), (odd.path() + "/r: b,c\\d\n").c_str()), 0);
  odd.config["root"]["path"] = "r: b,c\\d\n";
  EXPECT_EQ(run(odd, {"--overlay"}).out, kSeen);
  StartOptions older;
  older.in_child = forbid_descriptors_as_layers;
  EXPECT_EQ(run(odd, {"--overlay"}, older).out, kSeen);
}

TEST_F(KeptChanges, DirectoryThatIsNoPlaceForThemIsRefused) {
  Bundle bundle;
  fill(bundle);
  TreeState before = state_of(bundle.rootfs());
  const std::string kept = kKept;
  make_folders(kept + "/full/x");
  make_folders(kept + "/mounted");
  make_folders(kept + "/ramfs/x");
  write_new_file(kept + "/file", "", 0644);
  ASSERT_EQ(symlink("nothing", (kept + "/link").c_str()), 0);
  ASSERT_EQ(mount("tmpfs", (kept + "/mounted").c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(mount("ramfs", (kept + "/ramfs").c_str(), "ramfs", 0, nullptr), 0);
  const std::map<std::string, std::string> all = {{"", "must name a directory"},
                                                  {kept + "/full", "must be empty"},
                                                  {kept + "/file", "not a directory"},
                                                  {kept + "/link", "a symbolic link to nothing"},
                                                  {kept + "/mounted", "must not be a mount point"},
                                                  {kept + "/no/such/folder", "no such file"},
                                                  {kept + "/" + std::string(256, 'n'), "name too long"},
                                                  {kept + "/ramfs/new", "ext4, xfs, btrfs or tmpfs"},
                                                  {bundle.rootfs() + "/inside", "must be outside the rootfs"},
                                                  {bundle.rootfs(), "must be outside the rootfs"},
                                                  {bundle.rootfs() + "/../rootfs/tmp", "must be outside the rootfs"},
                                                  {bundle.path(), "must be outside the rootfs"}};
  for (const auto& [directory, words] : all) {
    Outcome outcome = run(bundle, {"--keep-changes", directory});
    EXPECT_EQ(outcome.code, 1) << directory << describe(outcome);
    EXPECT_NE(outcome.err.find("--keep-changes"), std::string::npos) << describe(outcome);
    EXPECT_NE(outcome.err.find(words), std::string::npos) << directory << describe(outcome);
  }
  EXPECT_FALSE(exists(kept + "/ramfs/new"));
  EXPECT_EQ(state_of(bundle.rootfs()), before);
  EXPECT_EQ(umount2((kept + "/mounted").c_str(), MNT_DETACH) | umount2((kept + "/ramfs").c_str(), MNT_DETACH), 0);
}

TEST_F(KeptChanges, DirectoryOnAnOverlayIsRefusedWithTheFilesystemsThatCan) {
  Bundle bundle;
  fill(bundle);
  for (const char* folder : {"/lower", "/upper", "/work", "/merged"}) make_folders(bundle.path() + folder);
  const std::string merged = bundle.path() + "/merged";
  const std::string options =
      "lowerdir=" + bundle.path() + "/lower,upperdir=" + bundle.path() + "/upper,workdir=" + bundle.path() + "/work";
  ASSERT_EQ(mount("overlay", merged.c_str(), "overlay", 0, options.c_str()), 0);
  expect_refused(run(bundle, {"--keep-changes", merged + "/kept"}),
                 {"the changes cannot be on an overlay: they can be on ext4, xfs, btrfs or tmpfs"});
  EXPECT_EQ(state_of(merged).size(), 1U) << "nothing is left in it";
  EXPECT_EQ(umount2(merged.c_str(), MNT_DETACH), 0);
}

TEST_F(KeptChanges, SecondContainerWithTheDirectoryIsRefused) {
  Bundle bundle;
  fill(bundle);
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--keep-changes", kKept}).code, 0);
  EXPECT_NE(work_directories(), "");
  TreeState first = state_of(kKept);
  EXPECT_EQ(first.size(), 1U) << "an empty directory says nothing of its use";
  Outcome second = call({"run", "--keep-changes", kKept, "--bundle", bundle.path(), "second"});
  EXPECT_EQ(second.code, 1) << describe(second);
  EXPECT_NE(second.err.find("another container keeps its changes in"), std::string::npos) << describe(second);
  EXPECT_EQ(state_of(kKept), first);
  EXPECT_EQ(call({"exec", id(), "touch", "/etc/still-works"}).code, 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(work_directories(), "");
  EXPECT_TRUE(exists(std::string(kKept) + "/etc/still-works"));
}

TEST_F(KeptChanges, FailedLaunchLeavesTheDirectoryAsItWas) {
  Bundle bundle;
  fill(bundle);
  bundle.config["process"]["args"] = {"/no/such/program"};
  bundle.add_mount("/made/for/a/mount", "tmpfs", "tmpfs");
  auto expect_nothing_left = [&](const std::vector<std::string>& flags, int code, const StartOptions& options = {}) {
    for (bool exists_before : {false, true}) {
      if (exists_before) {
        ASSERT_EQ(mkdir(kKept, 0700) | chown(kKept, 5, 6) | chmod(kKept, 02750), 0);
      }
      const std::string before = facts(kKept);
      std::vector<std::string> all = flags;
      all.insert(all.end(), {"--keep-changes", kKept});
      Outcome outcome = run(bundle, all, options);
      EXPECT_EQ(outcome.code, code) << describe(outcome);
      EXPECT_EQ(facts(kKept), before) << describe(outcome);
      EXPECT_EQ(rmdir(kKept), exists_before ? 0 : -1) << "it is not empty: " << describe(outcome);
      EXPECT_EQ(work_directories(), "");
    }
  };
  expect_nothing_left({}, 127);
  StartOptions few;
  few.in_child = [] {
    rlimit limit{14, 14};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(98);
  };
  expect_nothing_left({}, 1, few);
  bundle.add_mount("/bad", "tmpfs", "tmpfs", {"sise=4"});
  expect_nothing_left({}, 1);
  bundle.config["hooks"]["createContainer"] = {{{"path", "/bin/false"}}};
  expect_nothing_left({"--detach"}, 1);
}

// The record knows what a killed minirun had made, and `delete` whether the workload has run.
TEST_F(KeptChanges, KilledAtAnyMomentOfALaunchLeavesAllOrNothing) {
  Bundle bundle;
  fill(bundle);
  script(bundle, "echo ran > /etc/ran; echo ready; sleep 1000");
  bundle.write();
  Running first(run_command(bundle, {"--keep-changes", kKept}), {});
  ASSERT_TRUE(first.wait_for("ready")) << first.err();
  const std::string unfinished = std::string(kState) + "/" + id() + "/unfinished";
  ASSERT_TRUE(eventually([&] { return !exists(unfinished); }));
  first.send(SIGKILL);
  (void)first.finish();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(content(std::string(kKept) + "/etc/ran"), "ran");
  EXPECT_EQ(work_directories(), "");
  const int moments = 25;
  for (int moment = 0; moment < moments; ++moment) {
    remove_tree(kKept);
    bool exists_before = moment % 2 == 1;
    ASSERT_EQ(exists_before ? mkdir(kKept, 0700) : 0, 0);
    Running container(run_command(bundle, {"--keep-changes", kKept}), {});
    usleep(static_cast<useconds_t>(800 * moment));
    container.send(SIGKILL);
    (void)container.finish();
    bool never_ran = exists(unfinished);
    Outcome removed = call({"delete", "--force", id()});
    EXPECT_EQ(removed.code, 0) << describe(removed);
    EXPECT_EQ(work_directories(), "") << moment;
    if (!never_ran && facts(kKept) == "40755 0:0") continue;
    EXPECT_EQ(facts(kKept).substr(0, 5), exists_before ? "40700" : "none") << moment;
    EXPECT_EQ(rmdir(kKept), exists_before ? 0 : -1) << moment;
  }
}

TEST_F(KeptChanges, FullFilesystemIsTheWorkloadsError) {
  Bundle bundle;
  fill(bundle);
  make_folders(kKept);
  ASSERT_EQ(mount("tmpfs", kKept, "tmpfs", 0, "size=1m"), 0);
  script(bundle, "dd if=/dev/zero of=/big bs=64k count=64; stat -c %s /big");
  Outcome outcome = run(bundle, {"--keep-changes", std::string(kKept) + "/in"});
  EXPECT_NE(outcome.err.find("No space left on device"), std::string::npos) << describe(outcome);
  EXPECT_EQ(outcome.out, "1048576\n");
  EXPECT_EQ(work_directories(), "");
  // Without room for the directories themselves.
  remove_tree(std::string(kKept) + "/in");
  ASSERT_EQ(mount(nullptr, kKept, nullptr, MS_REMOUNT, "size=1m,nr_inodes=4"), 0);
  outcome = run(bundle, {"--keep-changes", std::string(kKept) + "/in"});
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_NE(outcome.err.find("--keep-changes: make a directory in "), std::string::npos) << describe(outcome);
  EXPECT_EQ(state_of(kKept).size(), 1U);
  EXPECT_EQ(umount2(kKept, MNT_DETACH), 0);
}

// The launch has succeeded, so what it made stays, mount points for example.
TEST_F(KeptChanges, OfACreatedContainerStayWhenItIsDeleted) {
  Bundle bundle;
  fill(bundle);
  bundle.add_mount("/made/for/a/mount", "tmpfs", "tmpfs");
  script(bundle, "sleep 1000");
  bundle.write();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions silent;
  silent.stdout_fd = silent.stderr_fd = nowhere.get();
  ASSERT_EQ(call({"create", "--keep-changes", kKept, "--bundle", bundle.path(), id()}, silent).code, 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_TRUE(exists(std::string(kKept) + "/made/for/a/mount"));
  EXPECT_EQ(work_directories(), "");
}

TEST_F(KeptChanges, StayWithTheRecordOfAnEndedContainer) {
  Bundle bundle;
  fill(bundle);
  script(bundle, "echo x > /etc/new; exit 3");
  EXPECT_EQ(run(bundle, {"--keep", "--keep-changes", kKept}).code, 3);
  EXPECT_EQ(work_directories(), "");
  EXPECT_EQ(call({"delete", id()}).code, 0);
  EXPECT_EQ(content(std::string(kKept) + "/etc/new"), "x");
}

}  // namespace
}  // namespace minirun::testing
