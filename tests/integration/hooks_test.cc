// SPDX-License-Identifier: Apache-2.0
// The six kinds of hooks: when, where and with what they run, and what becomes of the container when one fails.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "sys/file.h"
#include "tests/support/hook_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Hooks : public HookTest {
 protected:
  void SetUp() override {
    HookTest::SetUp();
    workload("b=/bin/busybox; until $b grep -q poststart /b/log; do $b sleep 0.01; done; echo workload >> /b/log");
  }

  // Each says in `log` that it ran, and writes down what it sees.
  void add_all() {
    for (const std::string kind : kAllHooks) {
      add(kind, shell(fmt::format("echo {0} >> log; $b cat > {0}.state; for n in mnt net pid; do "
                                  "$b readlink /proc/self/ns/$n; done > {0}.ns",
                                  kind)));
    }
  }
  // The words of the log in one line.
  std::string log() const {
    std::string text = content(bundle_.path() + "/log");
    for (char& c : text)
      if (c == '\n') c = ' ';
    return text;
  }
  json state_of(const std::string& kind) const {
    return json::parse(content(bundle_.path() + "/" + kind + ".state"), nullptr, false);
  }
  std::string namespaces_of(const std::string& kind) const { return content(bundle_.path() + "/" + kind + ".ns"); }
  void start_over() const {
    (void)unlink((bundle_.path() + "/log").c_str());  // there, or not
  }
  Outcome create() const {
    bundle_.write();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = nowhere.get();
    return call({"create", "--bundle", bundle_.path(), id()}, options);
  }
  void expect_gone() const { expect_refused(call({"state", id()}), {"container does not exist"}); }
};

void expect_state(const json& state, const std::string& id, const std::string& status) {
  ASSERT_TRUE(state.is_object());
  EXPECT_EQ(state["ociVersion"], "1.3.0");
  EXPECT_EQ(state["id"], id);
  EXPECT_EQ(state["status"], status);
}

TEST_F(Hooks, RunInTheirOrderAndPlaces) {
  add_all();
  bundle_.config["annotations"] = {{"org.example.key", "value"}};
  Outcome outcome = run(bundle_, {"--pid-file", kPidFile});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(log(), "prestart createRuntime createContainer startContainer poststart workload poststop");
  for (const char* kind : {"prestart", "createRuntime", "createContainer"})
    expect_state(state_of(kind), id(), "creating");
  expect_state(state_of("startContainer"), id(), "created");
  expect_state(state_of("poststart"), id(), "running");
  expect_state(state_of("poststop"), id(), "stopped");
  for (const char* kind : {"prestart", "createRuntime", "poststart"})
    EXPECT_EQ(std::to_string(state_of(kind)["pid"].get<int>()), content(kPidFile)) << kind;
  EXPECT_EQ(state_of("createContainer")["pid"], 1);
  EXPECT_EQ(state_of("startContainer")["pid"], 1);
  EXPECT_EQ(state_of("poststop")["pid"], 0);
  EXPECT_EQ(state_of("prestart")["bundle"], bundle_.path());
  EXPECT_EQ(state_of("prestart")["annotations"]["org.example.key"], "value");

  std::string own;
  for (const char* name : {"mnt", "net", "pid"})
    own += fmt::format("{}\n", link_target(fmt::format("/proc/self/ns/{}", name)));
  own.pop_back();
  for (const char* kind : {"prestart", "createRuntime", "poststart", "poststop"}) EXPECT_EQ(namespaces_of(kind), own);
  std::string container = namespaces_of("startContainer");
  EXPECT_EQ(namespaces_of("createContainer"), container);
  for (const char* name : {"mnt", "net", "pid"})
    EXPECT_EQ(container.find(link_target(fmt::format("/proc/self/ns/{}", name))), std::string::npos) << container;
}

TEST_F(Hooks, OfCreateStartAndDeleteEachHaveTheirCommand) {
  add_all();
  workload("exec /bin/busybox sleep 1000");
  Outcome outcome = create();
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(log(), "prestart createRuntime createContainer");
  EXPECT_EQ(json::parse(call({"state", id()}).out)["status"], "created");
  // What happens to the bundle's config.json from here on means nothing.
  bundle_.config.erase("hooks");
  bundle_.write();
  outcome = call({"start", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(log(), "prestart createRuntime createContainer startContainer poststart");
  expect_state(state_of("startContainer"), id(), "created");
  EXPECT_EQ(state_of("startContainer")["pid"], 1);
  expect_state(state_of("poststart"), id(), "running");
  outcome = call({"delete", "--force", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(log(), "prestart createRuntime createContainer startContainer poststart poststop");
  expect_state(state_of("poststop"), id(), "stopped");
}

TEST_F(Hooks, OfADetachedRunAreThroughWhenItReturns) {
  add_all();
  workload("exec /bin/busybox sleep 1000");
  Outcome outcome = detach(bundle_);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(log(), "prestart createRuntime createContainer startContainer poststart");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(log(), "prestart createRuntime createContainer startContainer poststart poststop");
}

TEST_F(Hooks, WorkInAUserNamespaceAndWithoutAPidNamespace) {
  add_all();
  bundle_.config["linux"]["namespaces"].push_back({{"type", "user"}});
  bundle_.config["linux"]["uidMappings"] = {{{"containerID", 0}, {"hostID", 0}, {"size", 65536}}};
  bundle_.config["linux"]["gidMappings"] = bundle_.config["linux"]["uidMappings"];
  bundle_.config["process"]["oomScoreAdj"] = 321;
  add("startContainer", shell("$b cat /proc/self/oom_score_adj > adjustment"));
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(log(), "prestart createRuntime createContainer startContainer poststart workload poststop");
  EXPECT_EQ(content(bundle_.path() + "/adjustment"), "321");
  EXPECT_EQ(state_of("createContainer")["pid"], 1);

  start_over();
  bundle_.config = default_config();
  bundle_.add_mount("/b", "", bundle_.path(), {"bind"});
  bundle_.drop_namespace("pid");
  workload("b=/bin/busybox; until $b grep -q poststart /b/log; do $b sleep 0.01; done; echo workload >> /b/log");
  add_all();
  outcome = run(bundle_, {"--no-init"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(log(), "prestart createRuntime createContainer startContainer poststart workload poststop");
  EXPECT_EQ(state_of("createContainer")["pid"], state_of("prestart")["pid"]);
}

// The mounts are made, at the place of the rootfs on the host, and the host's tree is still there.
TEST_F(Hooks, CreateContainerFindsTheMountsInTheRootfs) {
  add("createContainer", shell("$b readlink rootfs/proc/1/exe > proc; $b stat -f -c %T rootfs/dev > dev; "
                               "$b mount -t tmpfs of-a-hook rootfs/tmp"));
  workload("exec /bin/busybox grep of-a-hook /proc/self/mounts");
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out.rfind("of-a-hook /tmp tmpfs", 0), 0U) << outcome.out;
  EXPECT_EQ(content(bundle_.path() + "/dev"), "tmpfs");
}

// The root cannot be pivoted away, and was in its place for the hook: a process that joins later must not find the
// host's.
TEST_F(Hooks, WithoutPivotTheContainerIsTheRootForAllThatJoinsIt) {
  bundle_.add_link("/bin/only-here", "busybox");
  add("createContainer", shell("$b test -e rootfs/proc/1/status && echo in place >> log"));
  add("startContainer", {{"path", "/bin/only-here"}, {"args", {"sh", "-c", "/bin/busybox ls / > /b/root"}}});
  workload("exec /bin/busybox sleep 1000");
  Outcome outcome = detach(bundle_, {"--no-pivot"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(log(), "in place");
  EXPECT_EQ(content(bundle_.path() + "/root"), "b\nbin\ndev\netc\nproc\nsys\ntmp");
  EXPECT_EQ(call({"exec", id(), "/bin/busybox", "ls", "/"}).out, "b\nbin\ndev\netc\nproc\nsys\ntmp\n");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// Without `env`, as in podman's hooks.d, it is the runtime's, or the process's for startContainer, with its HOME.
TEST_F(Hooks, EnvironmentIsAsGivenOrTheRuntimesOrTheProcesss) {
  bundle_.config["process"]["env"] = {"PATH=/bin", "OF=the process"};
  bundle_.config["annotations"] = {{"run.oci.hooks.stdout", bundle_.path() + "/out"}};
  for (const std::string kind : {"createRuntime", "createContainer", "startContainer", "poststop"}) {
    add(kind, {{"path", "/bin/busybox"}, {"args", {"echo", kind}}});
    add(kind, {{"path", "/bin/busybox"}, {"args", {"env"}}});
    add(kind, {{"path", "/bin/busybox"}, {"args", {"env"}}, {"env", json::array()}});
    add(kind, {{"path", "/bin/busybox"}, {"args", {"env"}}, {"env", {"A=b c"}}});
  }
  workload("exit 0");
  StartOptions options;
  options.env = {"PATH=/usr/bin:/bin", "OF=the runtime", "LISTEN_FDS=1", "LISTEN_PID=1", "LISTEN_FDNAMES=x"};
  Outcome outcome = run(bundle_, {}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  const std::string runtimes = "PATH=/usr/bin:/bin\nOF=the runtime\nA=b c\n";
  EXPECT_EQ(content(bundle_.path() + "/out") + "\n",
            "createRuntime\n" + runtimes + "createContainer\n" + runtimes +
                "startContainer\nPATH=/bin\nOF=the process\nHOME=/root\nA=b c\npoststop\n" + runtimes);
}

TEST_F(Hooks, StartContainerHasThePrivilegesOfTheProcessAndItsFiles) {
  bundle_.config["process"]["user"] = {{"uid", 33}, {"gid", 33}};
  ASSERT_EQ(chmod(bundle_.path().c_str(), 0777), 0);
  // A name that the image has and the host does not.
  bundle_.add_link("/bin/only-here", "busybox");
  json hook = shell("$b cat > state; $b grep -E '^(Uid|CapEff|NoNewPrivs)' /proc/self/status > status");
  hook["path"] = "/bin/only-here";
  hook["args"][2] = "pwd > /b/cwd; " + hook["args"][2].get<std::string>();
  add("startContainer", hook);
  workload("exit 0");
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(content(bundle_.path() + "/status"), "Uid:\t33\t33\t33\t33\nCapEff:\t0000000000000000\nNoNewPrivs:\t1");
  EXPECT_EQ(content(bundle_.path() + "/cwd"), "/");
  EXPECT_NE(content(bundle_.path() + "/state").find("\"created\""), std::string::npos);
}

TEST_F(Hooks, FailureOfAnyKindTakesTheContainerAway) {
  for (const std::string kind : {"prestart", "createRuntime", "createContainer", "startContainer", "poststart"}) {
    SCOPED_TRACE(kind);
    start_over();
    workload("echo workload >> /b/log; exec /bin/busybox sleep 1000");
    bundle_.config["hooks"] = json::object();
    add(kind, shell("exit 0"));
    add(kind, shell("echo what it says >&2; $b sleep 1000 & exit 3"));
    add(kind, shell("echo too far >> log"));
    add("poststop", shell("echo poststop >> log"));
    const std::vector<std::string> why = {id(), fmt::format("/hooks/{}/1: ", kind), "exit status 3: what it says"};
    expect_refused(run(bundle_, {"--pid-file", kPidFile}), why);
    EXPECT_NE(access(kPidFile, F_OK), 0);
    expect_refused(detach(bundle_), why);
    Outcome created = create();
    if (created.code == 0)
      expect_refused(call({"start", id()}), why);
    else
      expect_refused(created, why);
    expect_gone();
    if (kind == "poststart")
      EXPECT_EQ(log().find("too far"), std::string::npos) << log();
    else
      EXPECT_EQ(log(), "poststop poststop poststop");
    EXPECT_NE(log().find("poststop"), std::string::npos) << log();
  }
}

TEST_F(Hooks, TimeoutOfAnyKindIsKeptAndLeavesNobody) {
  for (const std::string kind : {"prestart", "createRuntime", "createContainer", "startContainer", "poststart"}) {
    SCOPED_TRACE(kind);
    workload("exec /bin/busybox sleep 1000");
    bundle_.config["hooks"] = json::object();
    json hook = shell("$b setsid $b sh -c '$b sleep 1000 & exit 0'; while :; do echo flood; done");
    hook["timeout"] = 1;
    add(kind, hook);
    auto began = std::chrono::steady_clock::now();
    expect_refused(run(bundle_), {fmt::format("/hooks/{}/0: ", kind), "did not end within 1 s", "flood"});
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10 * slowness()));
    expect_gone();
  }
}

TEST_F(Hooks, ThatIsNotThereIsTold) {
  for (const std::string kind : {"createRuntime", "createContainer", "startContainer"}) {
    bundle_.config["hooks"] = json::object();
    add(kind, {{"path", "/not/there"}});
    expect_refused(run(bundle_), {fmt::format("/hooks/{}/0: execute /not/there", kind), "no such file or directory"});
  }
}

TEST_F(Hooks, FailureOfPoststopIsAWarning) {
  add("poststop", shell("echo complaint; exit 5"));
  json hangs = shell("exec $b sleep 1000");
  hangs["timeout"] = 1;
  add("poststop", hangs);
  add("poststop", {{"path", "/not/there"}});
  add("poststop", shell("echo the last >> log"));
  workload("exit 7");
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 7) << describe(outcome);
  auto expect_warnings = [&](const std::string& text) {
    for (const char* part : {"warning: ", "/hooks/poststop/0: /bin/busybox: exit status 5: complaint",
                             "/hooks/poststop/1: /bin/busybox: did not end within 1 s", "/hooks/poststop/2: "})
      EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  expect_warnings(outcome.err);
  EXPECT_EQ(log(), "the last");
  start_over();
  workload("exec /bin/busybox sleep 1000");
  ASSERT_EQ(create().code, 0);
  outcome = call({"delete", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  expect_warnings(outcome.err);
  EXPECT_EQ(log(), "the last");
  expect_gone();
}

TEST_F(Hooks, PoststopRunsOnceWhoeverDeletes) {
  add("poststop", shell("echo poststop >> log"));
  workload("exit 0");
  EXPECT_EQ(run(bundle_, {"--keep"}).code, 0);
  EXPECT_EQ(log(), "(none)");
  EXPECT_EQ(call({"delete", id()}).code, 0);
  EXPECT_EQ(log(), "poststop");

  start_over();
  workload("echo ready; exec /bin/busybox sleep 1000");
  bundle_.write();
  Running killed(run_command(bundle_), {});
  ASSERT_TRUE(killed.wait_for("ready"));
  killed.send(SIGKILL);
  (void)killed.finish();
  EXPECT_EQ(log(), "(none)");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(log(), "poststop");

  start_over();
  Running foreground(run_command(bundle_), {});
  ASSERT_TRUE(foreground.wait_for("ready"));
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(foreground.finish().code, 137);
  EXPECT_EQ(log(), "poststop");
}

TEST_F(Hooks, OfAContainerThatCouldNotBeMadeRunNoPoststop) {
  add("poststop", shell("echo poststop >> log"));
  bundle_.config["process"]["args"] = {"/not/there"};
  EXPECT_EQ(run(bundle_).code, 127);
  EXPECT_EQ(log(), "(none)");
  // Where others have run there may be something to take away.
  add("createRuntime", shell("echo createRuntime >> log"));
  EXPECT_EQ(run(bundle_).code, 127);
  EXPECT_EQ(log(), "createRuntime poststop");
}

TEST_F(Hooks, ThatHangsEndsWithMinirun) {
  add("createRuntime", shell("echo waiting >> log; exec $b sleep 1000"));
  bundle_.write();
  Running aborted(run_command(bundle_), {});
  ASSERT_TRUE(eventually([&] { return log() == "waiting"; }));
  aborted.send(SIGTERM);
  Outcome outcome = aborted.finish();
  EXPECT_EQ(outcome.code, 128 + SIGTERM) << describe(outcome);
  EXPECT_NE(outcome.err.find("/hooks/createRuntime/0: /bin/busybox: given up: signal 15"), std::string::npos)
      << outcome.err;
  start_over();
  Running killed(run_command(bundle_), {});
  ASSERT_TRUE(eventually([&] { return log() == "waiting"; }));
  killed.send(SIGKILL);
  (void)killed.finish();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Hooks, WhatTheyLeaveBehindIsReaped) {
  add("createRuntime", shell("$b setsid $b sleep 0.2 & echo $! > left"));
  workload("echo ready; b=/bin/busybox; $b sleep 1000");
  bundle_.write();
  Running foreground(run_command(bundle_), {});
  ASSERT_TRUE(foreground.wait_for("ready"));
  pid_t left = atoi(content(bundle_.path() + "/left").c_str());
  ASSERT_GT(left, 0);
  EXPECT_TRUE(eventually([&] { return kill(left, 0) < 0; })) << content(fmt::format("/proc/{}/status", left));
  foreground.send(SIGTERM);
  EXPECT_EQ(foreground.finish().code, 128 + SIGTERM);
}

TEST_F(Hooks, OutputGoesToTheFilesOfTheAnnotations) {
  bundle_.config["annotations"] = {{"run.oci.hooks.stdout", bundle_.path() + "/out"},
                                   {"run.oci.hooks.stderr", bundle_.path() + "/err"}};
  for (const std::string kind : {"prestart", "createContainer", "startContainer", "poststop"})
    add(kind, shell(fmt::format("echo {0}; echo not {0} >&2", kind)));
  workload("exit 0");
  Outcome outcome = run(bundle_);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(content(bundle_.path() + "/out"), "prestart\ncreateContainer\nstartContainer\npoststop");
  EXPECT_EQ(content(bundle_.path() + "/err"), "not prestart\nnot createContainer\nnot startContainer\nnot poststop");
}

}  // namespace
}  // namespace minirun::testing
