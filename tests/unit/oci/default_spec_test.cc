// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/default_spec.h"

#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/resource.h>

#include "runtime/oci/parse.h"
#include "runtime/oci/validate.h"
#include "runtime/text/json.h"

namespace minirun {
namespace {

// Parsed and judged as `run` does it. What is valid, but is refused for want of support, is another test's business.
oci::Spec accepted(const std::optional<RootlessOwner>& rootless) {
  auto document = JsonDocument::parse(default_spec(rootless));
  EXPECT_TRUE(document.ok());
  if (!document.ok()) return {};
  EXPECT_TRUE((*document)->flaws().empty());
  ParseOutcome outcome = parse_spec(**document);
  EXPECT_TRUE(outcome.unknown.empty());
  for (const auto& problem : outcome.problems) ADD_FAILURE() << problem.pointer << ": " << problem.message;
  Findings findings = validate(outcome.spec);
  for (const auto& problem : findings.problems) {
    bool not_supported = problem.message.find("minirun does not support") != std::string::npos;
    if (!rootless || !not_supported) ADD_FAILURE() << problem.pointer << ": " << problem.message;
  }
  for (const auto& warning : findings.warnings) ADD_FAILURE() << warning.pointer << ": " << warning.message;
  return outcome.spec;
}

std::vector<uint32_t> types_of(const oci::Spec& spec) {
  std::vector<uint32_t> types;
  for (const auto& ns : spec.linux_.namespaces) types.push_back(ns.type);
  return types;
}

const oci::Mount* mount_at(const oci::Spec& spec, const std::string& destination) {
  for (const auto& mount : spec.mounts)
    if (mount.destination == destination) return &mount;
  return nullptr;
}

TEST(DefaultSpec, IsRuncsAndAccepted) {
  oci::Spec spec = accepted(std::nullopt);
  EXPECT_EQ(spec.oci_version, "1.3.0");
  EXPECT_EQ(spec.root->path, "rootfs");
  EXPECT_TRUE(spec.root->readonly);
  EXPECT_EQ(spec.hostname, "minirun");
  const oci::Process& process = *spec.process;
  EXPECT_TRUE(process.terminal);
  EXPECT_TRUE(process.no_new_privileges);
  EXPECT_EQ(process.args, oci::Strings{"sh"});
  oci::Strings capabilities = {"CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"};
  EXPECT_EQ(process.capabilities->bounding, capabilities);
  EXPECT_EQ(process.capabilities->effective, capabilities);
  EXPECT_EQ(process.capabilities->permitted, capabilities);
  EXPECT_TRUE(process.capabilities->ambient.empty());
  ASSERT_EQ(process.rlimits.size(), 1U);
  EXPECT_EQ(process.rlimits[0].resource, RLIMIT_NOFILE);
  EXPECT_EQ(process.rlimits[0].hard, 1024U);
  EXPECT_EQ(types_of(spec), (std::vector<uint32_t>{CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNS,
                                                   CLONE_NEWCGROUP}));
  for (const char* path : {"/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/sys/fs/cgroup"})
    EXPECT_NE(mount_at(spec, path), nullptr) << path;
  EXPECT_EQ(spec.linux_.masked_paths.size(), 10U);
  EXPECT_EQ(spec.linux_.readonly_paths.size(), 5U);
  ASSERT_EQ(spec.linux_.resources->devices.size(), 1U);
  EXPECT_FALSE(spec.linux_.resources->devices[0].allow);
}

TEST(DefaultSpec, RootlessHasWhatAnOrdinaryUserCanHave) {
  oci::Spec spec = accepted(RootlessOwner{1000, 2000});
  ASSERT_EQ(spec.linux_.uid_mappings.size(), 1U);
  ASSERT_EQ(spec.linux_.gid_mappings.size(), 1U);
  EXPECT_EQ(spec.linux_.uid_mappings[0].container_id, 0U);
  EXPECT_EQ(spec.linux_.uid_mappings[0].host_id, 1000U);
  EXPECT_EQ(spec.linux_.uid_mappings[0].size, 1U);
  EXPECT_EQ(spec.linux_.gid_mappings[0].host_id, 2000U);
  EXPECT_EQ(types_of(spec), (std::vector<uint32_t>{CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWNS,
                                                   CLONE_NEWCGROUP, CLONE_NEWUSER}));
  EXPECT_FALSE(spec.linux_.resources);
  const oci::Mount* sys = mount_at(spec, "/sys");
  ASSERT_NE(sys, nullptr);
  EXPECT_EQ(sys->source, "/sys");
  EXPECT_EQ(sys->options, (oci::Strings{"rbind", "nosuid", "noexec", "nodev", "ro"}));
  for (const auto& mount : spec.mounts)
    for (const std::string& option : mount.options)
      EXPECT_FALSE(option.starts_with("gid=") || option.starts_with("uid=")) << mount.destination << " " << option;
}

}  // namespace
}  // namespace minirun
