// The law of docs/security.md, "Processes within a container's reach", and its proof: a tracer in the container takes
// from each process of minirun's what it can.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

int rounds() {
  const char* asked = getenv("MINIRUN_ATTACK_ROUNDS");
  return asked == nullptr ? 50 : atoi(asked);
}

class Tracer : public Attack {
 protected:
  static constexpr const char* kSaid = "/run/tests/said";

  void start_tracer(Bundle& bundle, const std::vector<std::string>& flags = {},
                    const std::vector<std::string>& payload = {"trace"}) {
    bundle.add_capability("CAP_SYS_PTRACE");
    bundle.payload(payload);
    UniqueFd file(open(kSaid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    StartOptions options;
    options.stdout_fd = file.get();
    std::vector<std::string> all = {"--detach", "--pid-file", kPidFile};
    all.insert(all.end(), flags.begin(), flags.end());
    Outcome outcome = run(bundle, all, options);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    ASSERT_TRUE(eventually([] { return content(kSaid).find("ready") != std::string::npos; })) << content(kSaid);
  }

  std::string end_and_hear() {
    EXPECT_EQ(call({"kill", id(), "TERM"}).code, 0);
    EXPECT_TRUE(eventually([] { return content(kSaid).find("findings") != std::string::npos; })) << content(kSaid);
    std::string said = content(kSaid);
    end();
    EXPECT_EQ(unlink(kSaid), 0);
    return said;
  }

  // Every way of exec; what was seen of them.
  std::string trace_execs(Bundle& bundle, const std::vector<std::string>& flags = {}) {
    start_tracer(bundle, flags);
    for (int i = 0; i < rounds(); ++i) {
      const std::vector<std::string> ways[] = {{}, {"--detach"}, {"--tty"}};
      EXPECT_EQ(exec(ways[i % 3], {"/bin/payload", "true"}).code, 0);
    }
    return end_and_hear();
  }

  static void add_filter(Bundle& bundle, const std::vector<std::string>& names = {"getppid", "clone3"}) {
    bundle.config["process"]["noNewPrivileges"] = false;
    bundle.config["linux"]["seccomp"] = {
        {"defaultAction", "SCMP_ACT_ALLOW"},
        {"syscalls", {{{"names", names}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 38}}}}};
  }
  static void add_user_namespace(Bundle& bundle) {
    bundle.config["linux"]["namespaces"].push_back({{"type", "user"}});
    for (const char* maps : {"uidMappings", "gidMappings"})
      bundle.config["linux"][maps] = {{{"containerID", 0}, {"hostID", 100000}, {"size", 1000}}};
    ASSERT_EQ(system(("chown -hR 100000:100000 " + bundle.rootfs()).c_str()), 0);
  }

  void expect_nothing_of_exec(bool filtered, const std::vector<std::string>& flags) {
    Bundle bundle;
    if (filtered) add_filter(bundle);
    std::string said = trace_execs(bundle, flags);
    EXPECT_NE(said.find("findings 0"), std::string::npos) << said;
    EXPECT_EQ(said.find(" before 0 "), std::string::npos) << "nothing was caught between birth and exec: " << said;
  }
};

TEST_F(Tracer, FindsNothingOfExec) {
  expect_nothing_of_exec(false, {});
}

TEST_F(Tracer, FindsNothingOfExecUnderAFilter) {
  expect_nothing_of_exec(true, {});
}

TEST_F(Tracer, FindsNothingOfExecBesideAWorkloadWithoutAnInit) {
  expect_nothing_of_exec(true, {"--no-init"});
}

TEST_F(Tracer, FindsNothingOfExecIntoAUserNamespace) {
  for (bool filtered : {false, true}) {
    Bundle bundle;
    add_user_namespace(bundle);
    if (filtered) add_filter(bundle);
    std::string said = trace_execs(bundle);
    EXPECT_NE(said.find("before 0 findings 0"), std::string::npos) << said;
  }
}

// A pod whose containers share user and pid namespace: what joins both shared minirun's memory once.
TEST_F(Tracer, FindsNothingOfAContainerThatJoinsUserAndPidNamespace) {
  Bundle pod;
  add_user_namespace(pod);
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
  void write_other(Bundle& other, const Bundle& pod, bool filtered) {
    other.config["root"]["path"] = pod.rootfs();
    other.join_namespace("pid", "/proc/" + std::to_string(container_pid()) + "/ns/pid");
    if (filtered) add_filter(other, {"clone3"});
    other.payload({"true"});
    other.write();
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
      EXPECT_EQ(Running(minirun({"start", "other"}), {}).finish().code, 0);
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

// It waits for start with what that takes: docs/security.md has it.
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
  add_user_namespace(other);
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

TEST_F(JoiningTracer, FindsNothingOfStartContainerHooks) {
  Bundle pod, other;
  start_tracer(pod);
  other.config["hooks"]["startContainer"] = {{{"path", "/bin/payload"}, {"args", {"payload", "true"}}}};
  write_other(other, pod, false);
  std::string said = trace_runs(other);
  EXPECT_NE(said.find("findings 0"), std::string::npos) << said;
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

// A process of the host that goes into the container's pid namespace with all that it has.
TEST_F(Tracer, FindsWhatIsPlanted) {
  Bundle bundle;
  add_filter(bundle);
  start_tracer(bundle);
  const std::string path = "/proc/" + std::to_string(container_pid()) + "/ns/pid";
  pid_t stage = fork();
  if (stage == 0) {
    UniqueFd ns(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (setns(ns.get(), CLONE_NEWPID) != 0) _exit(1);
    pid_t leak = fork();
    if (leak == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      (void)open("/run/tests", O_RDONLY | O_DIRECTORY);
      (void)pause();
      _exit(0);
    }
    (void)usleep(300'000);
    (void)kill(leak, SIGKILL);
    (void)waitpid(leak, nullptr, 0);
    _exit(leak > 0 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(stage, &status, 0), stage);
  EXPECT_EQ(status, 0);
  std::string said = end_and_hear();
  for (const char* kind : {"[program ", "[root]", "[capabilities]", "[filter]", "[descriptor "})
    EXPECT_NE(said.find(kind), std::string::npos) << kind << " is not in: " << said;
}

}  // namespace
}  // namespace minirun::testing
