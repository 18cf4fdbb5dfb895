// SPDX-License-Identifier: Apache-2.0
// Each change of a config.json alone, on small texts.
#include "runtime/edit/changes.h"

#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "tests/unit/edit/changed_text.h"

namespace minirun {
namespace {

using Change = std::function<Result<void>(JsonEdit&)>;

const SpecCaller kCaller = {
    [](const char* name) -> const char* { return std::strcmp(name, "GIVEN") == 0 ? "from outside" : nullptr; },
    "/home/me"};

std::string env_after(const std::string& list, const std::string& variable) {
  std::string text = changed_text(R"({"process":{"env":)" + list + "}}",
                                  [&](JsonEdit& edit) { return change_env(edit, variable, kCaller); });
  const size_t head = strlen(R"({"process":{"env":)");
  return text.starts_with(R"({"process":{"env":)") ? text.substr(head, text.size() - head - 2) : text;
}

TEST(SpecChanges, EnvReplacesAddsTakesFromTheCallerAndRemoves) {
  EXPECT_EQ(env_after(R"(["A=1","B=2"])", "A=x=y"), R"(["A=x=y","B=2"])");
  EXPECT_EQ(env_after(R"(["A=1"])", "B="), R"(["A=1","B="])");
  EXPECT_EQ(env_after(R"(["A=1","AA=3","A=2","A"])", "A=9"), R"(["A=9","AA=3"])");
  EXPECT_EQ(env_after("[]", "GIVEN"), R"(["GIVEN=from outside"])");
  EXPECT_EQ(env_after(R"(["A=1","NOTGIVEN=1"])", "NOTGIVEN"), R"(["A=1"])");
  EXPECT_EQ(changed_text("{}", [](JsonEdit& e) { return change_env(e, "A=1", kCaller); }),
            "{\n  \"process\": {\n    \"env\": [\n      \"A=1\"\n    ]\n  }\n}");
  EXPECT_EQ(env_after("[]", "=1"), R"(--env: must be NAME=VALUE or NAME: found "=1")");
  EXPECT_EQ(env_after("[]", ""), R"(--env: must be NAME=VALUE or NAME: found "")");
}

std::string user_after(const std::string& user) {
  return changed_text(R"({"process":{"user":{"uid":1,"gid":2,"umask":18}}})",
                      [&](JsonEdit& edit) { return change_user(edit, user); });
}

TEST(SpecChanges, UserIsANumberAndKeepsTheGroupUnlessItIsGiven) {
  EXPECT_EQ(user_after("7"), R"({"process":{"user":{"uid":7,"gid":2,"umask":18}}})");
  EXPECT_EQ(user_after("7:8"), R"({"process":{"user":{"uid":7,"gid":8,"umask":18}}})");
  EXPECT_EQ(user_after("4294967294:0"), R"({"process":{"user":{"uid":4294967294,"gid":0,"umask":18}}})");
  EXPECT_EQ(changed_text(R"({"a":1})", [](JsonEdit& e) { return change_user(e, "7"); }),
            R"({"a":1,"process":{"user":{"uid":7,"gid":0}}})");
  for (const char* wrong : {"", "root", "-1", "4294967295", "1:", ":1", "1:2:3", " 1", "1.0", "99999999999999999999"})
    EXPECT_EQ(user_after(wrong).find("--user: must be UID or UID:GID, in numbers"), 0U) << wrong;
}

std::string limits_after(const std::string& resources, const Change& change) {
  const std::string head = R"({"linux":{"resources":)";
  std::string text = changed_text(head + resources + "}}", change);
  return text.starts_with(head) ? text.substr(head.size(), text.size() - head.size() - 2) : text;
}

std::string memory_after(const std::string& size) {
  return limits_after(R"({"memory":{"swap":18446744073709551615}})",
                      [&](JsonEdit& edit) { return change_memory(edit, size); });
}

TEST(SpecChanges, MemoryIsASizeAndLeavesTheSwap) {
  EXPECT_EQ(memory_after("64M"), R"({"memory":{"swap":18446744073709551615,"limit":67108864}})");
  EXPECT_EQ(memory_after("1"), R"({"memory":{"swap":18446744073709551615,"limit":1}})");
  EXPECT_EQ(memory_after("-1"), R"({"memory":{"swap":18446744073709551615,"limit":-1}})");
  EXPECT_EQ(memory_after("9223372036854775807"),
            R"({"memory":{"swap":18446744073709551615,"limit":9223372036854775807}})");
  EXPECT_EQ(memory_after("0"), "--memory: must be at least 1 byte, or -1 for no limit: found 0");
  for (const char* wrong : {"", "x", "-2", "1e3", "9223372036854775808", "64Q", "1 m"})
    EXPECT_EQ(memory_after(wrong).find("--memory: \"" + std::string(wrong) + "\" is not a size"), 0U) << wrong;
}

std::string cpus_after(const std::string& cpus, const std::string& cpu = "{}") {
  return limits_after("{\"cpu\":" + cpu + "}", [&](JsonEdit& edit) { return change_cpus(edit, cpus); });
}

TEST(SpecChanges, CpusAreAQuotaInThePeriod) {
  EXPECT_EQ(cpus_after("1.5"), R"({"cpu":{"quota":150000,"period":100000}})");
  EXPECT_EQ(cpus_after("0.01"), R"({"cpu":{"quota":1000,"period":100000}})");
  EXPECT_EQ(cpus_after("8192"), R"({"cpu":{"quota":819200000,"period":100000}})");
  EXPECT_EQ(cpus_after("0.333", R"({"period":1000000,"shares":7})"),
            R"({"cpu":{"period":1000000,"shares":7,"quota":333000}})");
  EXPECT_EQ(cpus_after("2", R"({"period":0})"), R"({"cpu":{"period":100000,"quota":200000}})");
  EXPECT_EQ(cpus_after("-1", R"({"quota":5000,"period":50000})"), R"({"cpu":{"quota":-1,"period":50000}})");
  EXPECT_EQ(cpus_after("0.5", R"({"period":1000})"),
            "--cpus: must be at least 1, which is 1 ms in each period of 1000 microseconds: found \"0.5\"");
  for (const char* low : {"0", "0.009", "0.00"})
    EXPECT_EQ(cpus_after(low).find("--cpus: must be at least 0.01"), 0U) << low;
  for (const char* wrong : {"", "x", "1e2", "8192.1", "-2", ".", "1.2.3", "1,5", "inf", "nan", "0x1", "1 "})
    EXPECT_EQ(cpus_after(wrong).find("--cpus: must be a number of CPUs from 0.01 to 8192"), 0U) << wrong;
}

TEST(SpecChanges, PidsAreACount) {
  auto pids_after = [](const std::string& pids) {
    return limits_after("{}", [&](JsonEdit& edit) { return change_pids(edit, pids); });
  };
  EXPECT_EQ(pids_after("1"), R"({"pids":{"limit":1}})");
  EXPECT_EQ(pids_after("4194304"), R"({"pids":{"limit":4194304}})");
  EXPECT_EQ(pids_after("-1"), R"({"pids":{"limit":-1}})");
  for (const char* wrong : {"", "0", "-2", "4194305", "many", "1.5", "1k"})
    EXPECT_EQ(pids_after(wrong).find("--pids: must be a number from 1 to 4194304"), 0U) << wrong;
}

std::string capabilities_after(const std::string& process, const std::vector<std::string>& add,
                               const std::vector<std::string>& drop) {
  return changed_text("{\"process\":" + process + "}",
                      [&](JsonEdit& edit) { return change_capabilities(edit, add, drop); });
}

TEST(SpecChanges, CapabilitiesOfRootAreNotInheritable) {
  EXPECT_EQ(capabilities_after(R"({"capabilities":{"bounding":["CAP_KILL","CAP_X"],"ambient":["CAP_KILL"]}})",
                               {"net_admin"}, {"CAP_KILL"}),
            R"({"process":{"capabilities":{"bounding":["CAP_X","CAP_NET_ADMIN"],"ambient":[],)"
            R"("effective":["CAP_NET_ADMIN"],"permitted":["CAP_NET_ADMIN"]}}})");
}

TEST(SpecChanges, CapabilitiesOfAnotherUserAreAmbient) {
  EXPECT_EQ(capabilities_after(R"({"user":{"uid":7,"gid":7}})", {"CHOWN"}, {}),
            R"({"process":{"user":{"uid":7,"gid":7},"capabilities":{"bounding":["CAP_CHOWN"],)"
            R"("effective":["CAP_CHOWN"],"permitted":["CAP_CHOWN"],"inheritable":["CAP_CHOWN"],)"
            R"("ambient":["CAP_CHOWN"]}}})");
}

TEST(SpecChanges, AllCapabilitiesButSome) {
  const std::string sets = R"({"capabilities":{"bounding":["CAP_KILL"]}})";
  EXPECT_EQ(capabilities_after(sets, {"CHOWN"}, {"all"}),
            R"({"process":{"capabilities":{"bounding":["CAP_CHOWN"],"effective":["CAP_CHOWN"],)"
            R"("permitted":["CAP_CHOWN"]}}})");
  auto edit = JsonEdit::parse("{\"process\":" + sets + "}");
  ASSERT_TRUE(change_capabilities(*edit, {"ALL"}, {"SYS_ADMIN"}).ok());
  for (const char* set : {"bounding", "effective", "permitted"}) {
    auto names = strings_at(*edit, std::string("/process/capabilities/") + set);
    EXPECT_GE(names.size(), 40U) << set;
    EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_SYS_ADMIN"), 0) << set;
    EXPECT_EQ(std::count(names.begin(), names.end(), "CAP_CHECKPOINT_RESTORE"), 1) << set;
  }
  EXPECT_EQ(capabilities_after(sets, {"kill"}, {"CAP_KILL"}), "--cap-add and --cap-drop must not both have CAP_KILL");
  EXPECT_EQ(capabilities_after(sets, {"ALL"}, {"ALL"}), "--cap-add and --cap-drop must not both have ALL");
  EXPECT_EQ(capabilities_after(sets, {"FLY"}, {}),
            R"(--cap-add: must be a capability, such as NET_ADMIN, or ALL: found "FLY")");
  EXPECT_EQ(capabilities_after(sets, {}, {""}),
            R"(--cap-drop: must be a capability, such as NET_ADMIN, or ALL: found "")");
}

TEST(SpecChanges, TextsThatJsonCannotHoldAreRefused) {
  const char* broken = "a\xFF";
  auto edit = JsonEdit::parse("{}");
  SpecChanges changes;
  EXPECT_FALSE(changes.any());
  for (auto give : std::initializer_list<void (*)(SpecChanges&, const char*)>{
           [](SpecChanges&c, const char*t) {
             c.args = {"x", t};
           },
           [](SpecChanges&c, const char*t) { c.env = {t}; }, [](SpecChanges&c, const char*t) { c.cwd = t; },
           [](SpecChanges&c, const char*t) { c.binds = {t}; }, [](SpecChanges&c, const char*t) { c.tmpfs = {t}; },
           [](SpecChanges&c, const char*t) { c.hostname = t; }}) {
    changes = {};
    give(changes, broken);
    EXPECT_TRUE(changes.any());
    auto done = apply_changes(*edit, changes, kCaller);
    ASSERT_FALSE(done.ok());
    EXPECT_NE(done.error().text().find(": must be UTF-8, as all text in JSON is"), std::string::npos);
  }
  EXPECT_EQ(edit->text(), "{}");
}

TEST(SpecChanges, SeccompIsWrittenForTheCapabilitiesAndRemoved) {
  auto edit = JsonEdit::parse(R"({"process":{"capabilities":{"bounding":["CAP_SYS_BOOT"]}}})");
  ASSERT_TRUE(change_seccomp(*edit, "default").ok());
  EXPECT_NE(edit->text().find("\"reboot\""), std::string::npos);
  ASSERT_TRUE(edit->set("/process/capabilities/bounding", "[]").ok() && change_seccomp(*edit, "default").ok());
  EXPECT_EQ(edit->text().find("\"reboot\""), std::string::npos);
  ASSERT_TRUE(change_seccomp(*edit, "none").ok());
  EXPECT_EQ(edit->get("/linux/seccomp"), std::nullopt);
  EXPECT_EQ(change_seccomp(*edit, "strict").error().text(), R"(--seccomp: must be default or none: found "strict")");
}

}  // namespace
}  // namespace minirun
