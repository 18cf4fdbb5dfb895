// SPDX-License-Identifier: Apache-2.0
// What capabilities give a container: the table of docs/security.md, `features` and `plan` say the same, and in a user
// namespace none of them counts for the host.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/syscall.h>

#include <cerrno>
#include <map>
#include <sstream>

#include "sys/file.h"
#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Powers : public Attack {
 protected:
  // The table's first column, and its last.
  static std::map<std::string, std::string> rows_of_docs() {
    std::map<std::string, std::string> rows;
    auto text = read_file(AT_FDCWD, MINIRUN_SOURCE_DIR "/docs/security.md");
    EXPECT_TRUE(text.ok());
    std::istringstream lines(text.ok() ? *text : "");
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("| `CAP_")) continue;
      const size_t end = line.find('`', 3), last = line.rfind(" | ", line.size() - 3);
      rows[line.substr(3, end - 3)] = line.substr(last + 3, line.size() - last - 5);
    }
    return rows;
  }
  static std::set<std::string> split(const std::string& names) {
    std::set<std::string> all;
    std::istringstream rest(names);
    for (std::string name; std::getline(rest, name, ',');) all.insert(name);
    return all;
  }
  // The capabilities that the plan of a config says reach the host.
  std::set<std::string> planned(const Bundle& bundle) {
    bundle.write();
    Outcome outcome = call({"plan", "--format", "json", bundle.path()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    std::set<std::string> names;
    const json plan = json::parse(outcome.out, nullptr, false);
    for (const std::string line : plan["reachesTheHost"]) {
      const size_t at = line.find("CAP_");
      names.insert(line.substr(at, line.find(' ', at) - at));
    }
    return names;
  }
  static void grant(Bundle& bundle, const std::set<std::string>& names) {
    bundle.config["process"]["capabilities"] = json::object();
    for (const char* set : {"bounding", "effective", "permitted"})
      bundle.config["process"]["capabilities"][set] = names;
  }
  static void in_user_namespace(Bundle& bundle) {
    bundle.config["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* maps : {"uidMappings", "gidMappings"})
      bundle.config["linux"][maps] = {{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}};
    bundle.config["linux"].erase("devices");
  }
};

TEST_F(Powers, DocsFeaturesAndPlanAgree) {
  const auto rows = rows_of_docs();
  ASSERT_GT(rows.size(), 10U);
  std::set<std::string> always, separated, all;
  for (const auto& [name, barrier] : rows) {
    (barrier == "nothing" ? always : separated).insert(name);
    all.insert(name);
  }
  const json features = json::parse(call({"features"}).out);
  EXPECT_EQ(split(features["annotations"]["org.minirun.capabilities.reachTheHost"]), always);
  EXPECT_EQ(split(features["annotations"]["org.minirun.capabilities.reachTheHostUnlessSeparated"]), separated);
  for (const std::string& name : all)
    EXPECT_NE(std::find(features["linux"]["capabilities"].begin(), features["linux"]["capabilities"].end(), name),
              features["linux"]["capabilities"].end())
        << name;

  Bundle bundle;
  EXPECT_EQ(planned(bundle), std::set<std::string>()) << "of the default config";
  grant(bundle, all);
  EXPECT_EQ(planned(bundle), always);
  bundle.drop_namespace("network");
  bundle.join_namespace("pid", "/proc/self/ns/pid");
  std::set<std::string> shared = all;
  shared.erase("CAP_MKNOD");  // the device filter stays
  EXPECT_EQ(planned(bundle), shared);
  bundle.config["linux"]["resources"]["devices"] = {{{"allow", true}, {"access", "rwm"}}};
  EXPECT_EQ(planned(bundle), all);
  Bundle confined;
  grant(confined, all);
  in_user_namespace(confined);
  EXPECT_EQ(planned(confined), std::set<std::string>());
}

// Each call with arguments for which it does nothing. With its capability on the host it answers something else than
// EPERM: the permission is what was missing.
TEST_F(Powers, CountForNothingOfTheHostInAUserNamespace) {
  struct Call {
    const char* name;
    unsigned capability;
    std::vector<std::string> arguments;
  };
  const auto number = [](long call) { return std::to_string(call); };
  const Call kCalls[] = {
      {"CAP_SYS_MODULE", CAP_SYS_MODULE, {number(SYS_init_module), "0", "0", "0"}},
      {"CAP_SYS_RAWIO", CAP_SYS_RAWIO, {number(SYS_iopl), "3"}},
      {"CAP_SYS_TIME", CAP_SYS_TIME, {number(SYS_settimeofday), "0", "0"}},
      {"CAP_SYS_BOOT", CAP_SYS_BOOT, {number(SYS_kexec_load), "0", "0", "0", "0"}},
      {"CAP_SYSLOG", CAP_SYSLOG, {number(SYS_syslog), "4", "0", "0"}},
      {"CAP_SYS_ADMIN", CAP_SYS_ADMIN, {number(SYS_swapoff), "0"}},
  };
  int reached = 0;
  for (const Call& one : kCalls) {
    std::vector<std::string> payload = {"syscall"};
    payload.insert(payload.end(), one.arguments.begin(), one.arguments.end());
    Bundle bundle;
    bundle.payload(payload);
    const std::string without = run(bundle).out;
    if (without == "-1 " + std::to_string(ENOSYS) + "\n") continue;  // a kernel that was built without it
    EXPECT_EQ(without, "-1 " + std::to_string(EPERM) + "\n") << one.name << " is not in the default config";
    grant(bundle, {one.name});
    Outcome on_host = run(bundle);
    EXPECT_EQ(on_host.code, 0) << describe(on_host);
    const bool counts = on_host.out != without;  // lockdown has a word too
    reached += has_capability(static_cast<int>(one.capability)) && counts ? 1 : 0;
    in_user_namespace(bundle);
    Outcome inside = run(bundle);
    EXPECT_EQ(inside.out, without) << one.name << ": " << describe(inside);
  }
  EXPECT_GE(reached, 2) << "hardly any call shows what its capability gives";
}

}  // namespace
}  // namespace minirun::testing
