// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

class CompileDevices : public CompileTest {
 protected:
  static oci::Device device(char type, std::string path, int64_t major, int64_t minor) {
    oci::Device out;
    out.type = type;
    out.path = std::move(path);
    if (type != 'p') {
      out.major = major;
      out.minor = minor;
    }
    return out;
  }
};

TEST_F(CompileDevices, TheDefaultOnesAreAlwaysThere) {
  auto all = lines();
  for (const char* line : {"device null 1:3 mode 0666 owner 0:0", "device zero 1:5 mode 0666 owner 0:0",
                           "device full 1:7 mode 0666 owner 0:0", "device random 1:8 mode 0666 owner 0:0",
                           "device urandom 1:9 mode 0666 owner 0:0", "device tty 5:0 mode 0666 owner 0:0"})
    EXPECT_TRUE(has(all, line)) << line;
}

TEST_F(CompileDevices, AreGroupedByDirectory) {
  spec.linux_.devices = {device('c', "/dev/net/tun", 10, 200), device('c', "/dev/fuse", 10, 229),
                         device('b', "/data//disk/./vdb", 254, 16), device('p', "/dev/net/../pipe", 0, 0)};
  expect_order(lines(), {"in /dev:", "device null", "device fuse 10:229", "device pipe 0:0", "symlink fd",
                         "in /dev/net:", "device tun 10:200", "in /data/disk:", "device vdb 254:16"});
}

TEST_F(CompileDevices, TypesOwnersAndModes) {
  spec.linux_.devices = {device('u', "/dev/u", 300, 70000)};
  spec.linux_.devices[0].file_mode = 0640;
  spec.linux_.devices[0].uid = 7;
  spec.linux_.devices[0].gid = 8;
  EXPECT_TRUE(has(lines(), "device u 300:70000 mode 0640 owner 7:8"));
  int at = find(lines(), "device u ");
  EXPECT_EQ(get_if<steps::Device>(compiled.plan.steps[static_cast<size_t>(at)])->mode.value, 0020640u);
  spec.linux_.devices = {device('b', "/dev/x", 8, 0)};
  at = find(lines(), "device x ");
  EXPECT_EQ(get_if<steps::Device>(compiled.plan.steps[static_cast<size_t>(at)])->mode.value, 0060666u);
}

TEST_F(CompileDevices, TheConfigMayChangeADefaultDevice) {
  spec.linux_.devices = {device('c', "/dev/null", 1, 3)};
  spec.linux_.devices[0].file_mode = 0600;
  auto all = lines();
  EXPECT_TRUE(has(all, "device null 1:3 mode 0600 owner 0:0"));
  EXPECT_FALSE(has(all, "device null 1:3 mode 0666 owner 0:0"));
}

TEST_F(CompileDevices, PtmxIsAlwaysTheContainersOwn) {
  spec.linux_.devices = {device('c', "/dev/ptmx", 5, 2)};
  auto all = lines();
  EXPECT_EQ(find(all, "device ptmx"), -1);
  EXPECT_TRUE(has(all, "symlink ptmx -> pts/ptmx"));
}

TEST_F(CompileDevices, LinksAreThereOnlyForWhatIs) {
  expect_order(lines(), {"in /dev:", "symlink fd -> /proc/self/fd", "symlink stdin -> /proc/self/fd/0",
                         "symlink stdout -> /proc/self/fd/1", "symlink stderr -> /proc/self/fd/2", "symlink ptmx"});
  EXPECT_EQ(step<steps::Symlink>().flags, kOnlyIfTarget);
}

TEST_F(CompileDevices, ABoundDevIsLeftAlone) {
  spec.mounts = {mount_of("/dev/", "", "/dev", {"rbind"})};
  spec.linux_.devices = {device('c', "/dev/fuse", 10, 229), device('c', "/opt/fuse", 10, 229)};
  auto all = lines();
  EXPECT_EQ(find(all, "in /dev:"), -1);
  EXPECT_EQ(find(all, "device null"), -1);
  EXPECT_EQ(find(all, "symlink"), -1);
  expect_order(all, {"in /opt:", "device fuse"});
}

TEST_F(CompileDevices, ProtectedPathsComeAfterEveryMountAndTheTerminal) {
  spec.mounts = {mount_of("/proc", "proc", "proc", {})};
  spec.process->terminal = true;
  spec.linux_.masked_paths = {"/proc/kcore"};
  spec.linux_.readonly_paths = {"/proc/sys"};
  auto all = lines();
  expect_order(all, {"mount proc", "device null", "open a terminal", "bind the terminal", "make /proc/sys read-only",
                     "mask /proc/kcore"});
  EXPECT_EQ(step<steps::Mask>().flags, kTolerateMissing);
  EXPECT_EQ(step<steps::MakeReadonly>().flags, kTolerateMissing);
  EXPECT_EQ(compiled.plan.slots[step<steps::Mask>().null_device.index].kind, SourceKind::null_device);
}

TEST_F(CompileDevices, TheFilterDeniesWhatNobodyAskedFor) {
  (void)lines();
  size_t defaults = compiled.device_filter.size();
  EXPECT_GT(defaults, 0u);
  spec.linux_.devices = {device('c', "/dev/fuse", 10, 229)};
  (void)lines();
  EXPECT_GT(compiled.device_filter.size(), defaults) << "a device of the config may be used where no rule says more";
  spec.linux_.resources = oci::Resources{};
  spec.linux_.resources->devices = {{true, 'a', {}, {}, "rwm"}};
  (void)lines();
  EXPECT_TRUE(compiled.device_filter.empty()) << "all is allowed";
}

}  // namespace
}  // namespace minirun
