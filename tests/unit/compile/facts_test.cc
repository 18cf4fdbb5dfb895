// SPDX-License-Identifier: Apache-2.0
// What minirun finds out beside config.json goes into the plan as facts: the config stays what it was.
#include "runtime/compile/facts.h"

#include "runtime/compile/joined_namespaces.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

class FactsOfAPlan : public CompileTest {
 protected:
  std::string image() {
    (void)lines();
    return serialize(compiled.plan, std::vector<int>(compiled.plan.slots.size(), 3), 4);
  }
  Compiled compile_with(const PlanFacts& facts) {
    auto result = minirun::compile(spec, facts);
    EXPECT_TRUE(result.ok()) << result.error().text();
    return result.ok() ? std::move(result).value() : Compiled{};
  }
};

TEST_F(FactsOfAPlan, TheWindowGoesBeforeTheConfigsSize) {
  spec.process->terminal = true;
  spec.process->console_size = oci::ConsoleSize{50, 100};
  const std::string wanted = image();
  spec.process->console_size = oci::ConsoleSize{24, 80};
  EXPECT_NE(image(), wanted);
  options.window = oci::ConsoleSize{50, 100};
  EXPECT_EQ(image(), wanted);
}

TEST_F(FactsOfAPlan, TheCgroupsOwnerIsMappedByTheUserNamespaceThatIsJoined) {
  spec.process->user.uid = 7;
  spec.mounts.push_back(mount_of("/sys/fs/cgroup", "cgroup", "cgroup", {"rw"}));
  spec.linux_.namespaces.push_back({CLONE_NEWUSER, "/proc/1/ns/user"});
  PlanFacts joined = facts();
  EXPECT_EQ(compile_with(joined).cgroup_owner, std::nullopt) << "not known";
  joined.paths.joined_uids = {{0, 100000, 1000}};
  EXPECT_EQ(compile_with(joined).cgroup_owner, 100007U);
  spec.linux_.uid_mappings = {{0, 200000, 1000}};  // a caller that read them: the same as the namespace's
  EXPECT_EQ(compile_with(joined).cgroup_owner, 200007U);
}

TEST_F(FactsOfAPlan, MinirunWaitsAtTheSetupGateWhereItHasWork) {
  const std::string kGate = "wait for minirun: its hooks and devices";
  EXPECT_EQ(find(lines(), kGate), -1);
  spec.linux_.net_devices.emplace_back("eth1", oci::NetDevice{});
  EXPECT_NE(find(lines(), kGate), -1);
  spec.linux_.net_devices.clear();
  spec.hooks.create_runtime.push_back({"/bin/hook", {}, {}, {}});
  EXPECT_NE(find(lines(), kGate), -1);
  spec.hooks = {};
  spec.hooks.start_container.push_back({"/bin/hook", {}, {}, {}});
  EXPECT_EQ(find(lines(), kGate), -1) << "they have a gate of their own";
}

TEST(JoinedNamespaces, ThatCannotBeOpenedAreReportedByTheLaunch) {
  oci::Spec spec = small_spec();
  spec.linux_.namespaces.push_back({CLONE_NEWUSER, "/not/there"});
  spec.linux_.uid_mappings = {{0, 1, 2}};
  auto joined = joined_user_namespace(spec);
  ASSERT_TRUE(joined.ok());
  EXPECT_TRUE(joined->uids.empty());
  EXPECT_EQ(namespaces_outside(spec), 0U);
}

TEST(JoinedNamespaces, NothingIsSetInTheHostsOwn) {
  oci::Spec spec = small_spec();
  spec.hostname = "here";
  EXPECT_TRUE(check_joined_namespaces(spec).ok());
  for (oci::Namespace& ns : spec.linux_.namespaces)
    if (ns.type == CLONE_NEWUTS) ns.path = "/proc/self/ns/uts";
  EXPECT_EQ(check_joined_namespaces(spec).error().text(),
            "config.json: /hostname: /proc/self/ns/uts is the host's own uts namespace");
}

}  // namespace
}  // namespace minirun
