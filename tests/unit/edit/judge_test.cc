// SPDX-License-Identifier: Apache-2.0
// Which faults of a changed config.json are whose.
#include "runtime/edit/judge.h"

#include <gtest/gtest.h>

#include "runtime/oci/default_spec.h"

namespace minirun {
namespace {

const SpecCaller kNoCaller = {[](const char*) -> const char* { return nullptr; }, "/"};

// "" if the changed text is accepted.
std::string judged(const std::string& before, const SpecChanges& changes) {
  auto config = JsonEdit::parse(before);
  EXPECT_TRUE(config.ok());
  auto applied = apply_changes(*config, changes, kNoCaller);
  EXPECT_TRUE(applied.ok()) << (applied.ok() ? "" : applied.error().text());
  auto verdict = judged_text(*config, changes, before, "b/config.json");
  if (!verdict.ok()) return verdict.error().text();
  EXPECT_EQ(*verdict, config->text());
  return "";
}

std::string with(const char* pointer, const char* value, bool rootless = false) {
  std::optional<RootlessOwner> owner;
  if (rootless) owner = RootlessOwner{1000, 1000};
  auto config = JsonEdit::parse(default_spec(owner));
  EXPECT_TRUE(config->set(pointer, value).ok());
  return config->text();
}

TEST(JudgeChanges, AnOldFaultHasItsPlaceInTheFileAsItWas) {
  SpecChanges changes;
  changes.own_network = false;  // removes /linux/namespaces/1
  EXPECT_EQ(judged(default_spec(std::nullopt), changes), "");
  const std::string fault =
      with("/linux/namespaces", R"([{"type":"uts"},{"type":"network"},{"type":"mount"},{"type":"ipc","path":"x"}])");
  EXPECT_EQ(judged(fault, changes), "b/config.json: /linux/namespaces/3/path: must be an absolute path: found \"x\"");
  EXPECT_EQ(judged(with("/process/cwd", R"("x")"), changes),
            "b/config.json: /process/cwd: must be an absolute path: found \"x\"");
}

TEST(JudgeChanges, AChangeMayMendAFault) {
  SpecChanges changes;
  changes.cwd = "/x";
  EXPECT_EQ(judged(with("/process/cwd", "12"), changes), "");
}

TEST(JudgeChanges, ANewFaultHasItsOption) {
  SpecChanges changes;
  changes.cwd = "x";
  changes.tmpfs = {"/proc/x"};
  EXPECT_EQ(judged(default_spec(std::nullopt), changes),
            "--cwd: /process/cwd: must be an absolute path: found \"x\"\n"
            "--tmpfs: /mounts/7/destination: must not be in /proc, where only procfs itself and few files can be: "
            "found \"/proc/x\"");
}

TEST(JudgeChanges, AFaultBesideTheChangeIsNamedToo) {
  SpecChanges changes;
  changes.memory = "2g";
  EXPECT_EQ(judged(with("/linux/resources/memory", R"({"limit":1000,"swap":2000})"), changes),
            "b/config.json: /linux/resources/memory/swap: is memory and swap together, so it must not be less than "
            "limit, 2147483648: found 2000 (after the change)");
}

TEST(JudgeChanges, AUserMustBeInTheNewNamespace) {
  SpecChanges changes;
  changes.user = "7:0";
  EXPECT_EQ(judged(default_spec(std::nullopt), changes), "");
  const std::string rootless = default_spec(RootlessOwner{1000, 1000});
  EXPECT_EQ(judged(rootless, changes), "--user: must be an id that /linux/uidMappings has: found 7");
  changes.user = "0:7";
  EXPECT_EQ(judged(rootless, changes), "--user: must be an id that /linux/gidMappings has: found 7");
  changes.user = "0:0";
  EXPECT_EQ(judged(rootless, changes), "");
  changes.user = "7:9";
  EXPECT_EQ(judged(with("/linux/uidMappings", R"([{"containerID":0,"hostID":0,"size":8}])", true), changes),
            "--user: must be an id that /linux/gidMappings has: found 9");
}

}  // namespace
}  // namespace minirun
