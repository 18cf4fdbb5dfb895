// SPDX-License-Identifier: Apache-2.0
// How the workload of a container that outlives minirun ended, from the page that its init writes: no minirun runs at
// the end, and the first process is reaped by then.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>

#include "sys/file.h"
#include "tests/support/report_fixture.h"
#include "tests/support/rootless_fixture.h"
#include "tests/support/scaled_time.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class EndPage : public ReportTest {
 protected:
  std::string page() const { return std::string(kState) + "/" + id() + "/end"; }

  Outcome create(const Words& flags) {
    bundle_.write();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions silent;
    silent.stdout_fd = silent.stderr_fd = nowhere.get();
    Words words = {"create", "--pid-file", kPidFile, "--bundle", bundle_.path()};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(id());
    return call(words, silent);
  }
  // As engines do it.
  void create_and_start(const Words& flags = {"--init"}) {
    ASSERT_EQ(create(flags).code, 0);
    Outcome outcome = call({"start", id()});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  static std::string this_second() {
    const time_t now = time(nullptr);
    tm date{};
    char text[32];
    return {text, strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now, &date))};
  }
  // Whose first process has no number any more.
  static void await_reaped(pid_t pid) {
    ASSERT_TRUE(eventually([&] { return access(("/proc/" + std::to_string(pid)).c_str(), F_OK) != 0; }));
  }
  // The init frees its plan after it has announced the workload.
  static std::string settled_maps() {
    std::string maps;
    EXPECT_TRUE(eventually([&] {
      maps = content("/proc/" + std::to_string(container_pid()) + "/maps");
      return maps.find("memfd:minirun-plan") == std::string::npos;
    })) << maps;
    return maps;
  }
  void end_by_itself(const Words& payload, bool detached) {
    bundle_.payload(payload);
    if (detached)
      ASSERT_EQ(detach(bundle_, {"--pid-file", kPidFile}).code, 0);
    else
      ASSERT_NO_FATAL_FAILURE(create_and_start());
    await_reaped(container_pid());
  }
  json waited(int status) {
    Outcome outcome = call({"wait", "--format", "json", id()});
    EXPECT_EQ(outcome.code, status) << describe(outcome);
    return outcome.out.empty() ? json::object() : checked(outcome.out);
  }
  json deleted() {
    Outcome outcome = call({"delete", "--report", kFile, id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return taken();
  }
  static void expect_marked(const json& report) {
    EXPECT_EQ(report.value("status_from", ""), "init") << report;
    EXPECT_EQ(report["rusage"].value("from", ""), "init") << report;
    EXPECT_EQ(report["times"].value("ended_from", ""), "init") << report;
  }
  // What wait and delete say of one that has ended.
  void expect_known(int exit_status, int wait_status, const char* cause) {
    for (const json& report : {waited(exit_status), deleted()}) {
      EXPECT_EQ(report.value("exit_status", -1), exit_status) << report;
      EXPECT_EQ(report.value("wait_status", -1), wait_status) << report;
      EXPECT_EQ(report.value("cause", ""), cause) << report;
      EXPECT_EQ(report.value("counters", ""), "own") << report;
      expect_marked(report);
    }
  }
};

TEST_F(EndPage, HasTheStatusOfAWorkloadThatEndedByItself) {
  for (bool detached : {false, true}) {
    end_by_itself({"exit", "3"}, detached);
    expect_known(3, 3 << 8, "exited");
    end_by_itself({"exit", "0"}, detached);
    expect_known(0, 0, "exited");
    // No signal, though a shell says it so.
    end_by_itself({"exit", "137"}, detached);
    expect_known(137, 137 << 8, "exited");
    end_by_itself({"die-by", "9"}, detached);
    expect_known(137, 9, "signal");
    end_by_itself({"die-by", "64"}, detached);
    expect_known(192, 64, "signal");
    if (HasFailure()) return;
  }
}

// As a foreground run has it.
TEST_F(EndPage, HasTheFlagOfACoreDump) {
  bundle_.config["process"]["rlimits"] = {{{"type", "RLIMIT_CORE"}, {"soft", 1 << 20}, {"hard", 1 << 20}}};
  bundle_.payload({"die-by", std::to_string(SIGABRT)});
  const json foreground = report_of(128 + SIGABRT);
  ASSERT_TRUE(foreground.contains("signal")) << foreground;
  if (!foreground["signal"].contains("core_dumped")) GTEST_SKIP() << "this kernel dumps no core there";
  end_by_itself({"die-by", std::to_string(SIGABRT)}, false);
  json report = deleted();
  EXPECT_EQ(report["signal"], foreground["signal"]);
  EXPECT_EQ(report["wait_status"], foreground["wait_status"]);
}

TEST_F(EndPage, GoesIntoTheReportOfAnAnnotation) {
  bundle_.config["annotations"] = {{"org.minirun.report", "true"}, {"org.minirun.init", "true"}};
  bundle_.payload({"exit", "7"});
  create_and_start({});
  await_reaped(container_pid());
  EXPECT_EQ(call({"--report-dir", kDirectory, "delete", id()}).code, 0);
  json report = taken(std::string(kDirectory) + "/" + id() + ".json");
  EXPECT_EQ(report["exit_status"], 7);
  expect_marked(report);
  std::filesystem::remove_all(kDirectory);
}

TEST_F(EndPage, HasTheTimeOfTheEndAndWhatTheWorkloadUsed) {
  const std::string before = this_second();
  end_by_itself({"burn", "0.3"}, false);
  const std::string after = this_second();
  json report = deleted();
  const std::string ended = report["times"].value("ended", "").substr(0, before.size());
  EXPECT_GE(ended, before);
  EXPECT_LE(ended, after);
  // The cgroup counts the init and the set-up, too.
  const auto own = report["rusage"]["user_us"].get<uint64_t>() + report["rusage"]["system_us"].get<uint64_t>();
  const auto whole = report["cpu"]["usage_us"].get<uint64_t>();
  EXPECT_GT(own, whole / 2) << report;
  EXPECT_LE(own, whole + 20'000) << report;  // the kernel's scale of ticks
  EXPECT_GT(report["rusage"].value("max_rss_bytes", 0), 64 << 10) << report;
}

TEST_F(EndPage, SaysWhichSignalWasPassedOn) {
  bundle_.payload({"exit-on", std::to_string(SIGTERM), "4"});
  create_and_start();
  const pid_t pid = container_pid();
  // Again, since it may not listen yet.
  ASSERT_TRUE(eventually([&] {
    (void)call({"kill", id(), "TERM"});
    return access(("/proc/" + std::to_string(pid)).c_str(), F_OK) != 0;
  }));
  json report = deleted();
  EXPECT_EQ(report["cause"], "stopped") << report;
  EXPECT_EQ(report["stop"]["name"], "SIGTERM");
  EXPECT_TRUE(report["exit_status"] == 4 || report["exit_status"] == 143) << report;
}

TEST_F(EndPage, IsNotThatOfExecutedProcesses) {
  bundle_.payload({"exit-on", std::to_string(SIGUSR1), "6"});
  create_and_start();
  EXPECT_EQ(exec({}, {"/bin/payload", "exit", "5"}).code, 5);
  const pid_t pid = container_pid();
  ASSERT_TRUE(eventually([&] {
    (void)exec({}, {"/bin/payload", "exit", "5"});
    (void)call({"kill", id(), "USR1"});
    return access(("/proc/" + std::to_string(pid)).c_str(), F_OK) != 0;
  }));
  json report = deleted();
  EXPECT_TRUE(report["exit_status"] == 6 || report["exit_status"] == 128 + SIGUSR1) << report;
  EXPECT_FALSE(report.contains("stop")) << report;
}

TEST_F(EndPage, WorksInUserNamespaces) {
  Bundle holder;
  holder.add_user_namespace();
  holder.payload({"pause"});
  holder.write();
  bundle_.add_user_namespace();
  end_by_itself({"exit", "3"}, false);
  expect_known(3, 3 << 8, "exited");
  end_by_itself({"exit", "3"}, true);
  expect_known(3, 3 << 8, "exited");
  // A joined one.
  const std::string other = id() + "-holder";
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions silent;
  silent.stdout_fd = silent.stderr_fd = nowhere.get();
  Words words = {"run", "--detach", "--pid-file", kPidFile, "--bundle", holder.path(), other};
  ASSERT_EQ(call(words, silent).code, 0);
  bundle_.join_namespace("user", "/proc/" + std::to_string(container_pid()) + "/ns/user");
  bundle_.config["linux"].erase("uidMappings");
  bundle_.config["linux"].erase("gidMappings");
  end_by_itself({"exit", "4"}, false);
  expect_known(4, 4 << 8, "exited");
  EXPECT_EQ(call({"delete", "--force", other}).code, 0);
}

TEST_F(EndPage, WorksWithoutAPidNamespaceAndWithEachWaitForStart) {
  for (const char* left_out : {"", "pid"}) {
    if (*left_out != '\0') bundle_.drop_namespace(left_out);
    for (const char* refused : {"", "getppid", "futex"}) {
      bundle_.config["linux"].erase("seccomp");
      if (*refused != '\0')
        bundle_.config["linux"]["seccomp"] = {
            {"defaultAction", "SCMP_ACT_ALLOW"},
            {"syscalls", {{{"names", {refused}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 38}}}}};
      end_by_itself({"exit", "3"}, false);
      EXPECT_EQ(deleted().value("exit_status", -1), 3) << left_out << " " << refused;
    }
  }
}

TEST_F(EndPage, ExistsForAnInitAlone) {
  bundle_.payload({"exit", "3"});
  create_and_start({});
  EXPECT_NE(access(page().c_str(), F_OK), 0) << "the first process is the workload";
  await_reaped(container_pid());
  json report = deleted();
  EXPECT_FALSE(report.contains("exit_status")) << report;
  EXPECT_FALSE(report.contains("rusage")) << report;
  ASSERT_EQ(detach(bundle_, {"--no-init"}).code, 0);
  EXPECT_NE(access(page().c_str(), F_OK), 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  Running foreground(run_command(bundle_, {"--keep"}), {});
  EXPECT_EQ(foreground.finish().code, 3);
  EXPECT_NE(access(page().c_str(), F_OK), 0) << "minirun itself sees the end";
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

// The descriptor of a mapping would be one of the host's filesystem (proc_pid_map_files(5)).
TEST_F(EndPage, IsNotThereForAContainerThatCouldOpenIt) {
  auto has_page = [&](const Words& capabilities, bool user_namespace) {
    bundle_.config = default_config();
    for (const std::string& name : capabilities) bundle_.add_capability(name.c_str());
    if (user_namespace) bundle_.add_user_namespace();
    bundle_.payload({"pause"});
    EXPECT_EQ(detach(bundle_, {"--pid-file", kPidFile}).code, 0);
    const bool file = access(page().c_str(), F_OK) == 0;
    const std::string maps = settled_maps();
    EXPECT_EQ(maps.find(" rw-s ") != std::string::npos, file) << maps;
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    return file;
  };
  EXPECT_TRUE(has_page({"CAP_SYS_PTRACE"}, false));
  EXPECT_TRUE(has_page({"CAP_SYS_ADMIN"}, false));
  EXPECT_FALSE(has_page({"CAP_SYS_PTRACE", "CAP_SYS_ADMIN"}, false));
  EXPECT_FALSE(has_page({"CAP_SYS_PTRACE", "CAP_CHECKPOINT_RESTORE"}, false));
  EXPECT_TRUE(has_page({"CAP_SYS_PTRACE", "CAP_SYS_ADMIN"}, true));
}

TEST_F(EndPage, IsAllThatTheInitHoldsOfIt) {
  bundle_.payload({"pause"});
  create_and_start();
  const std::string init = "/proc/" + std::to_string(container_pid());
  ASSERT_TRUE(eventually([&] { return std::filesystem::is_empty(init + "/fd"); }));
  std::string maps = settled_maps(), mapping;
  for (size_t at = maps.find(" rw-s "); at != std::string::npos; at = maps.find(" rw-s ", at + 1)) {
    const size_t first = maps.rfind('\n', at) + 1;
    mapping += maps.substr(first, maps.find('\n', at) - first) + "\n";
  }
  unsigned long from = 0, to = 0;
  ASSERT_EQ(sscanf(mapping.c_str(), "%lx-%lx", &from, &to), 2) << maps;
  EXPECT_EQ(to - from, 4096U);
  EXPECT_NE(mapping.find(page()), std::string::npos) << mapping;
  end();
}

// Neither kills the init, and the status is not made up.
TEST_F(EndPage, ThatWasCutOrRemovedIsNotKnown) {
  for (bool removed : {false, true}) {
    bundle_.payload({"exit-on", std::to_string(SIGUSR1), "6"});
    create_and_start();
    const pid_t pid = container_pid();
    ASSERT_EQ(removed ? unlink(page().c_str()) : truncate(page().c_str(), 0), 0);
    UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    ASSERT_TRUE(eventually([&] {
      (void)call({"kill", id(), "USR1"});
      return access(("/proc/" + std::to_string(pid)).c_str(), F_OK) != 0;
    }));
    json report = deleted();
    EXPECT_FALSE(report.contains("exit_status")) << report;
    EXPECT_FALSE(report.contains("rusage")) << report;
    EXPECT_EQ(report["counters"], "own");
  }
}

class EndPageRootless : public RootlessTest {};

TEST_F(EndPageRootless, HasTheStatusToo) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(make_rootless(bundle, {"exit", "7"}));
  bundle.write();
  for (const Words& way : {Words{"run", "--detach"}, {"create", "--init"}}) {
    Words words = {kProgram};
    words.insert(words.end(), way.begin(), way.end());
    words.insert(words.end(), {"--bundle", bundle.path(), "mine"});
    ASSERT_EQ(as_user(words).code, 0);
    if (way.front() == "create") {
      ASSERT_EQ(user_minirun({"start", "mine"}).code, 0);
    }
    Outcome outcome;
    ASSERT_TRUE(eventually([&] {
      outcome = user_minirun({"delete", "--report", kHome + "/report.json", "mine"});
      return outcome.code == 0;
    })) << describe(outcome);
    json report = json::parse(content(kHome + "/report.json"), nullptr, false);
    EXPECT_EQ(report.value("exit_status", -1), 7) << report;
    EXPECT_EQ(report.value("status_from", ""), "init") << report;
  }
}

}  // namespace
}  // namespace minirun::testing
