// SPDX-License-Identifier: Apache-2.0
// Containers without a mount namespace, which the specification leaves optional (config-linux.md, "Namespaces"): they
// are in their root by chroot(2) alone, and nothing changes the host's mounts, whatever happens to minirun.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

enum class Mountless { plain, no_init, no_pivot, user_namespace, no_namespace };

class NoMountNamespace : public ::testing::WithParamInterface<Mountless>, public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    json& linux_config = bundle_.config["linux"];
    bundle_.drop_namespace("mount");
    bundle_.config["mounts"] = json::array();
    for (const char* name : {"maskedPaths", "readonlyPaths", "devices"}) linux_config.erase(name);
    bundle_.add_file("/marker", "of the root\n");
    if (GetParam() == Mountless::no_namespace) {
      linux_config["namespaces"] = json::array();
      bundle_.config.erase("hostname");
    }
    if (GetParam() == Mountless::user_namespace) bundle_.add_user_namespace();
    bundle_.write();
    mounts_ = content("/proc/self/mountinfo");
    files_ = files();
  }
  std::vector<std::string> flags() const {
    if (GetParam() == Mountless::no_init) return {"--no-init"};
    return GetParam() == Mountless::no_pivot ? std::vector<std::string>{"--no-pivot"} : std::vector<std::string>{};
  }
  // Each with its type, mode, owner and size.
  std::string files() const {
    std::string list;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(bundle_.rootfs())) {
      struct stat facts {};
      (void)lstat(entry.path().c_str(), &facts);
      list += entry.path().string() + " " + std::to_string(facts.st_mode) + " " + std::to_string(facts.st_uid) + " " +
              std::to_string(facts.st_size) + " " + std::to_string(facts.st_rdev) + "\n";
    }
    return list;
  }
  // The mounts, with their propagation, and the rootfs.
  void expect_as_it_was() const {
    EXPECT_EQ(content("/proc/self/mountinfo"), mounts_);
    EXPECT_EQ(files(), files_);
  }

  Bundle bundle_;
  std::string mounts_, files_;
};

INSTANTIATE_TEST_SUITE_P(Ways, NoMountNamespace,
                         ::testing::Values(Mountless::plain, Mountless::no_init, Mountless::no_pivot,
                                           Mountless::user_namespace, Mountless::no_namespace),
                         [](const auto& way) {
                           return way.param == Mountless::plain            ? "Plain"
                                  : way.param == Mountless::no_init        ? "NoInit"
                                  : way.param == Mountless::no_pivot       ? "NoPivot"
                                  : way.param == Mountless::user_namespace ? "UserNamespace"
                                                                           : "NoNamespace";
                         });

TEST_P(NoMountNamespace, TheWorkloadIsInItsRoot) {
  bundle_.payload({"files", "/marker", "/../marker"});
  Outcome outcome = run(bundle_, flags());
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "of the root\nof the root\n");
  expect_as_it_was();
}

TEST_P(NoMountNamespace, WhatIsExecutedInItIsThereToo) {
  bundle_.payload({"pause"});
  std::vector<std::string> all = flags();
  all.insert(all.end(), {"--pid-file", kPidFile});
  Running container(run_command(bundle_, all), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  Outcome outcome = call({"exec", id(), "/bin/payload", "files", "/marker", "/../marker"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "of the root\nof the root\n");
  expect_as_it_was();
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  container.finish();
  expect_as_it_was();
}

TEST_P(NoMountNamespace, HooksAreWhereTheSpecificationHasThem) {
  const std::string seen = bundle_.path() + "/seen";
  const auto hook = [](const char* path, const std::vector<std::string>& args) {
    return json::array({{{"path", path}, {"args", args}}});
  };
  bundle_.config["hooks"]["createContainer"] = hook("/bin/sh", {"sh", "-c", "cat " + bundle_.path() + "/config.json"});
  bundle_.config["hooks"]["startContainer"] = hook("/bin/payload", {"payload", "files", "/marker"});
  bundle_.payload({"files", "/marker"});
  Outcome outcome = run(bundle_, flags());
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  expect_as_it_was();
}

TEST_P(NoMountNamespace, NothingIsLeftOfTheHostsWhenMinirunIsKilled) {
  bundle_.payload({"pause"});
  Running container(run_command(bundle_, flags()), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  container.send(SIGKILL);
  container.finish();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  expect_as_it_was();
}

TEST_P(NoMountNamespace, CreateAndStartDoIt) {
  bundle_.payload({"true"});
  bundle_.write();
  std::vector<std::string> create = {"create", "--bundle", bundle_.path()};
  if (GetParam() == Mountless::no_pivot) create.emplace_back("--no-pivot");
  create.push_back(id());
  StartOptions quiet;
  EXPECT_EQ(call(create, quiet).code, 0);
  expect_as_it_was();
  EXPECT_EQ(call({"start", id()}).code, 0);
  EXPECT_TRUE(eventually([&] { return call({"delete", id()}).code == 0; }));
  expect_as_it_was();
}

TEST_P(NoMountNamespace, WhatTakesAMountIsRefused) {
  const std::vector<std::pair<std::string, json>> asked = {
      {"/mounts", json::array({{{"destination", "/x"}, {"type", "tmpfs"}, {"source", "x"}}})},
      {"/root/readonly", true},
      {"/process/terminal", true},
      {"/linux/devices", json::array({{{"path", "/dev/x"}, {"type", "p"}}})},
      {"/linux/maskedPaths", json::array({"/marker"})},
      {"/linux/readonlyPaths", json::array({"/marker"})},
      {"/linux/rootfsPropagation", "private"}};
  for (const auto& [pointer, value] : asked) {
    const json before = bundle_.config;
    bundle_.config[json::json_pointer(pointer)] = value;
    bundle_.payload({"true"});
    expect_refused(run(bundle_, flags()), {pointer + ": needs a mount namespace"});
    bundle_.config = before;
  }
  expect_as_it_was();
}

TEST_P(NoMountNamespace, ANotifySocketIsAWarning) {
  bundle_.payload({"true"});
  UniqueFd manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::string path = bundle_.path() + "/manager";
  sockaddr_un address{AF_UNIX, {}};
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(bind(manager.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  StartOptions options;
  options.env.push_back("NOTIFY_SOCKET=" + path);
  Outcome outcome = run(bundle_, flags(), options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("without a mount namespace"), std::string::npos) << outcome.err;
  expect_as_it_was();
}

}  // namespace
}  // namespace minirun::testing
