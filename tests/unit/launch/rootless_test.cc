// SPDX-License-Identifier: Apache-2.0
// How an ordinary user makes a container, and the facts about an existing user namespace.
#include "runtime/launch/rootless.h"

#include <fcntl.h>
#include <unistd.h>

#include "namespaces/id_map.h"
#include "runtime/resources/cgroup_path.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

oci::Spec rootless_spec() {
  oci::Spec spec = small_spec();
  spec.linux_.namespaces.push_back({CLONE_NEWUSER, ""});
  spec.linux_.uid_mappings = {{0, 1000, 1}};
  spec.linux_.gid_mappings = {{0, 1001, 1}};
  return spec;
}

std::string problem_of(const oci::Spec& spec, uint32_t uid, uint32_t gid) {
  auto checked = check_rootless(spec, uid, gid);
  return checked.ok() ? "" : checked.error().text();
}

TEST(RootlessProblem, RootOfTheContainerIsTheUser) {
  oci::Spec spec = rootless_spec();
  EXPECT_EQ(problem_of(spec, 1000, 1001), "");
  EXPECT_EQ(problem_of(spec, 1001, 1001),
            "config.json: /linux/uidMappings: must map containerID 0 to hostID 1001, the user that runs minirun");
  EXPECT_EQ(problem_of(spec, 1000, 1000),
            "config.json: /linux/gidMappings: must map containerID 0 to hostID 1000, the group that runs minirun");
  EXPECT_EQ(check_rootless(spec, 1000, 1000).error().details().pointer, "/linux/gidMappings");
  spec.linux_.uid_mappings = {{1, 200000, 10}, {0, 1000, 1}};
  EXPECT_EQ(problem_of(spec, 1000, 1001), "");
  EXPECT_NE(problem_of(small_spec(), 1000, 1001).find("must have a user namespace"), std::string::npos);
  spec.linux_.namespaces.back().path = "/proc/1/ns/user";  // has mappings already
  EXPECT_EQ(problem_of(spec, 7, 7), "");
}

TEST(RootlessProblem, OtherGroupsNeedMoreThanTheOwn) {
  oci::Spec spec = rootless_spec();
  spec.process->user.additional_gids = {5};
  EXPECT_NE(problem_of(spec, 1000, 1001).find("/process/user/additionalGids: must be empty"), std::string::npos);
  spec.linux_.gid_mappings.push_back({1, 300000, 10});  // by newgidmap(1), which does not deny setgroups(2)
  EXPECT_EQ(problem_of(spec, 1000, 1001), "");
}

TEST(EnterUserNamespace, RootDoesNot) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  Bundle bundle;  // not even looked at
  auto entered = enter_user_namespace(&bundle);
  ASSERT_TRUE(entered.ok());
  EXPECT_FALSE(*entered);
}

class PlaceCgroup : public ::testing::Test {
 protected:
  PlaceCgroup() {
    hierarchy.root.reset(open(tree.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    compiled.cgroup_path = "/minirun-x";
    compiled.plan.clone_flags = CLONE_NEWPID;
  }
  std::string place(const std::string& own) {
    auto path = place_cgroup_of_user(hierarchy, compiled, "4:cpu:/v1\n0::" + own + "\n");
    return path.ok() ? *path : path.error().text();
  }

  TemporaryDirectory tree;
  Hierarchy hierarchy;
  Compiled compiled;
};

TEST_F(PlaceCgroup, IsTheOneAboveTheOwnElseTheOwnElseNone) {
  tree.make_directory("a");
  tree.make_directory("a/b");
  EXPECT_EQ(place("/a/b"), "") << "no cgroup.procs to be written";
  tree.write("a/b/cgroup.procs", "");
  EXPECT_EQ(place("/a/b"), "/a/b/minirun-x");
  tree.write("a/cgroup.procs", "");
  EXPECT_EQ(place("/a/b"), "/a/minirun-x");
  tree.write("cgroup.procs", "");
  EXPECT_EQ(place("/a"), "/minirun-x");
  EXPECT_EQ(place("/"), "/minirun-x");
  EXPECT_EQ(place("/../other"), "") << "outside of the cgroup namespace";
}

TEST_F(PlaceCgroup, LimitsNeedOneAndSoDoSharedPids) {
  compiled.limits.writes.push_back({});
  EXPECT_NE(place("/own").find("/linux/resources: limits need a cgroup"), std::string::npos);
  compiled.limits.writes.clear();
  compiled.plan.clone_flags = 0;
  EXPECT_NE(place("/own").find("/linux/namespaces: must have a new pid namespace"), std::string::npos);
}

TEST_F(PlaceCgroup, RootAndNamedOnesAreNotMoved) {
  oci::Spec spec = small_spec();
  auto path = place_cgroup(hierarchy, spec, compiled);
  EXPECT_EQ(path.ok() ? *path : path.error().text(), "/minirun-x");
  compiled.ordinary_user = true;
  compiled.cgroup_path = "/named";
  spec.linux_.cgroups_path = "/named";
  path = place_cgroup(hierarchy, spec, compiled);
  EXPECT_EQ(path.ok() ? *path : path.error().text(), "/named");
}

using CompileRootless = CompileTest;

TEST_F(CompileRootless, NoDeviceFilterForThoseWhoCannotLoadOne) {
  (void)lines();
  EXPECT_FALSE(compiled.device_filter.empty());
  EXPECT_FALSE(compiled.ordinary_user);
  host.ordinary_user = true;
  (void)lines();
  EXPECT_TRUE(compiled.device_filter.empty());
  EXPECT_TRUE(compiled.ordinary_user);
}

TEST_F(CompileRootless, CgroupIsTheUsersOfTheProcessWhereItCanBeWritten) {
  spec.mounts = {mount_of("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid"})};
  spec.process->user.uid = 5;
  (void)lines();
  EXPECT_EQ(compiled.cgroup_owner, 5U);
  spec.linux_.namespaces.push_back({CLONE_NEWUSER, ""});
  spec.linux_.uid_mappings = {{0, 1000, 1}, {1, 7000, 10}};
  spec.linux_.gid_mappings = {{0, 1000, 1}};
  (void)lines();
  EXPECT_EQ(compiled.cgroup_owner, 7004U);
  spec.process->user.uid = 11;  // no user of the host
  (void)lines();
  EXPECT_EQ(compiled.cgroup_owner, std::nullopt);
  spec.process->user.uid = 0;
  for (const char* option : {"ro", "rro"}) {
    spec.mounts[0].set_options({option});
    (void)lines();
    EXPECT_EQ(compiled.cgroup_owner, std::nullopt) << option;
  }
  spec.mounts[0].set_options({"ro", "rw"});
  (void)lines();
  EXPECT_EQ(compiled.cgroup_owner, 1000U);
  host.ordinary_user = true;
  (void)lines();
  EXPECT_EQ(compiled.cgroup_owner, std::nullopt);
}

TEST(ReadIdMaps, AreThoseOfTheNamespaceSeenFromHere) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: maps other ids";
  auto made = make_user_namespace({{0, 1000, 10}, {10, 5000, 1}}, {{0, 2000, 7}});
  if (!made.ok()) GTEST_SKIP() << "no user namespaces: " << made.error().text();
  auto ids = read_id_maps(made->get());
  ASSERT_TRUE(ids.ok()) << ids.error().text();
  EXPECT_EQ(id_map_text(ids->uids), "0 1000 10\n10 5000 1\n");
  EXPECT_EQ(id_map_text(ids->gids), "0 2000 7\n");
  EXPECT_FALSE(ids->setgroups_denied);
}

TEST(ReadIdMaps, OwnOneAndWhatIsNone) {
  UniqueFd own(open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC));
  auto ids = read_id_maps(own.get());
  ASSERT_TRUE(ids.ok()) << ids.error().text();
  EXPECT_FALSE(ids->uids.empty());
  UniqueFd none(open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC));
  ids = read_id_maps(none.get());
  EXPECT_FALSE(ids.ok());
}

}  // namespace
}  // namespace minirun
