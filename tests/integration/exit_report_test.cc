// SPDX-License-Identifier: Apache-2.0
// The exit report: why each end came, from each command that can say so.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>

#include "sys/pipe.h"
#include "tests/support/report_fixture.h"
#include "tests/support/rootless_fixture.h"
#include "tests/support/scaled_time.h"
#include "tests/support/subreaper.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class Report : public ReportTest {
 protected:
  void end_when_ready(const Words& flags, const std::function<void(Running&)>& end, const json& stop) {
    Words all = {"--report", kFile};
    all.insert(all.end(), flags.begin(), flags.end());
    bundle_.payload({"exit-on", std::to_string(SIGTERM), "0"});
    Running container(run_command(bundle_, all), {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    end(container);
    EXPECT_EQ(container.finish().code, 0);
    json report = taken();
    EXPECT_EQ(report["cause"], stop.is_null() ? "exited" : "stopped") << report;
    EXPECT_EQ(report.value("stop", json()), stop);
  }
  json deleted(const Words& flags = {}) {
    Words words = {"delete", "--report", kFile};
    words.insert(words.end(), flags.begin(), flags.end());
    words.push_back(id());
    Outcome outcome = call(words);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return taken();
  }
};

TEST_F(Report, OfAnExitHasTheStatusAndWhatWasUsed) {
  bundle_.payload({"exit", "7"});
  for (const Words& flags : {Words{}, {"--no-init"}}) {
    json report = report_of(7, flags);
    EXPECT_EQ(report["id"], id());
    EXPECT_EQ(report["command"], "run");
    EXPECT_EQ(report["cause"], "exited");
    EXPECT_EQ(report["wait_status"], 7 << 8);
    EXPECT_EQ(report["status_from"], flags.empty() ? "init" : "kernel");
    EXPECT_EQ(report["counters"], "own");
    EXPECT_GT(report["cpu"]["usage_us"], 0);
    for (const char* key : {"created", "started", "ended", "setup_us", "wall_us"})
      EXPECT_TRUE(report["times"].contains(key)) << key;
    EXPECT_EQ(outcome_.err, "");
  }
}

TEST_F(Report, OfEachSignalHasItsName) {
  for (int signal : {SIGHUP,    SIGINT,  SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,    SIGFPE,  SIGKILL,
                     SIGUSR1,   SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ,
                     SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSYS,  32,      34,        64}) {
    bundle_.payload({"die-by", std::to_string(signal)});
    json report = report_of(128 + signal);
    EXPECT_EQ(report["cause"], "signal");
    EXPECT_EQ(report["signal"]["number"], signal);
    const char* name = sigabbrev_np(signal);
    EXPECT_EQ(report["signal"]["name"],
              name != nullptr ? "SIG" + std::string(name) : "signal " + std::to_string(signal));
  }
}

TEST_F(Report, OfASeccompKillNamesTheFilter) {
  bundle_.config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", {"personality"}}, {"action", "SCMP_ACT_KILL_PROCESS"}}}}};
  bundle_.payload({"syscall", "135", "0xffffffff"});
  json report = report_of(128 + SIGSYS);
  EXPECT_EQ(report["cause"], "seccomp");
  EXPECT_EQ(report["signal"]["name"], "SIGSYS");
}

TEST_F(Report, OfALaunchThatFailsHasItsError) {
  bundle_.config["process"]["args"] = {"/not/there"};
  json report = report_of(127);
  EXPECT_EQ(report["cause"], "exec-failed");
  EXPECT_EQ(report["error"]["errno"], "ENOENT");
  EXPECT_EQ("minirun: " + report["error"].value("msg", "") + "\n", outcome_.err);
  bundle_.payload({"true"});
  const json config = bundle_.config;
  bundle_.config["linux"]["sysctl"]["net.nosuch"] = "1";
  EXPECT_EQ(report_of(1)["cause"], "setup-failed");
  bundle_.config["process"]["cwd"] = "relative";
  report = report_of(1);
  EXPECT_EQ(report["cause"], "setup-failed");
  EXPECT_EQ(report["error"]["kind"], "config");
  bundle_.config = config;
  start();
  Outcome outcome = exec({"--report", kFile}, {"/not/there"});
  EXPECT_EQ(outcome.code, 127);
  EXPECT_EQ(taken()["cause"], "exec-failed");
  end();
}

TEST_F(Report, OfADeadlineNamesIt) {
  bundle_.payload({"exit-on", std::to_string(SIGTERM), "0"});
  json report = report_of(124, {"--timeout", scaled(600)});
  EXPECT_EQ(report["cause"], "timeout");
  EXPECT_EQ(report["stop"], json({{"signal", SIGTERM}, {"name", "SIGTERM"}, {"killed", false}}));
  EXPECT_EQ(report["wait_status"], 0);
  bundle_.payload({"burn", "60"});
  report = report_of(124, {"--cpu-time", "200ms", "--grace", "0"});
  EXPECT_EQ(report["cause"], "cpu-time");
  EXPECT_TRUE(report["stop"]["killed"]);
  EXPECT_GE(report["cpu"]["usage_us"], 150000);
}

TEST_F(Report, OfAWorkloadThatWasAskedToEndSaysByWhat) {
  json stop = {{"signal", SIGTERM}, {"name", "SIGTERM"}, {"killed", false}};
  json sent = stop;
  sent.update({{"pid", getpid()}, {"uid", 0}});
  auto send = [](Running& container) { container.send(SIGTERM); };
  end_when_ready({}, send, sent);
  end_when_ready({"--no-init"}, send, sent);
  // The init says which signal came by another way; without it this is not known.
  auto kill = [&](Running&) { EXPECT_EQ(call({"kill", id(), "TERM"}).code, 0); };
  end_when_ready({}, kill, stop);
  end_when_ready({"--no-init"}, kill, {});
  // A signal that does not ask for the end.
  bundle_.payload({"exit-on", std::to_string(SIGUSR1), "0"});
  Running container(run_command(bundle_, {"--report", kFile}), {});
  ASSERT_TRUE(container.wait_for("ready"));
  container.send(SIGUSR1);
  EXPECT_EQ(container.finish().code, 0);
  EXPECT_EQ(taken()["cause"], "exited");
}

TEST_F(Report, OfAnExecIsItsOwn) {
  start();
  for (const Words& more : {Words{}, {"--tree"}}) {
    Words flags = {"--report", kFile};
    flags.insert(flags.end(), more.begin(), more.end());
    EXPECT_EQ(exec(flags, {"/bin/payload", "exit", "3"}).code, 3);
    json report = taken();
    EXPECT_EQ(report["command"], "exec");
    EXPECT_EQ(report["cause"], "exited");
    EXPECT_EQ(report["counters"], more.empty() ? "container" : "own");
    EXPECT_EQ(exec(flags, {"/bin/payload", "die-by", "9"}).code, 137);
    report = taken();
    EXPECT_EQ(report["cause"], "signal");
    EXPECT_EQ(report["signal"]["name"], "SIGKILL");
  }
  EXPECT_EQ(exec({"--report", kFile, "--timeout", scaled(300), "--grace", "0"}, {"/bin/payload", "pause"}).code, 124);
  EXPECT_EQ(taken()["cause"], "timeout");
  end();
}

TEST_F(Report, OfADetachedOneComesFromWaitAndDelete) {
  start({"exit-on", std::to_string(SIGTERM), "3"});
  (void)eventually([&] { return call({"stop", id()}).code == 0; });
  Outcome outcome = call({"wait", "--format", "json", id()});
  json report;
  if (outcome.out.empty()) {  // before Linux 6.15 the status is lost, and so the report of wait
    EXPECT_NE(outcome.err.find("exit status"), std::string::npos) << describe(outcome);
  } else {
    report = checked(outcome.out);
    EXPECT_EQ(report["command"], "wait");
    EXPECT_EQ(report["cause"], "stopped") << report;
    EXPECT_EQ(report["stop"]["name"], "SIGTERM");
    EXPECT_EQ(report["counters"], "own");
    EXPECT_TRUE(report["times"].contains("ended"));
  }
  report = deleted();
  EXPECT_EQ(report["command"], "delete");
  EXPECT_EQ(report["cause"], "stopped");
  // With a deadline its timekeeper records the cause.
  bundle_.payload({"pause"});
  ASSERT_EQ(detach(bundle_, {"--timeout", scaled(300), "--grace", "0"}).code, 0);
  outcome = call({"wait", "--format", "json", id()});
  EXPECT_EQ(outcome.code, 124);
  EXPECT_EQ(checked(outcome.out)["cause"], "timeout");
  report = deleted();
  EXPECT_EQ(report["cause"], "timeout");
  EXPECT_EQ(report["exit_status"], 124);
}

TEST_F(Report, OfARunThatIsKeptStaysForWaitAndDelete) {
  bundle_.payload({"die-by", "10"});
  EXPECT_EQ(report_of(138, {"--keep"})["cause"], "signal");
  Outcome outcome = call({"wait", "--format", "json", id()});
  EXPECT_EQ(outcome.code, 138);
  for (const json& report : {checked(outcome.out), deleted()}) {
    EXPECT_EQ(report["cause"], "signal");
    EXPECT_EQ(report["wait_status"], 10);
    EXPECT_EQ(report["status_from"], "record");
    EXPECT_EQ(report["counters"], "gone");
  }
}

TEST_F(Report, OfDeleteForceSaysThatItKilled) {
  start();
  json report = deleted({"--force"});
  EXPECT_EQ(report["cause"], "stopped") << report;
  EXPECT_EQ(report["stop"]["name"], "SIGKILL");
  EXPECT_EQ(report["counters"], "own");
  // Neither killed nor started.
  bundle_.write();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions silent;
  silent.stdout_fd = silent.stderr_fd = nowhere.get();
  ASSERT_EQ(call({"create", "--bundle", bundle_.path(), id()}, silent).code, 0);
  report = deleted();
  EXPECT_FALSE(report.contains("stop")) << report;
}

TEST_F(Report, OfAContainerWhoseMinirunWasKilledSaysSo) {
  bundle_.payload({"pause"});
  Running container(run_command(bundle_, {"--pid-file", kPidFile}), {});
  (void)container_pid();
  container.send(SIGKILL);
  (void)container.finish();
  ASSERT_TRUE(eventually([&] {
    return json::parse(call({"state", id()}).out, nullptr, false)["status"] == "stopped";
  }));
  EXPECT_EQ(deleted({"--force"})["cause"], "runtime-killed");
}

TEST_F(Report, IsInTheLastEvent) {
  bundle_.payload({"exit", "7"});
  Pipe pipe = make_pipe().value();
  StartOptions options;
  options.in_child = [&] {
    if (dup2(pipe.writer.get(), 30) < 0) _exit(96);
  };
  EXPECT_EQ(run(bundle_, {"--status-fd", "30", "--report", kFile}, options).code, 7);
  pipe.writer.reset();
  std::string text(1 << 16, '\0');
  text.resize(static_cast<size_t>(read(pipe.reader.get(), text.data(), text.size())));
  text.pop_back();
  json event = json::parse(text.substr(text.rfind('\n') + 1));
  EXPECT_EQ(schema_problem(status_schema(), event), "");
  EXPECT_EQ(event["report"], taken());
}

TEST_F(Report, OfAnAnnotationGoesToTheDirectory) {
  bundle_.config["annotations"]["org.minirun.report"] = "true";
  bundle_.payload({"exit", "7"});
  bundle_.write();
  const std::string file = std::string(kDirectory) + "/" + id() + ".json";
  auto with_directory = [&](Words words) {
    words.insert(words.begin(), {"--report-dir", kDirectory});
    return call(words);
  };
  EXPECT_EQ(with_directory({"run", "--bundle", bundle_.path(), id()}).code, 7);
  EXPECT_EQ(taken(file)["cause"], "exited");
  struct stat info {};
  ASSERT_EQ(stat(kDirectory, &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0700U);
  bundle_.payload({"pause"});
  ASSERT_EQ(detach(bundle_).code, 0);
  EXPECT_EQ(call({"stop", id()}).code, 0);
  EXPECT_EQ(with_directory({"delete", id()}).code, 0);
  EXPECT_EQ(taken(file)["cause"], "stopped");
  // A kept one is reported once, by the command that saw its end.
  bundle_.payload({"exit", "7"});
  bundle_.write();
  EXPECT_EQ(with_directory({"run", "--keep", "--bundle", bundle_.path(), id()}).code, 7);
  EXPECT_EQ(with_directory({"delete", id()}).code, 0);
  EXPECT_EQ(taken(file)["command"], "run");
  std::filesystem::remove_all(kDirectory);
  // Without the option, in the state root.
  EXPECT_EQ(run(bundle_).code, 7);
  EXPECT_EQ(taken(std::string(kState) + "/.reports/" + id() + ".json")["cause"], "exited");
  std::filesystem::remove_all(std::string(kState) + "/.reports");
  bundle_.config["annotations"]["org.minirun.report"] = "false";
  EXPECT_EQ(run(bundle_).code, 7);
  EXPECT_NE(access((std::string(kState) + "/.reports").c_str(), F_OK), 0);
}

TEST_F(Report, CausesAreListedByFeatures) {
  json features = json::parse(call({"features"}).out, nullptr, false);
  std::string listed;
  const json causes = report_schema()["properties"]["cause"]["enum"];
  for (const json& cause : causes) listed += (listed.empty() ? "" : " ") + cause.get<std::string>();
  EXPECT_EQ(features["annotations"].value("org.minirun.reports", ""), listed);
}

class ReportOfAZombie : public WithSubreaper<ReportTest> {};

TEST_F(ReportOfAZombie, HasTheStatusThatItsParentHasNotTaken) {
  start({"exit", "3"});
  const pid_t pid = container_pid();
  ASSERT_TRUE(
      eventually([&] { return content("/proc/" + std::to_string(pid) + "/stat").find(") Z ") != std::string::npos; }));
  (void)unlink((std::string(kState) + "/" + id() + "/end").c_str());  // as of an older minirun
  EXPECT_EQ(call({"delete", "--report", kFile, id()}).code, 0);
  json report = taken();
  EXPECT_EQ(report["exit_status"], 3) << report;
  EXPECT_EQ(report["status_from"], "kernel");
  EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
}

class ReportRootless : public WithSubreaper<RootlessTest> {
 protected:
  // Its process has the caller's user and another group, so that the caller may signal it but not trace it. The payload
  // does what newuidmap(1) and newgidmap(1) do.
  void make_other_group(Bundle& bundle) {
    make_folders(kHome + "/bin");
    for (const char* name : {"/bin/newuidmap", "/bin/newgidmap"}) {
      ASSERT_TRUE(copy_program(program("PAYLOAD", "payload"), kHome + name));
      ASSERT_EQ(chmod((kHome + name).c_str(), 04755), 0);
    }
    path_ = kHome + "/bin:";
    ASSERT_NO_FATAL_FAILURE(make_rootless(bundle, {"exit-on", std::to_string(SIGTERM), "7"}));
    bundle.config["linux"]["gidMappings"].push_back({{"containerID", 1}, {"hostID", 300000}, {"size", 10}});
    bundle.config["process"]["user"] = {{"uid", 0}, {"gid", 6}};
    bundle.write();
  }
  // As that user in a user namespace beside the container's: to its maker the kernel would give all rights over it.
  Outcome beside(const Words& argv) const {
    StartOptions options = user_options();
    options.in_child = [become_user = options.in_child] {
      become_user();
      if (prctl(PR_SET_DUMPABLE, 1) != 0) _exit(98);  // its files in /proc are its own again
      auto map = [](const char* file, unsigned id) {
        const std::string line = std::to_string(id) + " " + std::to_string(id) + " 1";
        return write_control(AT_FDCWD, std::string("/proc/self/") + file, line).ok();
      };
      if (unshare(CLONE_NEWUSER) != 0 || !write_control(AT_FDCWD, "/proc/self/setgroups", "deny") ||
          !map("uid_map", kUser) || !map("gid_map", kGroup))
        _exit(98);
    };
    return Running(argv, options).finish();
  }
};

// To a caller who may not read it, the kernel shows 0 as a zombie's exit code (exit_status.cc).
TEST_F(ReportRootless, AFailureIsNotRecordedAsASuccess) {
  Bundle bundle;
  ASSERT_NO_FATAL_FAILURE(make_other_group(bundle));
  const std::string pid_file = kHome + "/pid", file = kHome + "/report.json";
  for (const char* command : {"stop", "kill"}) {
    // Without minirun's init, which would say it.
    const Words start = {kProgram, "run",      "--detach",    "--no-init", "--pid-file",
                         pid_file, "--bundle", bundle.path(), "mine"};
    ASSERT_EQ(as_user(start).code, 0);
    const std::string pid = content(pid_file), stat = "/proc/" + pid + "/stat";
    // It may not listen yet, and then the kernel drops the signal.
    ASSERT_TRUE(eventually([&] {
      (void)beside({kProgram, command, "mine"});
      return content(stat).find(") Z ") != std::string::npos;
    }));
    ASSERT_TRUE(content(stat).ends_with(" " + std::to_string(7 << 8)));
    ASSERT_TRUE(beside({"/bin/cat", stat}).out.ends_with(" 0\n")) << "what this test is about";
    Outcome waited = beside({kProgram, "wait", "--format", "json", "mine"});
    EXPECT_EQ(waited.code, 1) << command << describe(waited);
    EXPECT_EQ(waited.out, "");
    EXPECT_EQ(beside({kProgram, "delete", "--report", file, "mine"}).code, 0);
    json report = json::parse(content(file), nullptr, false);
    EXPECT_TRUE(report.is_object() && !report.contains("exit_status")) << report;
    EXPECT_EQ(waitpid(std::stoi(pid), nullptr, 0), std::stoi(pid));
  }
}

}  // namespace
}  // namespace minirun::testing
