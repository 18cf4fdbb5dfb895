// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>

#include "sys/kernel_abi.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

class CompileMounts : public CompileTest {};

TEST_F(CompileMounts, StandInTheListedOrder) {
  spec.mounts = {mount_of("/b", "tmpfs", "tmpfs", {}), mount_of("/a", "tmpfs", "tmpfs", {}),
                 mount_of("/b/c", "", "/data", {"bind"})};
  expect_order(lines(), {"mount tmpfs on /b ", "mount tmpfs on /a ", "bind /data on /b/c"});
}

TEST_F(CompileMounts, SourcesComeInTurns) {
  for (uint32_t i = 0; i < 2 * kSourcesOfATurn + 1; i++)
    spec.mounts.push_back(mount_of("/many/" + std::to_string(i), "", "/data" + std::to_string(i), {"bind"}));
  spec.mounts.push_back(mount_of("/many/70", "", "", {"remount", "bind", "ro"}));
  expect_order(lines(), {"bind /data63 on", "have the next 64 sources opened", "bind /data64 on", "bind /data127 on",
                         "have the next 1 sources opened", "bind /data128 on", "change /many/70 (ro)"});
  size_t turns[3] = {};
  for (const Source& source : compiled.plan.slots)
    if (source.kind == SourceKind::tree && source.path.starts_with("/data")) turns[source.turn]++;
  EXPECT_EQ(turns[0], kSourcesOfATurn);
  EXPECT_EQ(turns[1], kSourcesOfATurn);
  EXPECT_EQ(turns[2], 1u);
  // Only what a later step looks for stays open.
  for (const Step& step : compiled.plan.steps) {
    const auto* attach = get_if<steps::Attach>(step);
    if (attach == nullptr || compiled.plan.slots[attach->tree.index].turn == 0) continue;
    EXPECT_EQ((attach->flags & kLast) == 0, compiled.plan.slots[attach->tree.index].path == "/data70");
  }
}

TEST_F(CompileMounts, ALowSoftLimitIsRaisedAndGivenBack) {
  spec.mounts = {mount_of("/data", "", "/srv", {"bind"})};
  const std::string back = "limit RLIMIT_NOFILE: soft 20, hard 4096";
  host.open_files = 1024;
  host.most_open_files = 4096;
  EXPECT_EQ(find(lines(), "limit RLIMIT_NOFILE"), -1) << "the limit is high enough";
  EXPECT_FALSE(compiled.raises_open_files);
  host.open_files = 20;
  EXPECT_TRUE(has(lines(), back));
  EXPECT_TRUE(compiled.raises_open_files);
  spec.process->rlimits = {{RLIMIT_NOFILE, 5, 6}};
  EXPECT_FALSE(has(lines(), back)) << "the config's own is the workload's";
  EXPECT_TRUE(compiled.raises_open_files);
  host.most_open_files = 20;
  (void)lines();
  EXPECT_FALSE(compiled.raises_open_files) << "it cannot be higher";
}

TEST_F(CompileMounts, TmpfsWithSomethingOnItBecomesReadOnlyLast) {
  spec.mounts = {mount_of("/dev", "tmpfs", "tmpfs", {"nosuid", "ro"}),
                 mount_of("/a", "tmpfs", "a", {"ro", "tmpcopyup"}),
                 mount_of("/alone", "tmpfs", "alone", {"ro"}),
                 mount_of("/a/b", "", "/data", {"bind"}),
                 mount_of("/c", "tmpfs", "c", {"ro"}),
                 mount_of("/c/d", "", "/data", {"bind"}),
                 mount_of("/c", "tmpfs", "over", {})};
  spec.root->readonly = true;
  auto all = lines();
  expect_order(all, {"mount tmpfs on /dev (nosuid,source=tmpfs)", "bind tmpfs a filled from the image on /a",
                     "mount tmpfs on /alone (ro,", "bind /data on /a/b ", "mount tmpfs on /c (ro,", "change /dev (ro)",
                     "change /a (ro)", "change / (ro)"});
  EXPECT_FALSE(has(all, "change /c (ro)")) << "by then it is another mount";
  EXPECT_FALSE(has(all, "change /alone (ro)"));
}

TEST_F(CompileMounts, TmpfsOfTheWorkingDirectoryBecomesReadOnlyBehindIt) {
  spec.mounts = {mount_of("/srv", "tmpfs", "tmpfs", {"ro"})};
  spec.process->cwd = "/srv/app";
  expect_order(lines(), {"mount tmpfs on /srv (source=tmpfs", "change /srv (ro)"});
}

TEST_F(CompileMounts, BindKeepsReadOnlyThroughRemount) {
  spec.mounts = {mount_of("/data", "", "/srv", {"rbind", "ro", "nosuid", "rprivate"}),
                 mount_of("/data", "", "", {"bind", "remount", "noexec"})};
  auto all = lines();
  EXPECT_TRUE(has(all, "bind /srv on /data (ro,nosuid,rprivate)"));
  EXPECT_TRUE(has(all, "change /data (noexec)")) << "what is not named stays";
}

TEST_F(CompileMounts, BindIsDecidedByTheOptionsAlone) {
  spec.mounts = {mount_of("/a", "tmpfs", "/srv", {"bind"}), mount_of("/b", "none", "/srv", {"rbind"})};
  auto all = lines();
  EXPECT_TRUE(has(all, "bind /srv on /a (slave)"));
  EXPECT_TRUE(has(all, "bind /srv on /b (rslave)"));
  EXPECT_FALSE(compiled.plan.slots[1].recursive);
  EXPECT_TRUE(compiled.plan.slots[2].recursive);
}

TEST_F(CompileMounts, RelativeSourceStartsAtTheBundle) {
  spec.mounts = {mount_of("/a", "", "data", {"bind"})};
  EXPECT_TRUE(has(lines(), "bind /bundle/data on /a (slave)"));
}

TEST_F(CompileMounts, ABindSendsNothingToTheHostUnlessAsked) {
  spec.mounts = {mount_of("/a", "", "/srv", {"rbind"}), mount_of("/b", "", "/srv", {"rbind", "rshared"})};
  auto all = lines();
  EXPECT_TRUE(has(all, "bind /srv on /a (rslave)"));
  EXPECT_TRUE(has(all, "bind /srv on /b (rshared)"));
}

// Where the kernel can: all that is below it is placed by then.
TEST_F(CompileMounts, ASharedBindIsSharedAtTheSetupGate) {
  const auto peers = [&](const oci::Strings& with) {
    spec.mounts = {mount_of("/a", "", "/data", with)};
    (void)lines();
    for (const Source& source : compiled.plan.slots)
      if (source.path == "/data") return source.peers;
    return Peers::stay;
  };
  spec.mounts = {mount_of("/a", "", "/data", {"rbind", "rshared"})};
  EXPECT_TRUE(has(lines(), "bind /data on /a (rshared)")) << "Linux 5.14";
  EXPECT_EQ(find(lines(), "wait for minirun: its shared mounts"), -1);
  host.rejoins_peers = true;
  spec.linux_.masked_paths = {"/a/b"};
  expect_order(lines(), {"bind /data on /a", "mask ", "wait for minirun: its shared mounts"});
  EXPECT_FALSE(has(lines(), "bind /data on /a (rshared)"));
  EXPECT_EQ(peers({"rbind", "rshared"}), Peers::rejoin_all);
  EXPECT_EQ(peers({"rbind", "shared"}), Peers::rejoin_top);
  EXPECT_EQ(peers({"bind", "shared"}), Peers::rejoin_top);
  EXPECT_EQ(peers({"bind", "rshared"}), Peers::rejoin_top);
  EXPECT_EQ(peers({"bind", "private"}), Peers::stay);
  EXPECT_EQ(peers({"rbind"}), Peers::stay);
  EXPECT_EQ(peers({"rbind", "rprivate"}), Peers::stay);
  EXPECT_EQ(peers({"rbind", "private"}), Peers::slaves) << "what is below is not meant by it";
  host.in_user_namespace = true;
  EXPECT_EQ(peers({"rbind", "rshared"}), Peers::stay);
}

TEST_F(CompileMounts, ASourceThatAnEarlierMountBringsIsItsOwn) {
  spec.mounts = {mount_of("/vol", "", "/srv", {"bind"}),
                 mount_of("/tmp", "tmpfs", "tmpfs", {}),
                 mount_of("/a", "", "/bundle/rootfs/vol/x/y", {"rbind", "ro"}),
                 mount_of("/b", "", "rootfs/tmp", {"bind"}),
                 mount_of("/c", "", "/bundle/rootfs/volume", {"bind"}),
                 mount_of("/d", "", "/bundle/rootfs/vol/../etc", {"bind"}),
                 mount_of("/e", "", "/bundle/rootfs/vol", {"bind", "src-nofollow"})};
  auto all = lines();
  EXPECT_TRUE(has(all, "bind its own /vol/x/y on /a (ro,rslave)"));
  EXPECT_TRUE(has(all, "bind its own /tmp on /b (slave)"));
  EXPECT_TRUE(has(all, "bind /bundle/rootfs/volume on /c (slave)"));
  EXPECT_TRUE(has(all, "bind /bundle/rootfs/vol/../etc on /d (slave)"));
  EXPECT_TRUE(has(all, "bind /bundle/rootfs/vol on /e (slave)"));
  const auto& first = step<steps::BindOwn>();
  EXPECT_EQ(first.mount.by, PlacedBy::slot);
  EXPECT_EQ(compiled.plan.slots[first.mount.number].path, "/srv");
  EXPECT_NE(first.flags & kWithBelow, 0U);
  EXPECT_STREQ(data(first.source) + first.below, "x/y");
}

TEST_F(CompileMounts, RecursiveOptionsReachWhatIsBelow) {
  spec.mounts = {mount_of("/a", "", "/srv", {"rbind", "rro", "nosuid"})};
  EXPECT_TRUE(has(lines(), "bind /srv on /a (nosuid,rro,rslave)"));
  EXPECT_EQ(step<steps::Attach>().change.set.value, abi::kMountAttrNosuid);
  EXPECT_EQ(step<steps::Attach>().change.set_below.value, abi::kMountAttrReadonly);
}

TEST_F(CompileMounts, AFlagOfTheFilesystemOnABindIsAWarning) {
  spec.mounts = {mount_of("/a", "", "/srv", {"bind", "sync"})};
  EXPECT_TRUE(has(lines(), "bind /srv on /a (slave)"));
  ASSERT_EQ(compiled.warnings.size(), 1u);
  EXPECT_EQ(compiled.warnings[0],
            "/mounts/0/options: sync has no effect on a bind mount: it is a property of the filesystem");
}

TEST_F(CompileMounts, ANewMountHasItsAttributesFromTheStart) {
  spec.mounts = {mount_of("/a", "tmpfs", "shm", {"rro", "nosuid", "rw", "noatime", "mode=700", "shared"})};
  EXPECT_TRUE(has(lines(), "mount tmpfs on /a (ro,nosuid,noatime,source=shm,mode=700,shared)"));
}

TEST_F(CompileMounts, ProcAndSysWantARealDirectory) {
  spec.mounts = {mount_of("/proc", "proc", "proc", {})};
  (void)lines();
  EXPECT_EQ(step<steps::MountNew>().mount.flags, kRealDirectory);
  spec.mounts = {mount_of("/sys", "sysfs", "sysfs", {})};
  (void)lines();
  EXPECT_EQ(step<steps::MountNew>().mount.flags, kRealDirectory | kNotProcfs);
}

TEST_F(CompileMounts, ATmpfsWithoutModeKeepsThatOfTheImage) {
  spec.mounts = {mount_of("/run", "tmpfs", "tmpfs", {})};
  (void)lines();
  EXPECT_EQ(step<steps::MountNew>().mount.flags, kModeOfTarget | kNotProcfs);
  spec.mounts = {mount_of("/run", "tmpfs", "tmpfs", {"mode=755"})};
  (void)lines();
  EXPECT_EQ(step<steps::MountNew>().mount.flags, kNotProcfs);
}

TEST_F(CompileMounts, CgroupIsANewMountWithACgroupNamespace) {
  spec.mounts = {mount_of("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"})};
  EXPECT_TRUE(has(lines(), "mount cgroup2 on /sys/fs/cgroup (ro,source=cgroup)"));
}

TEST_F(CompileMounts, CgroupIsTheContainersOwnDirectoryWithoutOne) {
  auto& namespaces = spec.linux_.namespaces;
  namespaces.erase(
      std::remove_if(namespaces.begin(), namespaces.end(), [](const auto& ns) { return ns.type == CLONE_NEWCGROUP; }),
      namespaces.end());
  spec.mounts = {mount_of("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"})};
  auto all = lines();
  EXPECT_TRUE(has(all, "bind the container's cgroup on /sys/fs/cgroup (ro,slave)"));
  EXPECT_EQ(find(all, "unshare cgroup"), -1);
}

TEST_F(CompileMounts, AFilesystemOfADeviceIsMountedFromTheHost) {
  spec.mounts = {mount_of("/data", "ext4", "/dev/vdb", {"ro", "nodev", "data=ordered"})};
  EXPECT_TRUE(has(lines(), "bind ext4 /dev/vdb on /data"));
  const Source& source = compiled.plan.slots[1];
  EXPECT_EQ(source.kind, SourceKind::filesystem);
  EXPECT_EQ(source.detail, abi::kMountAttrReadonly | abi::kMountAttrNodev);
  EXPECT_EQ(source.parameters, (Parameters{{"source", "=/dev/vdb"}, {"data", "=ordered"}, {"ro", ""}}));
}

TEST_F(CompileMounts, RemountChangesTheFilesystemAndTheMount) {
  spec.mounts = {mount_of("/tmp", "tmpfs", "tmpfs", {}),
                 mount_of("/tmp", "tmpfs", "tmpfs", {"remount", "ro", "size=1m"})};
  expect_order(lines(), {"reconfigure the filesystem of /tmp (size=1m)", "change /tmp (ro)"});
}

// A process that renames things in a volume cannot substitute another mount.
TEST_F(CompileMounts, AChangeIsOfTheVeryMountOfTheEarlierEntry) {
  spec.mounts = {mount_of("/v", "", "/srv", {"bind"}),
                 mount_of("/v/a", "tmpfs", "a", {}),
                 mount_of("/v/b", "tmpfs", "b", {"ro"}),
                 mount_of("/v/b/c", "tmpfs", "c", {}),
                 mount_of("/v/d", "", "/data", {"bind"}),
                 mount_of("/v/a/", "", "", {"remount", "size=1m", "nosuid"}),
                 mount_of("/v/d", "", "", {"remount", "bind", "ro"}),
                 mount_of("/v/e", "", "", {"remount", "ro"})};
  (void)lines();
  std::vector<std::pair<std::string, PlacedBy>> changes;
  uint32_t kept = 0, keeping = 0;
  for (uint32_t i = 0; i < compiled.plan.steps.size(); i++) {
    const Step& step = compiled.plan.steps[i];
    const auto* made = get_if<steps::MountNew>(step);
    if (made != nullptr && (made->mount.flags & kKeep) != 0) keeping++;
    const auto* filesystem = get_if<steps::Reconfigure>(step);
    const auto* attributes = get_if<steps::SetAttributes>(step);
    if (filesystem == nullptr && attributes == nullptr) continue;
    const PlacedMount mount = filesystem != nullptr ? filesystem->mount : attributes->mount;
    changes.emplace_back(compiled.plan.origins[i], mount.by);
    if (mount.by == PlacedBy::keeping) kept = std::max(kept, mount.number + 1);
  }
  const std::vector<std::pair<std::string, PlacedBy>> wanted = {{"/mounts/5", PlacedBy::keeping},
                                                                {"/mounts/5", PlacedBy::keeping},
                                                                {"/mounts/6", PlacedBy::slot},
                                                                {"/mounts/7", PlacedBy::none},
                                                                {"/mounts/2", PlacedBy::keeping}};
  for (const auto& one : wanted) EXPECT_NE(std::find(changes.begin(), changes.end(), one), changes.end()) << one.first;
  EXPECT_EQ(keeping, 2U);
  EXPECT_EQ(kept, 2U);
}

TEST_F(CompileMounts, PropagationAloneChangesWhatIsThere) {
  spec.mounts = {mount_of("/tmp", "", "", {"rshared"})};
  EXPECT_TRUE(has(lines(), "change /tmp (rshared)"));
}

TEST_F(CompileMounts, MappingsOfAMountAreItsOwnOrTheContainers) {
  oci::Mount own = mount_of("/a", "", "/srv", {"bind"});
  own.uid_mappings = {{0, 1000, 1}, {1, 5000, 10}};
  own.gid_mappings = {{0, 2000, 1}};
  spec.mounts = {own, mount_of("/b", "", "/srv", {"rbind", "ridmap"}),
                 mount_of("/c", "", "/srv", {"bind", "idmap=uids=@0-100-10#500-0-1;gids=0-7-1"}),
                 mount_of("/d", "", "/srv", {"bind", "idmap=gids=3-3-3"}),
                 mount_of("/e", "tmpfs", "tmpfs", {"ro", "idmap"})};
  spec.linux_.namespaces.push_back({CLONE_NEWUSER, ""});
  spec.linux_.uid_mappings = {{0, 100000, 200}, {1000, 0, 1}};
  spec.linux_.gid_mappings = {{0, 300000, 200}};
  auto all = lines();
  EXPECT_TRUE(has(all, "bind /srv with mapped uids 0-1000-1 1-5000-10, gids 0-2000-1 on /a (slave)"));
  EXPECT_TRUE(has(all, "bind /srv with all mapped uids 0-100000-200 1000-0-1, gids 0-300000-200 on /b (rslave)"));
  EXPECT_TRUE(has(all, "bind /srv with mapped uids 0-100100-10 500-0-1, gids 0-7-1 on /c (slave)"));
  EXPECT_TRUE(has(all, "bind /srv with mapped uids 0-100000-200 1000-0-1, gids 3-3-3 on /d (slave)"));
  EXPECT_TRUE(has(all, "bind tmpfs tmpfs with mapped uids 0-100000-200 1000-0-1, gids 0-300000-200 on /e (ro)"));
}

TEST_F(CompileMounts, MappingsOfAJoinedUserNamespaceAreItsOwn) {
  spec.mounts = {mount_of("/a", "", "/srv", {"bind", "idmap"})};
  spec.linux_.namespaces.push_back({CLONE_NEWUSER, "/run/ns/user"});
  spec.linux_.uid_mappings = {{0, 1, 1}};  // as engines send them too
  spec.linux_.gid_mappings = {{0, 1, 1}};
  EXPECT_TRUE(has(lines(), "bind /srv with mapped as in /run/ns/user on /a (slave)"));
}

TEST_F(CompileMounts, TmpcopyupIsFilledBeforeItIsPlacedAndReadOnlyAfterwards) {
  spec.mounts = {mount_of("/var", "tmpfs", "tmpfs", {}),
                 mount_of("/var/lib/", "tmpfs", "tmpfs", {"tmpcopyup", "ro", "nosuid", "size=1m"})};
  EXPECT_TRUE(has(lines(), "bind tmpfs tmpfs filled from the image on /var/lib/ (ro)"));
  const Source& source = compiled.plan.slots.back();
  EXPECT_EQ(source.detail, abi::kMountAttrNosuid) << "written to before it becomes read-only";
  EXPECT_EQ(source.parameters, (Parameters{{"source", "=tmpfs"}, {"size", "=1m"}}));
  EXPECT_EQ(source.like_directory, "/var/lib/");
  EXPECT_EQ(compiled.warnings,
            (std::vector<std::string>{
                "/mounts/1/options: tmpcopyup copies what the image has there, not what is mounted on /var"}));
}

TEST_F(CompileMounts, CopySymlinkMakesALinkWhereTheSourceIsOne) {
  spec.mounts = {mount_of("/a/b/link", "", "/srv", {"bind", "copy-symlink", "ro"}),
                 mount_of("/link", "", "/srv", {"bind", "copy-symlink"}),
                 mount_of("/c", "", "/srv", {"bind", "copy-symlink"})};
  links = {"../target", "/x", ""};
  auto all = lines();
  expect_order(all, {"in /a/b:", "symlink link -> ../target", "in /:", "symlink link -> /x"});
  EXPECT_TRUE(has(all, "bind /srv on /c (slave)"));
  EXPECT_EQ(find(all, "bind /srv on /a"), -1);
  EXPECT_EQ(step<steps::Symlink>().flags, kReplace);
}

TEST_F(CompileMounts, SrcNofollowMountsTheLinkItself) {
  spec.mounts = {mount_of("/a", "", "/srv", {"bind", "src-nofollow", "dest-nofollow"}),
                 mount_of("/b", "", "/srv", {"bind"})};
  (void)lines();
  size_t last = compiled.plan.slots.size() - 1;
  size_t first = 0;
  while (compiled.plan.slots[first].kind != SourceKind::tree) first++;
  EXPECT_TRUE(compiled.plan.slots[first].no_follow);
  EXPECT_FALSE(compiled.plan.slots[first + 1].no_follow) << last;
  EXPECT_EQ(step<steps::Attach>().flags, kTargetItself | kNotProcfs);
}

TEST_F(CompileMounts, MountLabelIsAContextOfNewFilesystems) {
  host.selinux = true;
  spec.linux_.mount_label = "u:r:t:s0:c1,c2";
  spec.mounts = {mount_of("/a", "tmpfs", "", {}),         mount_of("/b", "devpts", "", {}),
                 mount_of("/c", "proc", "", {}),          mount_of("/d", "sysfs", "", {}),
                 mount_of("/e", "mqueue", "", {}),        mount_of("/f", "", "/srv", {"bind"}),
                 mount_of("/g", "ext4", "/dev/x", {}),    mount_of("/h", "tmpfs", "", {"rootcontext=mine"}),
                 mount_of("/i", "tmpfs", "", {"remount"})};
  auto all = lines();
  EXPECT_TRUE(has(all, "mount tmpfs on /a (context=u:r:t:s0:c1,c2)"));
  EXPECT_TRUE(has(all, "mount devpts on /b (context=u:r:t:s0:c1,c2)"));
  for (const char* line : {"mount proc on /c", "mount sysfs on /d", "mount mqueue on /e", "bind /srv on /f (slave)",
                           "mount tmpfs on /h (rootcontext=mine)"})
    EXPECT_TRUE(has(all, line)) << line;
  EXPECT_EQ(compiled.plan.slots.back().parameters, (Parameters{{"source", "=/dev/x"}, {"context", "=u:r:t:s0:c1,c2"}}));
  spec.annotations = {{"run.oci.mount_context_type", "fscontext"}};
  EXPECT_TRUE(has(lines(), "mount tmpfs on /a (fscontext=u:r:t:s0:c1,c2)"));
}

TEST_F(CompileMounts, MountLabelWithoutSelinuxIsAWarning) {
  spec.linux_.mount_label = "u:r:t:s0";
  spec.mounts = {mount_of("/a", "tmpfs", "", {})};
  EXPECT_TRUE(has(lines(), "mount tmpfs on /a"));
  EXPECT_EQ(compiled.warnings,
            (std::vector<std::string>{"/linux/mountLabel: has no effect: SELinux is not enabled on this host"}));
}

TEST_F(CompileMounts, OnlyWhatIsNamedInProcfsMayLandThere) {
  spec.mounts = {mount_of("/proc", "proc", "proc", {}),
                 mount_of("/proc/uptime", "none", "/lxcfs/uptime", {"bind"}),
                 mount_of("/data", "tmpfs", "", {}),
                 mount_of("/host/proc", "none", "/proc", {"rbind"}),
                 mount_of("/host/proc/stat", "none", "/lxcfs/stat", {"bind"}),
                 mount_of("/procession", "none", "/srv", {"bind"})};
  lines();
  std::vector<bool> guarded;
  for (const Step& step : compiled.plan.steps) {
    const auto* made = get_if<steps::MountNew>(step);
    const auto* bound = get_if<steps::Attach>(step);
    if (made != nullptr) guarded.push_back((made->mount.flags & kNotProcfs) != 0);
    if (bound != nullptr) guarded.push_back((bound->flags & kNotProcfs) != 0);
  }
  EXPECT_EQ(guarded, (std::vector<bool>{false, false, true, true, false, true}));
}

}  // namespace
}  // namespace minirun
