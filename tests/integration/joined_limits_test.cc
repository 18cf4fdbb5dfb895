// SPDX-License-Identifier: Apache-2.0
// What takes rights of the host: limits above the caller's and a lower oom_score_adj, where the process comes into a
// existing user namespace. Engines join one for every container of a pod but the first, and for `exec`.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/rootless_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class JoinedLimits : public RootlessTest {
 protected:
  void SetUp() override {
    RootlessTest::SetUp();
    for (Bundle* bundle : {&pod_, &other_}) {
      ASSERT_EQ(system(("chown -hR 100000:100000 " + bundle->rootfs()).c_str()), 0);
      bundle->payload({"pause"});
    }
    pod_.config["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* maps : {"uidMappings", "gidMappings"})
      pod_.config["linux"][maps] = {{{"containerID", 0}, {"hostID", 100000}, {"size", 65536}}};
  }
  // Limits of config.json; what calls minirun has less, and a higher oom_score_adj.
  static void ask_for_more(Bundle& bundle) {
    json& process = bundle.config["process"];
    process["oomScoreAdj"] = -100;
    process["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 2000}, {"hard", 4000}},
                          {{"type", "RLIMIT_NPROC"}, {"soft", 3000}, {"hard", 5000}},
                          {{"type", "RLIMIT_CORE"}, {"soft", 7}, {"hard", 8}}};
  }
  static StartOptions as_low_caller() {
    StartOptions options;
    options.in_child = [] {
      rlimit few{100, 100}, none{0, 0};
      UniqueFd score(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
      if (write(score.get(), "100", 3) != 3 || setrlimit(RLIMIT_NOFILE, &few) != 0 ||
          setrlimit(RLIMIT_NPROC, &few) != 0 || setrlimit(RLIMIT_CORE, &none) != 0)
        _exit(97);
    };
    return options;
  }
  static void expect_more(const std::string& report) {
    json seen = json::parse(report, nullptr, false);
    ASSERT_TRUE(seen.is_object()) << report;
    EXPECT_EQ(seen["oom_score_adj"], "-100\n");
    EXPECT_EQ(seen["rlimits"]["RLIMIT_NOFILE"], json({2000, 4000}));
    EXPECT_EQ(seen["rlimits"]["RLIMIT_NPROC"], json({3000, 5000}));
    EXPECT_EQ(seen["rlimits"]["RLIMIT_CORE"], json({7, 8}));
  }
  void start_pod() {
    Outcome outcome = detach(pod_, {"--pid-file", kPidFile});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    pod_pid_ = container_pid();
  }
  void end_pod() { EXPECT_EQ(call({"delete", "--force", id()}).code, 0); }
  void join(const std::vector<std::string>& types) {
    for (const std::string& type : types) {
      std::string file = type == "network" ? "net" : type;
      other_.join_namespace(type, "/proc/" + std::to_string(pod_pid_) + "/ns/" + file);
    }
  }
  Outcome other(const std::vector<std::string>& payload, const StartOptions& options) {
    other_.payload(payload);
    other_.write();
    return call({"run", "--bundle", other_.path(), "other"}, options);
  }

  Bundle pod_, other_;
  pid_t pod_pid_ = -1;
};

TEST_F(JoinedLimits, OfAContainerInTheUserNamespaceOfAPod) {
  REQUIRE_CAPABILITY(CAP_SYS_RESOURCE);
  start_pod();
  const json plain = other_.config;
  for (const std::vector<std::string>& types :
       {std::vector<std::string>{"user"}, {"user", "network", "ipc", "uts"}, {"user", "pid"}, {"user", "pid", "ipc"}}) {
    SCOPED_TRACE(types.size());
    for (unsigned uid : {0u, 1000u}) {
      other_.config = plain;
      join(types);
      if (types.size() == 4) other_.config.erase("hostname");
      ask_for_more(other_);
      other_.config["process"]["user"] = {{"uid", uid}, {"gid", uid}};
      Outcome outcome = other({"report"}, as_low_caller());
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
      expect_more(outcome.out);
    }
  }
  end_pod();
}

TEST_F(JoinedLimits, OfACreatedOne) {
  REQUIRE_CAPABILITY(CAP_SYS_RESOURCE);
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  start_pod();
  const json plain = other_.config;
  const char* file = "/run/tests/report";
  for (const std::vector<std::string>& types : {std::vector<std::string>{"user"}, {"user", "pid"}}) {
    other_.config = plain;
    join(types);
    ask_for_more(other_);
    other_.payload({"report"});
    other_.write();
    UniqueFd out(open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    StartOptions options = as_low_caller();
    options.stdout_fd = options.stderr_fd = out.get();
    EXPECT_EQ(call({"create", "--bundle", other_.path(), "other"}, options).code, 0) << content(file);
    EXPECT_EQ(call({"start", "other"}).code, 0);
    EXPECT_TRUE(eventually([&] { return call({"state", "other"}).out.find("stopped") != std::string::npos; }));
    expect_more(content(file));
    EXPECT_EQ(call({"delete", "other"}).code, 0);
    // Not reaped, it would keep the pod's first process from its end (pid_namespaces(7)).
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
  EXPECT_EQ(unlink(file), 0);
  end_pod();
  while (waitpid(-1, nullptr, 0) > 0) {
  }
  EXPECT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

TEST_F(JoinedLimits, OfAnExec) {
  REQUIRE_CAPABILITY(CAP_SYS_RESOURCE);
  ask_for_more(pod_);
  for (bool pid_namespace : {true, false}) {
    if (!pid_namespace) {  // no procfs can be mounted then
      pod_.drop_namespace("pid");
      for (json& mount : pod_.config["mounts"])
        if (mount["type"] == "proc") mount = {{"destination", "/proc"}, {"source", "/proc"}, {"options", {"rbind"}}};
    }
    start_pod();
    for (const char* user : {"0", "1000"}) {
      Outcome outcome = call({"exec", "--user", user, id(), "/bin/payload", "report"}, as_low_caller());
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
      expect_more(outcome.out);
    }
    end_pod();
  }
}

TEST_F(JoinedLimits, OfAStartContainerHook) {
  REQUIRE_CAPABILITY(CAP_SYS_RESOURCE);
  const char* file = "/run/tests/hook.out";
  ask_for_more(pod_);
  pod_.config["annotations"]["run.oci.hooks.stdout"] = file;
  pod_.config["hooks"]["startContainer"] = {{{"path", "/bin/payload"}, {"args", {"payload", "report"}}}};
  pod_.payload({"true"});
  pod_.write();
  Outcome outcome = call({"run", "--bundle", pod_.path(), id()}, as_low_caller());
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  expect_more(content(file));
  (void)unlink(file);
}

// The same of a container that joins a pid namespace alone: RLIMIT_NPROC is set last, when the right to raise it is
// gone.
TEST_F(JoinedLimits, OfAContainerInThePidNamespaceOfAPod) {
  REQUIRE_CAPABILITY(CAP_SYS_RESOURCE);
  pod_.config["linux"] = other_.config["linux"];
  ASSERT_EQ(system(("chown -hR 0:0 " + pod_.rootfs() + " " + other_.rootfs()).c_str()), 0);
  start_pod();
  join({"pid"});
  ask_for_more(other_);
  for (unsigned uid : {0u, 1000u}) {
    other_.config["process"]["user"] = {{"uid", uid}, {"gid", uid}};
    Outcome outcome = other({"report"}, as_low_caller());
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    expect_more(outcome.out);
  }
  end_pod();
}

// An ordinary user has no such right: what may be had is set, and the rest is refused with the remedy.
TEST_F(JoinedLimits, OfAnOrdinaryUser) {
  Bundle bundle;
  make_rootless(bundle, {"pause"});
  StartOptions options = user_options();
  auto as_user_only = options.in_child;
  options.in_child = [as_user_only] {
    rlimit few{100, 200};
    if (setrlimit(RLIMIT_NOFILE, &few) != 0) _exit(97);
    as_user_only();
  };
  auto run_limited = [&](const std::vector<std::string>& args) {
    std::vector<std::string> words = {kProgram};
    words.insert(words.end(), args.begin(), args.end());
    return Running(words, options).finish();
  };
  bundle.config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 150}, {"hard", 180}}};
  ASSERT_EQ(user_run(bundle, {"--detach"}).code, 0);
  Outcome outcome = run_limited({"exec", "mine", "/bin/payload", "report"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(json::parse(outcome.out, nullptr, false)["rlimits"]["RLIMIT_NOFILE"], json({150, 180}));
  EXPECT_EQ(user_minirun({"delete", "--force", "mine"}).code, 0);
  bundle.config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 150}, {"hard", 300}}};
  bundle.write();
  expect_refused(run_limited({"run", "--bundle", bundle.path(), "mine"}),
                 {"/process/rlimits/0: limit RLIMIT_NOFILE", "operation not permitted", "CAP_SYS_RESOURCE"});
}

}  // namespace
}  // namespace minirun::testing
