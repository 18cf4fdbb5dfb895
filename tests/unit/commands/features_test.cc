// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/features.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "runtime/compile/capabilities.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/parse.h"
#include "runtime/resources/systemd_scope.h"
#include "runtime/seccomp/filter.h"
#include "runtime/text/json.h"

namespace minirun {
namespace {

class FeaturesDocument : public ::testing::Test {
 protected:
  FeaturesDocument() {
    auto parsed = JsonDocument::parse(features_document());
    if (parsed.ok()) document_ = std::move(parsed).value();
  }
  void SetUp() override {
    ASSERT_NE(document_, nullptr);
    ASSERT_TRUE(document_->flaws().empty());
  }
  std::vector<std::string> list(const std::string& pointer) {
    JsonValue value = document_->nearest(pointer);
    EXPECT_EQ(value.pointer(), pointer) << "is not there";
    std::vector<std::string> names;
    if (value.type() != JsonType::array) return names;
    for (auto one = value.first(); one; one = one->next()) names.emplace_back(one->text());
    return names;
  }
  template <class Names>
  void expect_all(const std::string& pointer, const Names& names) {
    std::vector<std::string> all = list(pointer);
    for (const auto& name : names) EXPECT_EQ(std::count(all.begin(), all.end(), name), 1) << name << " in " << pointer;
  }
  bool enabled(const std::string& pointer) {
    JsonValue value = document_->nearest(pointer);
    return value.pointer() == pointer && value.type() == JsonType::boolean && value.boolean();
  }
  std::unique_ptr<JsonDocument> document_;
};

using Names = std::vector<std::string>;

TEST_F(FeaturesDocument, HasEveryEntryOfTheTablesThatConfigsAreReadWith) {
  expect_all("/hooks", oci::hook_names());
  expect_all("/mountOptions", known_mount_options());
  expect_all("/linux/namespaces", oci::namespace_names());
  expect_all("/linux/seccomp/actions", oci::seccomp_actions());
  expect_all("/linux/seccomp/operators", oci::seccomp_operators());
  expect_all("/linux/seccomp/archs", oci::seccomp_archs());
  oci::Names flags;
  for (const auto& [name, flag] : oci::seccomp_flags()) flags.push_back(name);
  expect_all("/linux/seccomp/knownFlags", flags);
  expect_all("/linux/memoryPolicy/modes", oci::memory_policy_modes());
  expect_all("/linux/memoryPolicy/flags", oci::memory_policy_flags());
  expect_all("/potentiallyUnsafeConfigAnnotations", unsafe_annotations());
}

// The same by name, so that an empty table cannot pass.
TEST_F(FeaturesDocument, NamesWhatTheSpecificationHas) {
  expect_all("/hooks",
             Names{"prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"});
  EXPECT_EQ(list("/hooks").size(), 6U);
  expect_all("/linux/namespaces", Names{"mount", "pid", "network", "uts", "ipc", "user", "cgroup", "time"});
  EXPECT_EQ(list("/linux/namespaces").size(), 8U);
  expect_all("/mountOptions", Names{"rro", "bind", "rbind", "nosymfollow", "lazytime", "rslave"});
  expect_all("/linux/seccomp/actions", Names{"SCMP_ACT_KILL", "SCMP_ACT_ERRNO", "SCMP_ACT_ALLOW", "SCMP_ACT_NOTIFY"});
  expect_all("/linux/seccomp/operators", Names{"SCMP_CMP_MASKED_EQ"});
  expect_all("/linux/memoryPolicy/modes", Names{"MPOL_BIND", "MPOL_WEIGHTED_INTERLEAVE"});
  expect_all("/potentiallyUnsafeConfigAnnotations", Names{"org.minirun.", "run.oci.keep_original_groups"});
}

TEST_F(FeaturesDocument, HasTheCapabilitiesOfThisKernel) {
  Names names = list("/linux/capabilities");
  expect_all("/linux/capabilities", Names{"CAP_CHOWN", "CAP_SYS_ADMIN", "CAP_NET_BIND_SERVICE"});
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : ",") + name;
  if (capability_names(all_capabilities()).find("capability ") == std::string::npos) {
    EXPECT_EQ(joined, capability_names(all_capabilities()));
  }
}

TEST_F(FeaturesDocument, SupportedSeccompFlagsAreAmongTheKnownOnes) {
  Names supported = list("/linux/seccomp/supportedFlags");
  expect_all("/linux/seccomp/knownFlags", supported);
  // Linux 4.14; every kernel that minirun runs on has it.
  expect_all("/linux/seccomp/supportedFlags", Names{"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"});
}

TEST_F(FeaturesDocument, SaysWhatIsEnabled) {
  for (const char* pointer :
       {"/linux/seccomp/enabled", "/linux/apparmor/enabled", "/linux/selinux/enabled", "/linux/intelRdt/enabled",
        "/linux/intelRdt/schemata", "/linux/intelRdt/monitoring", "/linux/mountExtensions/idmap/enabled",
        "/linux/netDevices/enabled", "/linux/cgroup/v2", "/linux/cgroup/rdma"})
    EXPECT_TRUE(enabled(pointer)) << pointer;
  EXPECT_FALSE(enabled("/linux/cgroup/v1"));
  // With the helper installed; SystemdCgroup.NeedsItsHelper has both.
  for (const char* pointer : {"/linux/cgroup/systemd", "/linux/cgroup/systemdUser"})
    EXPECT_EQ(enabled(pointer), find_systemd_helper().ok()) << pointer;
  EXPECT_EQ(document_->nearest("/ociVersionMin").text(), "1.0.0");
  EXPECT_EQ(document_->nearest("/ociVersionMax").text(), "1.3.0");
  EXPECT_EQ(document_->nearest("/annotations/io.github.seccomp.libseccomp.version").text(), libseccomp_version());
}

}  // namespace
}  // namespace minirun
