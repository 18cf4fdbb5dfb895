// SPDX-License-Identifier: Apache-2.0
#include <sys/sysmacros.h>

#include "cgroups/device_filter.h"
#include "tests/unit/cgroups/cgroup_root.h"

namespace minirun {
namespace {

class DeviceFilterAttach : public CgroupRoot {};

// 0, or the errno of opening a node for the device.
int try_device(uint32_t major, uint32_t minor, int flags) {
  std::string node = "/tmp/minirun-node-" + std::to_string(getpid());
  if (mknod(node.c_str(), S_IFCHR | 0600, makedev(major, minor)) < 0) return errno;
  int fd = open(node.c_str(), flags | O_NONBLOCK | O_NOCTTY);
  int code = fd < 0 ? errno : 0;
  unlink(node.c_str());
  if (fd >= 0) close(fd);
  return code;
}

TEST_F(DeviceFilterAttach, DeviceFilterIsTakenAndKeptByTheKernel) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto program =
      compile_device_filter(with_default_devices({{true, DeviceType::character, 1, 11, kDeviceRead}}, false));
  auto attached = attach_device_filter(cgroup->fd(), *program);
  ASSERT_TRUE(attached.ok()) << attached.error().text();
  int status = wait_for(spawn(cgroup->fd(), [] {
    if (try_device(1, 3, O_RDWR) != 0) return 1;     // null: allowed by default
    if (try_device(1, 11, O_RDONLY) != 0) return 2;  // kmsg: reading allowed
    if (try_device(1, 11, O_WRONLY) != EPERM) return 3;
    if (try_device(1, 11, O_RDWR) != EPERM) return 4;   // one bit too many
    if (try_device(1, 4, O_RDONLY) != EPERM) return 5;  // port
    return 0;
  }));
  EXPECT_EQ(status, 0);
  EXPECT_EQ(try_device(1, 11, O_WRONLY), 0);  // outside of the cgroup nothing changed
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(DeviceFilterAttach, ReplacingLeavesOneFilterAndThoseOfOthers) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto replace = [&](const std::vector<DeviceRule>& rules) {
    auto replaced = replace_device_filter(cgroup->fd(), *compile_device_filter(rules));
    EXPECT_TRUE(replaced.ok()) << replaced.error().text();
  };
  // Whether a process in the cgroup can read null and zero.
  auto access = [&] {
    return wait_for(spawn(cgroup->fd(),
                          [] { return (try_device(1, 3, O_RDONLY) == 0) + 2 * (try_device(1, 5, O_RDONLY) == 0); })) >>
           8;
  };
  const DeviceRule nodes{true, DeviceType::any, {}, {}, kDeviceMknod};
  const DeviceRule null{true, DeviceType::character, 1, 3, kDeviceAll};
  const DeviceRule zero{true, DeviceType::character, 1, 5, kDeviceAll};
  const DeviceRule all{true, DeviceType::any, {}, {}, kDeviceAll};
  EXPECT_EQ(access(), 3);
  replace({nodes, null});  // there was none: it is attached
  EXPECT_EQ(access(), 1);
  replace({nodes, zero});  // beside the first one it would allow nothing
  EXPECT_EQ(access(), 2);
  replace({all});
  EXPECT_EQ(access(), 3);
  replace({all});  // none to remove
  replace({nodes, null, zero});
  EXPECT_EQ(access(), 3);
  replace({nodes});
  EXPECT_EQ(access(), 0);
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(DeviceFilterAttach, VerifierTakesEveryKindOfFilter) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  constexpr DeviceType kTypes[] = {DeviceType::any, DeviceType::block, DeviceType::character};
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::vector<DeviceRule> rules;
    for (unsigned i = 0, n = seed; i < 1 + seed % 4; ++i, n = n * 2654435761U + i) {
      DeviceRule rule{(n & 1) != 0, kTypes[n / 2 % 3], {}, {}, static_cast<uint8_t>(1 + n / 64 % 7)};
      if ((n & 16) != 0) rule.major = n / 512 % 3;
      if ((n & 32) != 0) rule.minor = n / 2048 % 3;
      rules.push_back(rule);
    }
    auto program = compile_device_filter(rules);
    auto attached = attach_device_filter(cgroup->fd(), *program);
    if (!attached && attached.error().code == E2BIG) {  // as many as a cgroup can have
      ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
      cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
      attached = attach_device_filter(cgroup->fd(), *program);
    }
    ASSERT_TRUE(attached.ok()) << seed << ": " << attached.error().text();
  }
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(DeviceFilterAttach, VerifierIsQuotedWhenItRefuses) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  bpf_insn no_verdict{BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
  auto attached = attach_device_filter(cgroup->fd(), {no_verdict});
  ASSERT_FALSE(attached.ok());
  EXPECT_NE(attached.error().message.find("R0 !read_ok"), std::string::npos) << attached.error().text();
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

}  // namespace
}  // namespace minirun
