// SPDX-License-Identifier: Apache-2.0
// `exec`: one more process in a container.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/support/exec_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Exec : public ExecTest {
 protected:
  json exec_report(const std::vector<std::string>& flags) const {
    Outcome outcome = exec(flags, {"/bin/payload", "report"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    auto seen = json::parse(outcome.out, nullptr, false);
    return seen.is_object() ? seen : json::object();
  }
  // The runtime's own failure: 255 and the words that engines look for.
  static void expect_failed(const Outcome& outcome, const std::vector<std::string>& texts) {
    EXPECT_EQ(outcome.code, 255) << describe(outcome);
    EXPECT_NE(outcome.err.find("exec failed:"), std::string::npos) << describe(outcome);
    for (const std::string& text : texts)
      EXPECT_NE(outcome.err.find(text), std::string::npos) << "no \"" << text << "\" in " << describe(outcome);
  }
};

TEST_F(Exec, StatusIsTheCommands) {
  start();
  EXPECT_EQ(exec({}, {"/bin/payload", "exit", "7"}).code, 7);
  EXPECT_EQ(exec({}, {"/bin/payload", "exit", "1"}).code, 1);
  EXPECT_EQ(exec({}, {"/bin/payload", "die-by", "9"}).code, 137);
  Outcome outcome = exec({}, {"nosuchcommand"});
  EXPECT_EQ(outcome.code, 127) << describe(outcome);
  EXPECT_NE(outcome.err.find("executable file not found in $PATH"), std::string::npos) << describe(outcome);
  bundle_.add_file("/bin/plain", "no program", 0644);
  outcome = exec({}, {"/bin/plain"});
  EXPECT_EQ(outcome.code, 126) << describe(outcome);
  EXPECT_NE(outcome.err.find("permission denied"), std::string::npos) << describe(outcome);
  end();
}

TEST_F(Exec, IsInTheContainersNamespacesAndCgroup) {
  start();
  std::string proc = "/proc/" + std::to_string(container_pid());
  json seen = exec_report({});
  for (const auto& [name, target] : seen["namespaces"].items())
    EXPECT_EQ(target, link_target(proc + "/ns/" + name)) << name;
  std::string cgroup = seen["cgroup"].get<std::string>();
  EXPECT_TRUE(cgroup.ends_with("0::/\n")) << cgroup;  // the root of its cgroup namespace
  EXPECT_EQ(seen["hostname"], "tested");
  EXPECT_EQ(seen["fds"].size(), 3U) << seen["fds"];
  EXPECT_EQ(seen["no_new_privs"], 1);
  EXPECT_EQ(seen["cap_effective"], seen["cap_bounding"]);
  EXPECT_EQ(seen["umask"], 022);
  end();
}

TEST_F(Exec, OptionsChangeTheProcess) {
  start();
  json seen = exec_report({"--cwd", "/tmp", "-e", "ONE=1", "--env=TWO=2", "--user", "33:34", "-g", "7", "-g", "8"});
  EXPECT_EQ(seen["cwd"], "/tmp");
  EXPECT_EQ(seen["uids"], json({33, 33, 33}));
  EXPECT_EQ(seen["gids"], json({34, 34, 34}));
  EXPECT_EQ(seen["groups"], json({7, 8}));
  std::string env = seen["env"].dump();
  EXPECT_NE(env.find("\"ONE=1\",\"TWO=2\""), std::string::npos) << env;
  EXPECT_NE(env.find("HOME=/srv/web"), std::string::npos) << env;
  end();
}

TEST_F(Exec, EnvTakesThePlaceOfTheContainers) {
  bundle_.config["process"]["env"] = {"PATH=/bin", "ONE=container", "HOME=/container"};
  start();
  json seen = exec_report({"-e", "ONE=first", "-e", "ONE=exec", "-e", "HOME=/exec"});
  EXPECT_EQ(seen["env"], json({"PATH=/bin", "ONE=exec", "HOME=/exec"}));
  end();
}

TEST_F(Exec, UserIsStrictlyDecimal) {
  start();
  for (const char* bad : {"web", "-1", "+1", " 1", "1 ", "0x10", "1.0", "1e3", "4294967295", "4294967296",
                          "18446744073709551616", ":", "1:", ":1", "1:2:3", "1:web", "1:4294967295"})
    expect_failed(exec({"--user", bad}, {"/bin/payload", "true"}), {"--user"});
  json seen = exec_report({"--user", "4294967294:4294967294"});
  EXPECT_EQ(seen["uids"][0], 4294967294U);
  end();
}

TEST_F(Exec, ProcessFileIsTaken) {
  start();
  std::string file = bundle_.path() + "/process.json";
  json process = bundle_.config["process"];
  process["args"] = {"/bin/payload", "print", "from the file"};
  write_new_file(file, process.dump(), 0644);
  Outcome outcome = exec({"--process", file}, {});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "from the file\n");
  process["user"]["uid"] = "root";
  write_new_file(bundle_.path() + "/wrong.json", process.dump(), 0644);
  expect_failed(exec({"--process", bundle_.path() + "/wrong.json"}, {}), {"wrong.json", "/user/uid"});
  expect_failed(exec({"--process", bundle_.path() + "/nothere.json"}, {}), {"nothere.json", "no such file"});
  end();
}

TEST_F(Exec, OptionsGoBeforeTheProcessFile) {
  start();
  std::string file = bundle_.path() + "/process.json";
  json process = bundle_.config["process"];
  process["args"] = {"/bin/payload", "report"};
  process["env"] = {"PATH=/bin", "A=file", "B=file"};
  write_new_file(file, process.dump(), 0644);
  Outcome outcome =
      exec({"--process", file, "-e", "A=option", "--cwd", "/proc", "--user", "7:8", "--additional-gids", "9"}, {});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  json seen = json::parse(outcome.out);
  EXPECT_EQ(seen["env"], json::array({"PATH=/bin", "B=file", "A=option", "HOME=/"}));
  EXPECT_EQ(seen["cwd"], "/proc");
  EXPECT_EQ(seen["uids"][0], 7);
  EXPECT_EQ(seen["gids"][0], 8);
  EXPECT_EQ(seen["groups"], json::array({9}));
  outcome = exec({"--process", file}, {"/bin/payload", "true"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("warning: command \"/bin/payload\" is ignored"), std::string::npos) << describe(outcome);
  EXPECT_TRUE(json::accept(outcome.out)) << "the file's";
  expect_failed(exec({"--process", file, "--cwd", "relative"}, {}), {"--cwd: ", "absolute"});
  end();
}

TEST_F(Exec, CgroupIsGivenOnce) {
  start();
  expect_failed(exec({"--cgroup", "a", "--cgroup", "b"}, {"/bin/payload", "true"}), {"--cgroup b", "given once"});
  end();
}

TEST_F(Exec, DetachedOneLivesOnAndItsPidIsTold) {
  start();
  std::string file = "/run/tests/exec-pid";
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  Outcome outcome = exec({"--detach", "--pid-file", file}, {"/bin/payload", "pause"}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  pid_t pid = atoi(content(file).c_str());
  ASSERT_GT(pid, 1);
  EXPECT_EQ(link_target("/proc/" + std::to_string(pid) + "/ns/pid"),
            link_target("/proc/" + std::to_string(container_pid()) + "/ns/pid"));
  EXPECT_NE(call({"ps", "--format", "json", id()}).out.find(std::to_string(pid)), std::string::npos);
  end();
  EXPECT_EQ(unlink(file.c_str()), 0);
}

TEST_F(Exec, SignalsAreForwardedAndKillingMinirunEndsIt) {
  start();
  Running one(minirun({"exec", id(), "/bin/payload", "pause"}), {});
  ASSERT_TRUE(one.wait_for("ready")) << one.err();
  one.send(SIGTERM);
  EXPECT_EQ(one.finish().code, 128 + SIGTERM);
  std::string alone = call({"ps", "--format", "json", id()}).out;
  Running two(minirun({"exec", id(), "/bin/payload", "pause"}), {});
  ASSERT_TRUE(two.wait_for("ready")) << two.err();
  two.send(SIGKILL);
  two.finish();
  EXPECT_TRUE(eventually([&] { return call({"ps", "--format", "json", id()}).out == alone; }));
  end();
}

// CVE-2024-21626: descriptors of the host's that are open when the working directory is entered. Here those that
// minirun opens itself, and more that its caller left open: on a folder outside, and on the host's root.
TEST_F(Exec, CwdThroughADescriptorStaysInside) {
  start();
  write_new_file("/run/tests/outside", "the host's", 0644);
  StartOptions options;
  options.in_child = [] {
    for (int fd = 3; fd < 40; ++fd)
      if (int folder = open(fd % 2 == 0 ? "/run/tests" : "/", O_RDONLY | O_DIRECTORY);
          folder != fd && dup2(folder, fd) < 0)
        _exit(97);
  };
  // Each descriptor in one of the spellings, and all spellings of those that a runtime is likely to have open.
  const char* folders[] = {"/proc/self/fd/", "/proc/thread-self/fd/", "/proc/1/fd/"};
  const char* tails[] = {"", "/.", "/../../run/tests"};
  for (int fd = 0; fd < (slowness() > 1 ? 12 : 48); ++fd) {
    for (int spelling = 0; spelling < 9; ++spelling) {
      if (fd % 9 != spelling && (fd < 5 || fd > 9)) continue;
      std::string path = folders[spelling / 3] + std::to_string(fd) + tails[spelling % 3];
      // Refused, every one: nothing is reached through a magic link, not even what is the container's own.
      Outcome outcome = exec({"--cwd", path}, {"/bin/payload", "files", "outside"}, fd < 12 ? options : StartOptions());
      ASSERT_EQ(outcome.code, 255) << path << ": " << describe(outcome);
      ASSERT_EQ(outcome.out, "") << path;
      ASSERT_NE(outcome.err.find("--cwd: "), std::string::npos) << path << ": " << describe(outcome);
    }
  }
  // Also when a link of the image hides it.
  bundle_.add_link("/srv/link", "/proc/self/fd/7");
  EXPECT_EQ(exec({"--cwd", "/srv/link"}, {"/bin/payload", "true"}, options).code, 255);
  end();
  EXPECT_EQ(unlink("/run/tests/outside"), 0);
}

TEST_F(Exec, IgnorePausedWaitsForTheContainerToGoOn) {
  start();
  EXPECT_EQ(call({"pause", id()}).code, 0);
  expect_failed(exec({}, {"/bin/payload", "true"}), {"paused", "--ignore-paused"});
  Running waiting(exec_command({"--ignore-paused"}, {"/bin/payload", "exit", "6"}), {});
  usleep(200000);
  std::string stat = content("/proc/" + std::to_string(waiting.pid()) + "/stat");
  EXPECT_EQ(stat.find(") Z "), std::string::npos) << stat;
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_EQ(waiting.finish().code, 6);
  end();
}

TEST_F(Exec, IgnorePausedCanBeGivenUp) {
  start();
  EXPECT_EQ(call({"pause", id()}).code, 0);
  Running waiting(exec_command({"--ignore-paused"}, {"/bin/payload", "true"}), {});
  // It has its signals in hand, by a signalfd.
  std::string descriptors = "/proc/" + std::to_string(waiting.pid()) + "/fd/";
  ASSERT_TRUE(eventually([&] {
    for (int fd = 3; fd < 16; fd++)
      if (link_target(descriptors + std::to_string(fd)) == "anon_inode:[signalfd]") return true;
    return false;
  }));
  usleep(100000);
  waiting.send(SIGTERM);
  Outcome outcome = waiting.finish();
  EXPECT_EQ(outcome.code, 128 + SIGTERM) << describe(outcome);
  EXPECT_EQ(call({"resume", id()}).code, 0);
  end();
}

TEST_F(Exec, WrongUsesAreTold) {
  expect_failed(exec({}, {"/bin/payload", "true"}), {"container does not exist"});
  start();
  expect_failed(exec({}, {}), {"no command given"});
  expect_failed(exec({"--cwd", "relative"}, {"/bin/payload", "true"}), {"--cwd: must be"});
  EXPECT_EQ(call({"pause", id()}).code, 0);
  expect_failed(exec({}, {"/bin/payload", "true"}), {"paused"});
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return call({"state", id()}).out.find("stopped") != std::string::npos; }));
  expect_failed(exec({}, {"/bin/payload", "true"}), {"cannot exec in a stopped container"});
  end();
}

// A mistyped one is not made in the image.
TEST_F(Exec, MissingCwdIsAnErrorAndIsNotMade) {
  start();
  Outcome outcome = exec({"--cwd", "/tmp/typo/deep"}, {"/bin/payload", "true"});
  EXPECT_EQ(outcome.code, 255) << describe(outcome);
  for (const char* text : {"--cwd: change directory to /tmp/typo/deep", "no such file or directory"})
    EXPECT_NE(outcome.err.find(text), std::string::npos) << outcome.err;
  EXPECT_NE(access((bundle_.rootfs() + "/tmp/typo").c_str(), F_OK), 0);
  end();
}

}  // namespace
}  // namespace minirun::testing
