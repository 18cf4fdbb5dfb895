// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/capabilities.h"

#include <gtest/gtest.h>
#include <linux/capability.h>

namespace minirun {
namespace {

constexpr uint64_t bit(unsigned number) {
  return uint64_t{1} << number;
}

oci::Capabilities all_sets(const oci::Strings& names) {
  oci::Capabilities capabilities;
  capabilities.bounding = capabilities.effective = capabilities.inheritable = capabilities.permitted =
      capabilities.ambient = names;
  return capabilities;
}

TEST(ResolveCapabilities, MapsNamesToBitsInEachSet) {
  const oci::Capabilities capabilities = all_sets({"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_CHECKPOINT_RESTORE"});
  const ResolvedCapabilities resolved = resolve_capabilities(&capabilities, ~uint64_t{0});
  const uint64_t expected = bit(CAP_CHOWN) | bit(CAP_SYS_ADMIN) | bit(CAP_CHECKPOINT_RESTORE);
  EXPECT_EQ(resolved.sets.bounding, expected);
  EXPECT_EQ(resolved.sets.effective, expected);
  EXPECT_EQ(resolved.sets.inheritable, expected);
  EXPECT_EQ(resolved.sets.permitted, expected);
  EXPECT_EQ(resolved.sets.ambient, expected);
  EXPECT_TRUE(resolved.warnings.empty());
}

TEST(ResolveCapabilities, KnowsTheSetsApart) {
  oci::Capabilities capabilities;
  capabilities.bounding = {"CAP_KILL", "CAP_SETUID"};
  capabilities.permitted = {"CAP_KILL", "CAP_SETGID"};
  capabilities.effective = {"CAP_SETGID"};
  capabilities.inheritable = {"CAP_KILL"};
  capabilities.ambient = {"CAP_KILL"};
  const ResolvedCapabilities resolved = resolve_capabilities(&capabilities, ~uint64_t{0});
  EXPECT_EQ(resolved.sets.bounding, bit(CAP_KILL) | bit(CAP_SETUID));
  EXPECT_EQ(resolved.sets.permitted, bit(CAP_KILL) | bit(CAP_SETGID));
  EXPECT_EQ(resolved.sets.effective, bit(CAP_SETGID));
  EXPECT_EQ(resolved.sets.inheritable, bit(CAP_KILL));
  EXPECT_EQ(resolved.sets.ambient, bit(CAP_KILL));
  EXPECT_TRUE(resolved.warnings.empty());
}

TEST(ResolveCapabilities, GivesNothingWhenTheObjectIsAbsent) {
  const ResolvedCapabilities resolved = resolve_capabilities(nullptr, ~uint64_t{0});
  EXPECT_EQ(resolved.sets.bounding | resolved.sets.effective | resolved.sets.inheritable | resolved.sets.permitted |
                resolved.sets.ambient,
            0U);
  EXPECT_TRUE(resolved.warnings.empty());
}

TEST(ResolveCapabilities, WarnsOfNamesThatAreNoneAndGoesOn) {
  oci::Capabilities capabilities;
  // libcap alone would take the last four.
  capabilities.bounding = {"CAP_KILL", "CAP_FLY", "KILL", "", "cap_kill", "CAP_kill", "5", "0x5"};
  const ResolvedCapabilities resolved = resolve_capabilities(&capabilities, ~uint64_t{0});
  EXPECT_EQ(resolved.sets.bounding, bit(CAP_KILL));
  ASSERT_EQ(resolved.warnings.size(), 7U);
  EXPECT_EQ(resolved.warnings[0],
            "/process/capabilities/bounding: \"CAP_FLY\" is not a capability that this build knows");
}

TEST(ResolveCapabilities, WarnsOfWhatCannotBeGranted) {
  oci::Capabilities capabilities;
  capabilities.bounding = {"CAP_KILL", "CAP_SYS_ADMIN"};
  const ResolvedCapabilities resolved = resolve_capabilities(&capabilities, bit(CAP_KILL));
  EXPECT_EQ(resolved.sets.bounding, bit(CAP_KILL));
  EXPECT_EQ(resolved.warnings, (std::vector<std::string>{"/process/capabilities/bounding: CAP_SYS_ADMIN cannot be "
                                                         "granted: this process does not have it"}));
}

TEST(ResolveCapabilities, LeavesOutWhatTheKernelWouldRefuse) {
  oci::Capabilities capabilities;
  capabilities.bounding = {"CAP_KILL", "CAP_SETUID"};
  capabilities.permitted = {"CAP_KILL"};
  capabilities.effective = {"CAP_KILL", "CAP_SETUID"};
  capabilities.inheritable = {"CAP_SETUID", "CAP_CHOWN"};
  capabilities.ambient = {"CAP_KILL", "CAP_SETUID"};
  const ResolvedCapabilities resolved = resolve_capabilities(&capabilities, ~uint64_t{0});
  EXPECT_EQ(resolved.sets.effective, bit(CAP_KILL));
  EXPECT_EQ(resolved.sets.inheritable, bit(CAP_SETUID));
  EXPECT_EQ(resolved.sets.ambient, 0U);
  EXPECT_EQ(resolved.warnings,
            (std::vector<std::string>{
                "/process/capabilities/effective: CAP_SETUID is not in the permitted set",
                "/process/capabilities/inheritable: CAP_CHOWN is not in the bounding set",
                "/process/capabilities/ambient: CAP_KILL is not in both the permitted and the inheritable set",
                "/process/capabilities/ambient: CAP_SETUID is not in both the permitted and the inheritable set"}));
}

TEST(ResolveCapabilities, WarnsOnceOfANameThatIsThereTwice) {
  oci::Capabilities capabilities;
  capabilities.bounding = {"CAP_SYS_ADMIN", "CAP_SYS_ADMIN"};
  EXPECT_EQ(resolve_capabilities(&capabilities, 0).warnings.size(), 1U);
}

TEST(GrantableCapabilities, AreAmongThoseOfTheKernel) {
  EXPECT_EQ(grantable_capabilities() & ~all_capabilities(), 0U);
  EXPECT_GE(all_capabilities(), (uint64_t{1} << 41) - 1);  // CAP_CHECKPOINT_RESTORE, 5.9
}

}  // namespace
}  // namespace minirun
