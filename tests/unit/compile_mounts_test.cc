#include "sys/kernel_abi.h"
#include "tests/unit/compile_fixture.h"

namespace minirun {
namespace {

class CompileMounts : public CompileTest {};

TEST_F(CompileMounts, StandInTheListedOrder) {
  spec.mounts = {mount_of("/b", "tmpfs", "tmpfs", {}), mount_of("/a", "tmpfs", "tmpfs", {}),
                 mount_of("/b/c", "", "/data", {"bind"})};
  expect_order(lines(), {"mount tmpfs on /b ", "mount tmpfs on /a ", "bind /data on /b/c"});
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

TEST_F(CompileMounts, RecursiveOptionsReachWhatIsBelow) {
  spec.mounts = {mount_of("/a", "", "/srv", {"rbind", "rro", "nosuid"})};
  EXPECT_TRUE(has(lines(), "bind /srv on /a (nosuid,rro,rslave)"));
  EXPECT_EQ(step(Op::attach).arg[2], abi::kMountAttrNosuid | abi::kMountAttrReadonly << 32);
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
  EXPECT_TRUE(has(lines(), "mount tmpfs on /a (nosuid,noatime,source=shm,mode=700,shared)"));
}

TEST_F(CompileMounts, ProcAndSysWantARealDirectory) {
  spec.mounts = {mount_of("/proc", "proc", "proc", {})};
  (void)lines();
  EXPECT_EQ(step(Op::mount_new).flags, kRealDirectory);
  spec.mounts = {mount_of("/sys", "sysfs", "sysfs", {})};
  (void)lines();
  EXPECT_EQ(step(Op::mount_new).flags, kRealDirectory);
}

TEST_F(CompileMounts, ATmpfsWithoutModeKeepsThatOfTheImage) {
  spec.mounts = {mount_of("/run", "tmpfs", "tmpfs", {})};
  (void)lines();
  EXPECT_EQ(step(Op::mount_new).flags, kModeOfTarget);
  spec.mounts = {mount_of("/run", "tmpfs", "tmpfs", {"mode=755"})};
  (void)lines();
  EXPECT_EQ(step(Op::mount_new).flags, 0);
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
  spec.mounts = {mount_of("/tmp", "tmpfs", "tmpfs", {"remount", "ro", "size=1m"})};
  expect_order(lines(), {"reconfigure the filesystem of /tmp (size=1m)", "change /tmp (ro)"});
}

TEST_F(CompileMounts, PropagationAloneChangesWhatIsThere) {
  spec.mounts = {mount_of("/tmp", "", "", {"rshared"})};
  EXPECT_TRUE(has(lines(), "change /tmp (rshared)"));
}

}  // namespace
}  // namespace minirun
