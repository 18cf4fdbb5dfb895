// SPDX-License-Identifier: Apache-2.0
#include "namespaces/mount_id_map.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "namespaces/sources.h"

namespace minirun {
namespace {

// Detached mounts, as open_sources() makes them; nothing is put anywhere.
class MountIdMapTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root: makes mounts";
    auto probe = make_user_namespace({{0, 1, 1}}, {{0, 1, 1}});
    if (!probe.ok()) GTEST_SKIP() << "no user namespaces: " << probe.error().text();
  }
  static Source tmpfs(MountIdMap map) {
    Source source{SourceKind::filesystem, "tmpfs", false, 0, "/mounts/0"};
    source.type = "tmpfs";
    source.id_map = std::move(map);
    return source;
  }
  Result<UniqueFd> open(Source source) {
    Plan plan;
    plan.slots.push_back(std::move(source));
    auto opened = open_sources(plan, HostDescriptors{});
    if (!opened.ok()) return opened.error();
    return std::move((*opened)[0]);
  }
  // The owner of the root of a new tmpfs, which is 0 inside.
  std::string owner(MountIdMap map) {
    auto mount = open(tmpfs(std::move(map)));
    if (!mount.ok()) return mount.error().text();
    struct stat facts {};
    if (fstatat(mount->get(), ".", &facts, 0) < 0) return "stat";
    return fmt::format("{}:{}", facts.st_uid, facts.st_gid);
  }
};

TEST_F(MountIdMapTest, ShowsOtherOwners) {
  std::string seen = owner({{{0, 1000, 1}}, {{0, 2000, 1}}});
  if (seen.find("invalid argument") != std::string::npos) GTEST_SKIP() << "a tmpfs cannot be idmapped before Linux 6.3";
  EXPECT_EQ(seen, "1000:2000");
  auto joined = make_user_namespace({{0, 77, 1}}, {{0, 78, 1}});
  ASSERT_TRUE(joined.ok());
  EXPECT_EQ(owner({{}, {}, fmt::format("/proc/self/fd/{}", joined->get())}), "77:78");
}

TEST_F(MountIdMapTest, NamespaceMustBeAnotherUserNamespace) {
  EXPECT_EQ(owner({{}, {}, "/proc/self/ns/user"}),
            "/mounts/0: map the ids of the mount: /proc/self/ns/user is minirun's own user namespace, which maps every "
            "id to itself");
  EXPECT_EQ(owner({{}, {}, "/proc/self/ns/net"}),
            "/mounts/0: map the ids of the mount: /proc/self/ns/net is a network namespace, not a user namespace: "
            "invalid argument");
}

TEST_F(MountIdMapTest, FilesystemThatCannotIsNamed) {
  Source source{SourceKind::tree, "/proc", false, 0, "/mounts/0"};
  source.id_map = {{{0, 1000, 1}}, {{0, 1000, 1}}};
  auto mount = open(source);
  ASSERT_FALSE(mount.ok());
  EXPECT_EQ(mount.error().text(),
            "/mounts/0: map the ids of /proc on proc (mounted on /proc): this filesystem cannot be idmapped (on this "
            "kernel): invalid argument");
}

}  // namespace
}  // namespace minirun
