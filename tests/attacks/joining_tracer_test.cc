// SPDX-License-Identifier: Apache-2.0
// What a tracer finds of containers that join its pid namespace: docs/security.md, "Processes within a container's
// reach".
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "tests/attacks/tracer_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

// A pod whose containers share user and pid namespace: what joins both shared minirun's memory once.
TEST_F(Tracer, FindsNothingOfAContainerThatJoinsUserAndPidNamespace) {
  Bundle pod;
  pod.add_user_namespace();
  start_tracer(pod);
  Bundle other;
  other.config["linux"]["uidMappings"] = json::array();
  const std::string ns = "/proc/" + std::to_string(container_pid()) + "/ns/";
  other.config["linux"]["namespaces"].push_back({{"type", "user"}, {"path", ns + "user"}});
  other.config["linux"].erase("uidMappings");
  other.join_namespace("pid", ns + "pid");
  ASSERT_EQ(system(("chown -hR 100000:100000 " + other.rootfs()).c_str()), 0);
  other.payload({"true"});
  other.write();
  for (int i = 0; i < rounds(); ++i) {
    std::vector<std::string> args = {"run", "--bundle", other.path(), "other"};
    if (i % 2 == 1) args.insert(args.begin() + 1, "--no-init");
    Outcome outcome = Running(minirun(args), {}).finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
  std::string said = end_and_hear();
  EXPECT_NE(said.find("before 0 findings 0"), std::string::npos) << said;
}

// Containers that join the pid namespace of a tracer, in all their ways of birth. The rootfs is the tracer's own, so
// that any other root is a finding.
class JoiningTracer : public Tracer {
 protected:
  void write_other(Bundle& other, const Bundle& pod, bool filtered,
                   const std::vector<std::string>& denied = {"clone3"}) {
    other.config["root"]["path"] = pod.rootfs();
    other.join_namespace("pid", "/proc/" + std::to_string(container_pid()) + "/ns/pid");
    if (filtered) add_filter(other, denied);
    other.payload({"true"});
    other.write();
  }

  static void write_hook(Bundle& other, const std::string& kind) {
    other.config["hooks"][kind] = {{{"path", kind == "startContainer" ? "/bin/payload" : "/bin/true"}}};
    if (kind == "startContainer") other.config["hooks"][kind][0]["args"] = {"payload", "true"};
  }

  void expect_run(const Bundle& other, const std::vector<std::string>& flags) {
    std::vector<std::string> args = {"run", "--bundle", other.path()};
    args.insert(args.end(), flags.begin(), flags.end());
    args.emplace_back("other");
    Outcome outcome = Running(minirun(args), {}).finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
  void remove_other() { EXPECT_EQ(Running(minirun({"delete", "--force", "other"}), {}).finish().code, 0); }

  std::string trace_runs(const Bundle& other) {
    for (int i = 0; i < rounds(); ++i) {
      const std::vector<std::string> ways[] = {{}, {"--no-init"}, {"--detach"}};
      expect_run(other, ways[i % 3]);
      if (i % 3 == 2) remove_other();
    }
    return end_and_hear();
  }

  std::string trace_created(const Bundle& other) {
    for (int i = 0; i < rounds(); ++i) {
      Outcome made = Running(minirun({"create", "--bundle", other.path(), "other"}), {}).finish();
      EXPECT_EQ(made.code, 0) << describe(made);
      Outcome started = Running(minirun({"start", "other"}), {}).finish();
      EXPECT_EQ(started.code, 0) << describe(started);
      remove_other();
    }
    return end_and_hear();
  }
};

TEST_F(JoiningTracer, FindsNothingOfARun) {
  for (bool filtered : {false, true}) {
    Bundle pod, other;
    if (filtered) add_filter(pod, {"clone3"});
    start_tracer(pod);
    write_other(other, pod, filtered);
    std::string said = trace_runs(other);
    EXPECT_NE(said.find("findings 0"), std::string::npos) << said;
    EXPECT_EQ(said.find(" before 0 "), std::string::npos) << "nothing was caught between birth and exec: " << said;
  }
}

// A process enters a time namespace that it joins at once, but only its children enter one that it makes
// (time_namespaces(7)).
TEST_F(JoiningTracer, FindsNothingOfARunThatJoinsATimeNamespace) {
  Bundle pod, other;
  pod.config["linux"]["namespaces"].push_back({{"type", "time"}});
  start_tracer(pod);
  other.join_namespace("time", "/proc/" + std::to_string(container_pid()) + "/ns/time");
  write_other(other, pod, false);
  std::string said = trace_runs(other);
  EXPECT_NE(said.find("findings 0"), std::string::npos) << said;
  EXPECT_EQ(said.find(" before 0 "), std::string::npos) << "nothing was caught between birth and exec: " << said;
}

// It waits for start with only what that needs: docs/security.md.
TEST_F(JoiningTracer, FindsOfACreatedContainerNoMoreThanItsWaitTakes) {
  for (bool filtered : {false, true}) {
    Bundle pod, other;
    if (filtered) add_filter(pod, {"clone3"});
    start_tracer(pod);
    write_other(other, pod, filtered);
    std::string said = trace_created(other);
    for (const char* kind : {"[program ", "[root]", "[capabilities]", "[filter", "[new privileges"})
      EXPECT_EQ(said.find(kind), std::string::npos) << kind << " is in: " << said;
    EXPECT_NE(said.find("[descriptor socket]"), std::string::npos) << "it was never caught: " << said;
  }
}

TEST_F(JoiningTracer, FindsNothingOfARunInANewUserNamespace) {
  Bundle pod, other;
  start_tracer(pod);
  other.add_user_namespace();
  other.join_namespace("pid", "/proc/" + std::to_string(container_pid()) + "/ns/pid");
  other.config["mounts"] = json::array();  // no procfs of a pid namespace that the host owns
  other.config["linux"].erase("maskedPaths");
  other.config["linux"].erase("readonlyPaths");
  other.payload({"true"});
  other.write();
  std::string said = trace_runs(other);
  for (const char* kind : {"[program ", "[capabilities]", "[filter", "[descriptor"})
    EXPECT_EQ(said.find(kind), std::string::npos) << kind << " is in: " << said;
}

// createContainer hooks have minirun's privileges, in the outer process's pid namespace.
TEST_F(JoiningTracer, FindsNothingOfHooks) {
  for (const char* kind : {"startContainer", "createContainer"}) {
    Bundle pod, other;
    start_tracer(pod);
    write_hook(other, kind);
    write_other(other, pod, false);
    std::string said = trace_runs(other);
    EXPECT_NE(said.find("findings 0"), std::string::npos) << kind << ": " << said;
  }
}

// The rows of the table "What is left".
TEST_F(JoiningTracer, FindsWhatAProfileThatForbidsAStepLeaves) {
  expect_exactly({"filter", "capabilities"}, [&] {
    Bundle pod, other;
    add_filter(pod, {"clone3"});
    start_tracer(pod);
    write_other(other, pod, true, {"getppid"});
    return trace_runs(other);
  });
}

// create_user_ns() in the kernel refuses a process whose root is not that of its mount namespace.
TEST_F(JoiningTracer, FindsWhatAProcfsTakesWithoutAUserNamespace) {
  const std::string jail = "/run/tests/jail";
  make_folders(jail);
  expect_exactly({"capabilities of an empty one"}, [&] {
    Bundle pod, other;
    start_tracer(pod);
    write_other(other, pod, false);
    StartOptions options;
    options.in_child = [&] {
      if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
          mount("/", jail.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0 || chroot(jail.c_str()) != 0 ||
          chdir("/") != 0)
        _exit(96);
    };
    for (int i = 0; i < rounds(); ++i) {
      Outcome outcome = Running(minirun({"run", "--bundle", other.path(), "other"}), options).finish();
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
    }
    return end_and_hear();
  });
  EXPECT_EQ(rmdir(jail.c_str()), 0);
}

// A new row is a new case.
TEST(TracerTable, HasTheRowsThatTheTestsAssert) {
  std::string text = content(MINIRUN_SOURCE_DIR "/docs/security.md");
  size_t begin = text.find("What remains, if the container may trace at all"), end = text.find("To report a flaw");
  ASSERT_LT(begin, end);
  std::vector<std::string> rows;
  std::istringstream lines(text.substr(begin, end - begin));
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with("| ")) rows.push_back(line);
  const std::vector<std::string> tests = {
      "| birth |",
      "`ExecTracer.FindsWhatAProfileThatForbidsTheSessionLeaves`",
      "`ExecTracer.FindsWhatASchedulerThatForkingResetsTakes`",
      "`JoiningTracer.FindsWhatAProfileThatForbidsAStepLeaves`",
      "`JoiningTracer.FindsWhatAProcfsTakesWithoutAUserNamespace`",
      "`FirstProcess.HasNothingThatTheContainerHasNot`",
      "`HostilePage.*`",
      "`Labels.",
  };
  ASSERT_EQ(rows.size(), tests.size()) << text.substr(begin, end - begin);
  for (size_t i = 0; i < rows.size(); ++i) EXPECT_NE(rows[i].find(tests[i]), std::string::npos) << rows[i];
}

// What it makes the process open that opens a procfs is not mounted: ramfs takes every parameter, tmpfs knows what it
// takes.
TEST_F(JoiningTracer, CannotHaveAnotherFilesystemMountedOnProc) {
  for (const std::string filesystem : {"ramfs", "tmpfs"}) {
    Bundle pod, other;
    start_tracer(pod, {}, {"swap-context", filesystem});
    write_other(other, pod, false);
    other.payload({"files", "/proc/self/stat"});  // fails where that is no procfs
    other.write();
    int refused = 0;
    for (int i = 0; i < rounds(); ++i) {
      Outcome outcome = Running(minirun({"run", "--bundle", other.path(), "other"}), {}).finish();
      if (outcome.code == 0) continue;
      ++refused;
      EXPECT_NE(outcome.err.find("mount proc of its pid namespace on /proc"), std::string::npos) << describe(outcome);
    }
    EXPECT_GT(refused, 0) << "it was never caught";
    EXPECT_EQ(end_and_hear().find("swapped 0"), std::string::npos);
  }
}

// It stops what joins its pid namespace and lets it not go on: minirun waits for some of these, and hears a signal
// meanwhile. No program is executed: a workload that is stopped would not hear what is forwarded to it.
TEST_F(JoiningTracer, HoldsNothingUpThatIsAskedToEnd) {
  Bundle pod, other;
  start_tracer(pod, {}, {"hold"});
  write_other(other, pod, false);
  other.config["process"]["args"] = {"/bin/absent"};
  other.write();
  int held = 0;
  for (int i = 0; i < 10 * rounds() && held < 5 && !HasFailure(); ++i) {
    Running run(minirun({"run", "--bundle", other.path(), "other"}), {});
    (void)run.wait_for("its end", 500);
    run.send(SIGTERM);
    Outcome outcome = run.finish(5000);  // half as long as minirun waits for a process that opens a procfs
    held += outcome.code == 128 + SIGTERM ? 1 : 0;
    EXPECT_TRUE(outcome.code == 127 || outcome.code == 128 + SIGTERM) << describe(outcome);
  }
  EXPECT_GT(held, 0) << "it caught nothing";
  EXPECT_EQ(end_and_hear().find("held 0"), std::string::npos);
}

}  // namespace
}  // namespace minirun::testing
