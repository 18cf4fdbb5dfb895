// SPDX-License-Identifier: Apache-2.0
// `create` makes everything but the workload, `start` runs it.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <tuple>

#include "tests/support/fixture.h"
#include "tests/support/subreaper.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class CreateStart : public WithSubreaper<MinirunTest> {
 protected:
  Outcome create(const Bundle& bundle, const std::vector<std::string>& flags = {},
                 const StartOptions& options = {}) const {
    bundle.write();
    std::vector<std::string> args = {"create"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.insert(args.end(), {"--bundle", bundle.path(), id()});
    return call(args, options);
  }
  int container_status_pid() const {
    json state = json::parse(call({"state", id()}).out, nullptr, false);
    return state.is_object() ? state.value("pid", 0) : 0;
  }
  std::string status() const {
    Outcome outcome = call({"state", id()});
    auto state = json::parse(outcome.out, nullptr, false);
    return state.is_object() ? state["status"].get<std::string>() : describe(outcome);
  }
  // All that were created and are dead by now.
  static void reap_all() {
    while (waitpid(-1, nullptr, 0) > 0) {
    }
  }
  // The wait status of the container's first process, which is this program's to reap.
  static int reap(pid_t pid) {
    int status = -1;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    return status;
  }
  void expect_deleted(const std::vector<std::string>& flags = {}) const {
    std::vector<std::string> args = {"delete"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(id());
    Outcome outcome = call(args);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    expect_refused(call({"state", id()}), {"container does not exist"});
  }
  Bundle bundle_;
};

TEST_F(CreateStart, CreateMakesAllButTheWorkloadAndStartRunsIt) {
  bundle_.payload({"write", "/tmp/ran", "x"});
  Outcome outcome = create(bundle_, {"--pid-file", kPidFile});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out + outcome.err, "");
  pid_t pid = container_pid();
  auto state = json::parse(call({"state", id()}).out);
  EXPECT_EQ(state["status"], "created");
  EXPECT_EQ(state["pid"], pid);
  EXPECT_NE(content("/proc/" + std::to_string(pid) + "/mountinfo").find("/dev/shm"), std::string::npos);
  EXPECT_EQ(content(bundle_.rootfs() + "/tmp/ran"), "(none)");
  outcome = call({"start", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(reap(pid), 0);
  EXPECT_EQ(content(bundle_.rootfs() + "/tmp/ran"), "x");
  EXPECT_EQ(status(), "stopped");
  expect_deleted();
}

// Its first process may stand in the host's tree still, where no payload is.
TEST_F(CreateStart, ContainerThatIsBeingMadeIsEnteredWhenItIsMade) {
  for (const char* kind : {"createRuntime", "createContainer"}) {
    Bundle bundle;
    bundle.config["hooks"][kind] = {{{"path", "/bin/sleep"}, {"args", {"sleep", "1"}}}};
    bundle.payload({"pause"});
    bundle.write();
    Running creation(minirun({"run", "--bundle", bundle.path(), id()}), {});
    ASSERT_TRUE(eventually([&] { return container_status_pid() > 0; })) << kind;
    EXPECT_EQ(status(), "creating");
    Outcome outcome = call({"exec", id(), "/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(status(), "running");
    EXPECT_EQ(call({"kill", id(), "TERM"}).code, 0);
    (void)creation.finish();
  }
}

TEST_F(CreateStart, PidFileHasNoNewline) {
  ASSERT_EQ(create(bundle_, {"--pid-file", kPidFile}).code, 0);
  Outcome outcome = Running({"/bin/cat", kPidFile}, {}).finish();
  EXPECT_EQ(outcome.out, std::to_string(container_pid()));
  expect_deleted({"--force"});
  reap(container_pid());
}

TEST_F(CreateStart, FirstProcessIsTheCallersSubreapers) {
  ASSERT_EQ(create(bundle_, {"--pid-file", kPidFile}).code, 0);
  pid_t pid = container_pid();
  EXPECT_NE(content("/proc/" + std::to_string(pid) + "/status").find("PPid:\t" + std::to_string(getpid()) + "\n"),
            std::string::npos);
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  EXPECT_EQ(WTERMSIG(reap(pid)), SIGKILL);
  EXPECT_EQ(status(), "stopped");
  expect_deleted();
}

TEST_F(CreateStart, CreateTellsOfAProgramThatIsNotThere) {
  bundle_.add_file("/bin/plain", "no program", 0644);
  for (const auto& [program, code, words] :
       {std::tuple{"nosuchcommand", 127, "executable file not found in $PATH"},
        std::tuple{"plain", 126, "permission denied"}, std::tuple{"/bin/nothere", 127, "no such file or directory"},
        std::tuple{"/bin/plain/x", 127, "not a directory"}, std::tuple{"/bin/plain", 126, "permission denied"},
        std::tuple{"/bin", 126, "is a directory"}}) {
    bundle_.config["process"]["args"] = {program};
    Outcome outcome = create(bundle_, {"--pid-file", kPidFile});
    EXPECT_EQ(outcome.code, code) << program << ": " << describe(outcome);
    EXPECT_NE(outcome.err.find(words), std::string::npos) << describe(outcome);
    EXPECT_NE(outcome.err.find("create " + id()), std::string::npos) << describe(outcome);
    EXPECT_NE(access(kPidFile, F_OK), 0);
    EXPECT_NE(call({"state", id()}).code, 0) << program;
  }
}

TEST_F(CreateStart, StartTellsWhyTheProgramCannotBeExecuted) {
  bundle_.add_file("/bin/plain", "no program", 0755);
  bundle_.add_file("/bin/script", "#!/bin/nothere\n", 0755);
  for (bool init : {false, true}) {
    for (const auto& [program, code, words] : {std::tuple{"script", 127, "no such file or directory"},
                                               std::tuple{"/bin/script", 127, "no such file or directory"},
                                               std::tuple{"/bin/plain", 126, "exec format error"}}) {
      bundle_.config["process"]["args"] = {program};
      std::vector<std::string> flags = {"--pid-file", kPidFile};
      if (init) flags.emplace_back("--init");
      Outcome outcome = create(bundle_, flags);
      ASSERT_EQ(outcome.code, 0) << describe(outcome);
      pid_t pid = container_pid();
      outcome = call({"start", id()});
      EXPECT_EQ(outcome.code, code) << program << ": " << describe(outcome);
      EXPECT_NE(outcome.err.find(words), std::string::npos) << describe(outcome);
      EXPECT_NE(outcome.err.find("start " + id()), std::string::npos) << describe(outcome);
      reap(pid);
      EXPECT_EQ(status(), "stopped");
      expect_deleted();
    }
  }
}

TEST_F(CreateStart, LaterEditsOfTheConfigHaveNoEffect) {
  bundle_.payload({"print", "as created"});
  UniqueFd in, out;
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  in.reset(ends[0]);
  out.reset(ends[1]);
  StartOptions options;
  options.stdout_fd = out.get();
  ASSERT_EQ(create(bundle_, {"--pid-file", kPidFile}, options).code, 0);
  out.reset();
  bundle_.write_raw("{ this is no JSON");
  EXPECT_EQ(call({"start", id()}).code, 0);
  EXPECT_EQ(reap(container_pid()), 0);
  char text[64] = {};
  EXPECT_GT(read(in.get(), text, sizeof text - 1), 0);  // the stdio of create is the container's
  EXPECT_STREQ(text, "as created\n");
  expect_deleted();
}

TEST_F(CreateStart, WithoutAProcessItIsCreatedAndCannotBeStarted) {
  bundle_.config.erase("process");
  ASSERT_EQ(create(bundle_, {"--pid-file", kPidFile}).code, 0);
  EXPECT_EQ(status(), "created");
  expect_refused(call({"start", id()}), {"/process", "no program to start"});
  EXPECT_EQ(status(), "created");
  expect_deleted({"--force"});
  reap(container_pid());
}

// containerd's shim deletes a task that was never started so. The specification wants an error (see
// docs/conformance.md).
TEST_F(CreateStart, DeleteTakesAContainerThatWasNeverStarted) {
  ASSERT_EQ(create(bundle_, {"--pid-file", kPidFile}).code, 0);
  EXPECT_EQ(status(), "created");
  expect_deleted();
  int end = reap(container_pid());
  EXPECT_TRUE(WIFSIGNALED(end) && WTERMSIG(end) == SIGKILL) << end;
}

TEST_F(CreateStart, WrongUsesOfStartAreTold) {
  expect_refused(call({"start", id()}), {"container does not exist"});
  bundle_.payload({"pause"});
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  ASSERT_EQ(create(bundle_, {"--pid-file", kPidFile}, options).code, 0);
  EXPECT_EQ(call({"start", id()}).code, 0);
  EXPECT_EQ(status(), "running");
  expect_refused(call({"start", id()}), {"cannot start an already running container"});
  EXPECT_EQ(call({"pause", id()}).code, 0);
  EXPECT_EQ(status(), "paused");
  EXPECT_EQ(call({"start", id()}).code, 1);
  EXPECT_EQ(call({"resume", id()}).code, 0);
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  reap(container_pid());
  expect_refused(call({"start", id()}), {"cannot start a container that has stopped"});
  expect_deleted();
}

TEST_F(CreateStart, OfManyWithTheSameIdOneWins) {
  bundle_.write();
  std::vector<std::unique_ptr<Running>> all;
  for (int i = 0; i < 12; ++i)
    all.push_back(std::make_unique<Running>(minirun({"create", "--bundle", bundle_.path(), id()}), StartOptions{}));
  int won = 0;
  for (auto& one : all) {
    Outcome outcome = one->finish();
    if (outcome.code == 0) ++won;
    if (outcome.code != 0) expect_refused(outcome, {"container with given ID already exists"});
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(status(), "created");
  pid_t pid = json::parse(call({"state", id()}).out)["pid"].get<pid_t>();
  expect_deleted({"--force"});
  reap(pid);
}

TEST_F(CreateStart, FlagsOfRuncAreAccepted) {
  Outcome outcome =
      create(bundle_, {"--no-new-keyring", "-no-subreaper", "--keep", "--pid-file=" + std::string(kPidFile)});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(call({"stop", id()}).code, 137);
  reap(container_pid());
  expect_deleted();
}

TEST_F(CreateStart, InitIsAskedForByAFlagOrAnAnnotation) {
  bundle_.payload({"pause"});
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  for (int how = 0; how < 3; ++how) {
    std::vector<std::string> flags = {"--pid-file", kPidFile};
    if (how == 1) flags.emplace_back("--init");
    if (how == 2) bundle_.config["annotations"] = {{"org.minirun.init", "true"}};
    ASSERT_EQ(create(bundle_, flags, options).code, 0);
    pid_t pid = container_pid();
    EXPECT_EQ(call({"start", id()}).code, 0);
    EXPECT_EQ(content("/proc/" + std::to_string(pid) + "/comm"), how == 0 ? "payload" : "minirun-init");
    EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
    reap(pid);
    expect_deleted();
  }
}

TEST_F(CreateStart, KilledAtAnyMomentOfACreateIsDeletedByForce) {
  bundle_.write();
  Traces before = take_traces();
  for (useconds_t delay = 0; delay < 12000; delay += 400) {
    Running creating(minirun({"create", "--bundle", bundle_.path(), id()}), {});
    usleep(delay);
    creating.send(SIGKILL);
    creating.finish();
    std::string seen = status();
    EXPECT_TRUE(seen == "creating" || seen == "created" || seen == "stopped" ||
                seen.find("does not exist") != std::string::npos)
        << seen;
    Outcome outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    bool clean = eventually([&] {
      while (waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return take_traces() == before;
    });
    ASSERT_TRUE(clean) << "after " << delay << " us";
  }
}

// An existing file that is not a regular one is written to, not replaced; a link at the temporary name is not followed.
TEST_F(CreateStart, PidFileNeverTakesAwayWhatIsNotItsOwn) {
  const std::string folder = "/run/tests/pids";
  bundle_.payload({"pause"});
  make_folders(folder);
  ASSERT_EQ(mknod((folder + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  write_new_file(folder + "/victim", "victim", 0644);
  ASSERT_EQ(symlink("victim", (folder + "/link").c_str()), 0);
  ASSERT_EQ(link((folder + "/victim").c_str(), (folder + "/pid.new").c_str()), 0);
  ASSERT_EQ(mkfifo((folder + "/fifo.new").c_str(), 0600), 0);
  for (const char* name : {"pid", "fifo"}) {
    ASSERT_EQ(create(bundle_, {"--pid-file", folder + "/" + name}).code, 0);
    EXPECT_EQ(content(folder + "/victim"), "victim");
    EXPECT_GT(atoi(content(folder + "/" + name).c_str()), 1);
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    reap_all();
  }
  ASSERT_EQ(create(bundle_, {"--pid-file", folder + "/null"}).code, 0);
  struct stat info {};
  ASSERT_EQ(stat((folder + "/null").c_str(), &info), 0);
  EXPECT_TRUE(S_ISCHR(info.st_mode));
  EXPECT_EQ(call({"start", id()}).code, 0);
  // An exec that fails leaves a file alone that it did not write.
  for (const std::string& file : {folder + "/victim", folder + "/null"}) {
    Outcome outcome = call({"exec", "--pid-file", file, id(), "/no/such"});
    EXPECT_EQ(outcome.code, 127) << describe(outcome);
    EXPECT_EQ(access(file.c_str(), F_OK), 0) << file;
  }
  EXPECT_EQ(content(folder + "/victim"), "victim");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  reap_all();
  ASSERT_EQ(create(bundle_, {"--pid-file", folder + "/link"}).code, 0);
  EXPECT_EQ(link_target(folder + "/link"), "victim");
  EXPECT_GT(atoi(content(folder + "/victim").c_str()), 1);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  reap_all();
  remove_tree(folder);
}

TEST_F(CreateStart, StartTellsOfAStoppedFirstProcess) {
  ASSERT_EQ(create(bundle_).code, 0);
  EXPECT_EQ(call({"kill", id(), "STOP"}).code, 0);
  expect_refused(call({"start", id()}),
                 {"the container's init does not answer: pid ", "which is stopped: SIGCONT continues it"});
  EXPECT_EQ(call({"kill", id(), "CONT"}).code, 0);
  EXPECT_EQ(call({"start", id()}).code, 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  reap_all();
}

}  // namespace
}  // namespace minirun::testing
