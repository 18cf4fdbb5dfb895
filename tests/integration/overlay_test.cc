// SPDX-License-Identifier: Apache-2.0
// --overlay: the image stays as it is, to the byte, and changes vanish.
#include <sys/mount.h>

#include "tests/support/overlay_fixture.h"

namespace minirun::testing {
namespace {

class Overlay : public OverlayTest {};

TEST_F(Overlay, ImageIsUntouchedWhateverTheWorkloadDoes) {
  Bundle bundle;
  fill(bundle);
  script(bundle, kChanges);
  expect_untouched(bundle, {"--overlay"});
  expect_untouched(bundle, {"--overlay=1m", "--no-init"});
  expect_untouched(bundle, {"--overlay", "--no-pivot"});
  StartOptions older;
  older.in_child = forbid_descriptors_as_layers;
  expect_untouched(bundle, {"--overlay"}, older);
}

// createContainer hooks find the rootfs in its place, before the container's root is pivoted.
TEST_F(Overlay, HookChangesTheOverlayToo) {
  Bundle bundle;
  fill(bundle);
  script(bundle, "cat /of-hook");
  bundle.config["hooks"]["createContainer"] = {
      {{"path", "/bin/sh"}, {"args", {"sh", "-c", "echo hooked > " + bundle.rootfs() + "/of-hook"}}}};
  TreeState before = state_of(bundle.rootfs());
  Outcome outcome = run(bundle, {"--overlay"});
  EXPECT_EQ(outcome.out, "hooked\n") << describe(outcome);
  EXPECT_EQ(state_of(bundle.rootfs()), before);
}

TEST_F(Overlay, ImageIsUntouchedWithAUserNamespace) {
  Bundle bundle;
  fill(bundle);
  bundle.add_user_namespace();
  script(bundle, kChanges);
  expect_untouched(bundle, {"--overlay"});
  StartOptions older;
  older.in_child = forbid_descriptors_as_layers;
  expect_untouched(bundle, {"--overlay"}, older);
}

// The tests' processes are in these namespaces: pid and mount namespaces of another container are what engines join.
TEST_F(Overlay, ImageIsUntouchedInJoinedNamespaces) {
  Bundle first;
  first.payload({"pause"});
  ASSERT_EQ(detach(first, {"--pid-file", kPidFile}).code, 0);
  const std::string of = "/proc/" + std::to_string(container_pid()) + "/ns/";
  for (const char* type : {"pid", "mount"}) {
    Bundle bundle;
    fill(bundle);
    script(bundle, kChanges);
    bundle.join_namespace(type, of + (std::string(type) == "mount" ? "mnt" : type));
    bundle.write();
    TreeState before = state_of(bundle.rootfs());
    Outcome outcome = call({"run", "--overlay", "--bundle", bundle.path(), "joined"});
    EXPECT_EQ(outcome.out, kSeen) << type << describe(outcome);
    EXPECT_EQ(state_of(bundle.rootfs()), before) << type;
  }
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// What the kernel cannot do it must refuse: tmpfs has "user." attributes since Linux 6.6, and without them a directory
// that was removed and made again would have its old content.
TEST_F(Overlay, OrdinaryUserHasOneOrTheReason) {
  Bundle bundle;
  fill(bundle);
  make_rootless(bundle, {});
  script(bundle, "rm -r /data; mkdir /data; ls -A /data; echo changed > /etc/changed; mkdir /a; mv /a /b; ls -d /b");
  bundle.config["root"]["readonly"] = false;
  bool has_attributes = setxattr("/run/tests", "user.probe", "y", 1, 0) == 0;
  if (has_attributes) (void)removexattr("/run/tests", "user.probe");
  TreeState before = state_of(bundle.rootfs());
  for (bool older : {false, true}) {
    StartOptions options = user_options();
    if (older)
      options.in_child = [user = user_options().in_child] {
        forbid_descriptors_as_layers();
        user();
      };
    bundle.write();
    Outcome outcome = Running({kProgram, "run", "--overlay", "--bundle", bundle.path(), "mine"}, options).finish();
    EXPECT_EQ(state_of(bundle.rootfs()), before);
    if (has_attributes) {
      EXPECT_EQ(outcome.out, "/b\n") << describe(outcome);
      continue;
    }
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_NE(outcome.err.find("tmpfs has since Linux 6.6"), std::string::npos) << describe(outcome);
  }
}

// An image that belongs to the host's root can be a user's too: who owns nothing of it changes what all may change.
TEST_F(Overlay, OrdinaryUserTakesAnImageOfRoots) {
  Bundle bundle;
  fill(bundle);
  make_rootless(bundle, {});
  ASSERT_EQ(system(("chown -hR 0:0 " + bundle.rootfs()).c_str()), 0);
  script(bundle, "touch /new; cat /etc/changed; ls /new");
  bundle.config["root"]["readonly"] = false;
  TreeState before = state_of(bundle.rootfs());
  Outcome outcome = user_run(bundle, {"--overlay"});
  EXPECT_EQ(state_of(bundle.rootfs()), before);
  if (outcome.err.find("tmpfs has since Linux 6.6") != std::string::npos) return;
  EXPECT_EQ(outcome.out, "of the image/new\n") << describe(outcome);
}

TEST_F(Overlay, EndsAtItsSize) {
  Bundle bundle;
  fill(bundle);
  script(bundle,
         "dd if=/dev/zero of=/big bs=64k count=64; stat -c %s /big; rm /big; i=0;"
         "while echo > /etc/$i 2>/dev/null; do i=$((i+1)); done; [ $i -lt 4096 ] && echo few");
  Outcome outcome = run(bundle, {"--overlay=2m"});
  EXPECT_EQ(outcome.out, "2097152\nfew\n") << describe(outcome);
  EXPECT_NE(outcome.err.find("No space left on device"), std::string::npos) << outcome.err;
  script(bundle,
         "dd if=/dev/zero of=/big bs=1M count=60 2>/dev/null && echo fits; dd if=/dev/zero of=/more bs=1M count=8");
  outcome = run(bundle, {"--overlay"});
  EXPECT_EQ(outcome.out, "fits\n") << describe(outcome);
  EXPECT_NE(outcome.err.find("No space left on device"), std::string::npos) << outcome.err;
}

// memory.max counts what is in the tmpfs.
TEST_F(Overlay, IsChargedToTheContainer) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  fill(bundle);
  script(bundle, "dd if=/dev/zero of=/big bs=1M count=40; echo alive");
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 16777216}, {"swap", 16777216}};
  Outcome outcome = run(bundle, {"--overlay=1g"});
  EXPECT_NE(outcome.err.find("killed by the memory limit"), std::string::npos) << describe(outcome);
}

TEST_F(Overlay, ContainersShareAnImageAndNoChanges) {
  Bundle bundle;
  fill(bundle);
  script(bundle, "read name; [ -e /etc/mine ] && echo another; echo $name > /etc/mine; sleep 1; cat /etc/mine");
  bundle.write();
  TreeState before = state_of(bundle.rootfs());
  std::vector<std::unique_ptr<Running>> all;
  std::vector<UniqueFd> inputs;
  for (int i = 0; i < 4; ++i) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    inputs.emplace_back(ends[0]);
    UniqueFd end(ends[1]);
    std::string name = std::to_string(i) + "\n";
    ASSERT_EQ(write(end.get(), name.data(), name.size()), static_cast<ssize_t>(name.size()));
    StartOptions options;
    options.stdin_fd = inputs.back().get();
    all.push_back(std::make_unique<Running>(
        minirun({"run", "--overlay", "--bundle", bundle.path(), "shares" + std::to_string(i)}), options));
  }
  for (int i = 0; i < 4; ++i) {
    Outcome outcome = all[static_cast<size_t>(i)]->finish();
    EXPECT_EQ(outcome.out, std::to_string(i) + "\n") << describe(outcome);
  }
  EXPECT_EQ(state_of(bundle.rootfs()), before);
}

// The container reads the options of its mounts.
TEST_F(Overlay, ShowsNoPathOfTheHost) {
  Bundle bundle;
  fill(bundle);
  script(bundle, "cat /proc/self/mountinfo; ls -l /proc/self/fd/ /proc/1/fd/");
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--overlay"}, {"--keep-changes", kKept}, {"--overlay", "older"}}) {
    StartOptions options;
    if (flags.back() == "older") options.in_child = forbid_descriptors_as_layers;
    Outcome outcome = run(bundle, flags.back() == "older" ? std::vector<std::string>{"--overlay"} : flags, options);
    EXPECT_NE(outcome.out.find(" / / rw,relatime - overlay overlay rw,"), std::string::npos) << describe(outcome);
    for (const char* path : {"/run/tests", "bundle-", "kept"})
      EXPECT_EQ(outcome.out.find(path), std::string::npos) << path << outcome.out;
    for (const char* option : {"metacopy=on", "index=on", "redirect_dir=on", "redirect_dir=follow"})
      EXPECT_EQ(outcome.out.find(option), std::string::npos) << outcome.out;
    remove_tree(kKept);
  }
}

TEST_F(Overlay, IsReadOnlyWhenTheRootIs) {
  Bundle bundle;
  fill(bundle);
  bundle.config["root"]["readonly"] = true;
  bundle.config["process"]["cwd"] = "/made/for/it";
  script(bundle, "touch /etc/new; touch here; echo $PWD");
  TreeState before = state_of(bundle.rootfs());
  Outcome outcome = run(bundle, {"--overlay"});
  EXPECT_EQ(outcome.out, "/made/for/it\n") << describe(outcome);
  EXPECT_NE(outcome.err.find("/etc/new: Read-only file system"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("here: Read-only file system"), std::string::npos) << outcome.err;
  EXPECT_EQ(state_of(bundle.rootfs()), before);
}

// As a read-only bind mount or a squashfs is.
TEST_F(Overlay, WritesOverAReadOnlyImage) {
  Bundle bundle;
  fill(bundle);
  script(bundle, kChanges);
  const std::string rootfs = bundle.rootfs();
  const char* image = rootfs.c_str();
  ASSERT_EQ(mount(image, image, nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(mount(nullptr, image, nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID, nullptr), 0);
  EXPECT_NE(run(bundle).code, 0);
  expect_untouched(bundle, {"--overlay"});
  script(bundle, "grep ' / / ' /proc/self/mountinfo");
  EXPECT_NE(run(bundle, {"--overlay"}).out.find(" / / rw,nosuid,relatime "), std::string::npos);
  EXPECT_EQ(umount2(image, MNT_DETACH), 0);
}

// The kernel stacks two of them.
TEST_F(Overlay, LiesOnAnOverlay) {
  Bundle bundle;
  fill(bundle);
  script(bundle, kChanges);
  const std::string image = bundle.rootfs(), upper = bundle.path() + "/upper", work = bundle.path() + "/work";
  make_folders(upper);
  make_folders(work);
  const std::string options = "lowerdir=" + image + ",upperdir=" + upper + ",workdir=" + work;
  ASSERT_EQ(mount("overlay", image.c_str(), "overlay", 0, options.c_str()), 0);
  expect_untouched(bundle, {"--overlay"});
  bundle.write();
  Outcome outcome = call({"run", "--keep-changes", image + "/../rootfs2", "--bundle", bundle.path(), id()});
  EXPECT_EQ(outcome.out, kSeen) << describe(outcome);
  remove_tree(bundle.path() + "/rootfs2");
  EXPECT_EQ(umount2(image.c_str(), MNT_DETACH), 0);
}

TEST_F(Overlay, IsThatOfCreateStartAndExec) {
  Bundle bundle;
  fill(bundle);
  script(bundle, "echo started > /etc/by-start; sleep 1000");
  bundle.write();
  TreeState before = state_of(bundle.rootfs());
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions silent;
  silent.stdout_fd = silent.stderr_fd = nowhere.get();
  ASSERT_EQ(call({"create", "--overlay=1m", "--bundle", bundle.path(), id()}, silent).code, 0);
  ASSERT_EQ(call({"start", id()}).code, 0);
  EXPECT_TRUE(eventually([&] { return call({"exec", id(), "cat", "/etc/by-start"}).out == "started\n"; }));
  EXPECT_EQ(call({"exec", id(), "sh", "-c", "echo x > /etc/by-exec; cat /etc/by-exec"}).out, "x\n");
  EXPECT_EQ(call({"pause", id()}).code, 0);
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(state_of(bundle.rootfs()), before);
}

TEST_F(Overlay, MountsBelowTheRootfsAreLeftOutWithAWarning) {
  Bundle bundle;
  fill(bundle);
  bundle.add_folder("/volume/deep");
  script(bundle, "ls -A /volume /proc/self/status; touch /volume/new");
  const std::string volume = bundle.rootfs() + "/volume", proc = bundle.rootfs() + "/proc";
  ASSERT_EQ(mount("tmpfs", volume.c_str(), "tmpfs", 0, nullptr), 0);
  ASSERT_EQ(mount("tmpfs", proc.c_str(), "tmpfs", 0, nullptr), 0);  // config.json covers it
  write_new_file(volume + "/of-the-host", "x", 0644);
  Outcome outcome = run(bundle, {"--overlay"});
  EXPECT_NE(outcome.err.find("warning: the overlay leaves out what is mounted below the rootfs: /volume\n"),
            std::string::npos)
      << describe(outcome);
  EXPECT_NE(outcome.out.find("/volume:\ndeep\n"), std::string::npos) << describe(outcome);
  EXPECT_FALSE(exists(volume + "/new"));
  EXPECT_EQ(umount2(volume.c_str(), MNT_DETACH) | umount2(proc.c_str(), MNT_DETACH), 0);
}

TEST_F(Overlay, NeedsAMountNamespaceAndASize) {
  Bundle bundle;
  fill(bundle);
  for (const char* size : {"", "4095", "0", "-1", "default", "true", "8x", "1.5.5m", "64m,mode=7", "99999999p"}) {
    Outcome outcome = run(bundle, {std::string("--overlay=") + size});
    expect_refused(outcome, {"--overlay"});
    EXPECT_EQ(outcome.err.find("mount"), std::string::npos) << outcome.err;
  }
  expect_refused(run(bundle, {"--overlay=8m", "--keep-changes", kKept}), {"--overlay=8m", "must have no size"});
  bundle.drop_namespace("mount");
  bundle.config["mounts"] = nlohmann::json::array();
  expect_refused(run(bundle, {"--overlay"}), {"/linux/namespaces", "must have a mount namespace for --overlay"});
  expect_refused(run(bundle, {"--keep-changes", kKept}), {"must have a mount namespace for --keep-changes"});
  EXPECT_FALSE(exists(kKept));
}

// The size may lack, so that the word behind the option is the bundle.
TEST_F(Overlay, WordBehindTheOptionIsTheBundle) {
  Bundle bundle;
  fill(bundle);
  script(bundle, kChanges);
  bundle.write();
  for (const std::vector<std::string>& words : {std::vector<std::string>{"run", "--overlay", bundle.path(), id()},
                                                {"run", "-overlay", bundle.path(), id()},
                                                {"run", bundle.path(), id(), "--overlay"},
                                                {"run", "--overlay=4k", "--overlay=64K", bundle.path(), id()}}) {
    Outcome outcome = call(words);
    EXPECT_EQ(outcome.out, kSeen) << describe(outcome);
  }
}

TEST_F(Overlay, OptionsAreListedByFeatures) {
  auto features = nlohmann::json::parse(call({"features"}).out);
  EXPECT_EQ(features["annotations"].value("org.minirun.overlay", ""), "overlay keep-changes");
}

// An image is what others wrote. "Redirected" names of the kernel's overlay lead elsewhere in a layer, "opaque" ones
// and whiteouts hide.
TEST_F(Overlay, AttributesThatTheImageBringsLeadNowhere) {
  Bundle bundle;
  fill(bundle);
  bundle.add_file("/secret/hidden", "hidden");
  bundle.add_file("/meta", "the data of its own");
  for (const std::string prefix : {"trusted.overlay.", "user.overlay."}) {
    auto plant = [&](const std::string& path, const char* name, const std::string& value) {
      if (setxattr((bundle.rootfs() + path).c_str(), (prefix + name).c_str(), value.data(), value.size(), 0) != 0) {
        EXPECT_EQ(errno, EOPNOTSUPP) << path;  // a tmpfs before Linux 6.6
      }
    };
    plant("/moved", "redirect", "/secret");
    plant("/meta", "redirect", "/secret/hidden");
    plant("/meta", "metacopy", "");
    plant("/home", "opaque", "y");
    plant("/home", "origin", "x");
  }
  script(bundle, "ls /moved /home; cat /meta; echo; ls /moved/hidden");
  TreeState before = state_of(bundle.rootfs());
  for (bool user : {false, true}) {
    if (user) {
      ASSERT_EQ(unlink((bundle.path() + "/config.json").c_str()), 0);
      make_rootless(bundle, {});
    }
    if (user) before = state_of(bundle.rootfs());
    script(bundle, "ls /moved /home; cat /meta; echo; ls /moved/hidden");
    Outcome outcome = user ? user_run(bundle, {"--overlay"}) : run(bundle, {"--overlay"});
    EXPECT_EQ(outcome.out.find("hidden"), std::string::npos) << describe(outcome);
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_EQ(state_of(bundle.rootfs()), before);
  }
}

}  // namespace
}  // namespace minirun::testing
