// checkpoint and restore: through a criu that only writes down what it is told, and through a real one.
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

class Checkpoint : public MinirunTest {
 protected:
  static constexpr const char* kFolder = "/run/tests/criu";
  const std::string images_ = std::string(kFolder) + "/images";

  void SetUp() override {
    MinirunTest::SetUp();
    make_folders(kFolder);
  }
  void TearDown() override {
    remove_tree(kFolder);
    (void)unlink("/run/criu.kdat");  // what a real one remembers of the kernel
    MinirunTest::TearDown();
  }

  // A program named criu, first in PATH.
  static void fake(const std::string& script) {
    write_new_file(std::string(kFolder) + "/criu", "#!/bin/sh\n" + script, 0755);
  }
  Outcome call_with(const std::string& path, const std::vector<std::string>& args) const {
    StartOptions options;
    options.env = {"PATH=" + path};
    return call(args, options);
  }
  Outcome call_fake(const std::vector<std::string>& args) const { return call_with(kFolder, args); }

  void start_without_init(Bundle& bundle) {
    bundle.payload({"exit-on", std::to_string(SIGTERM), "0"});
    Outcome outcome = detach(bundle, {"--no-init"});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  std::string status() const { return nlohmann::json::parse(call({"state", id()}).out)["status"]; }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

bool criu_is_installed() {
  for (const char* folder : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"})
    if (access((std::string(folder) + "/criu").c_str(), X_OK) == 0) return true;
  return false;
}

TEST_F(Checkpoint, HelpSaysWithItsStatusWhetherCriuIsThere) {
  fake("exit 0\n");
  EXPECT_EQ(call_fake({"checkpoint", "--help"}).code, 0);
  EXPECT_EQ(call_fake({"restore", "--help"}).code, 0);
  if (criu_is_installed()) return;
  for (const char* command : {"checkpoint", "restore"}) {
    Outcome outcome = call_with("/nowhere", {command, "--help"});
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_TRUE(contains(outcome.err, "criu is not installed")) << describe(outcome);
    EXPECT_TRUE(contains(outcome.out, "Usage: minirun " + std::string(command) + " [OPTIONS] ID\n")) << outcome.out;
  }
  Outcome outcome = call_with("/nowhere", {"checkpoint", "x"});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "criu is not installed")) << describe(outcome);
}

TEST_F(Checkpoint, MissingArgumentIsToldInTheWordsThatEnginesLookFor) {
  Outcome outcome = call({"restore", "--lsm-mount-context"});
  EXPECT_NE(outcome.code, 0);
  EXPECT_TRUE(contains(outcome.err, "flag needs an argument: --lsm-mount-context")) << describe(outcome);
}

TEST_F(Checkpoint, CriuIsToldOfTheContainer) {
  fake(
      "echo \"$@\" > /run/tests/criu/arguments; in=$(readlink /proc/$$/fd/0); echo \"$in\" >> "
      "/run/tests/criu/arguments\n");
  Bundle bundle;
  bundle.config["linux"]["maskedPaths"] = {"/proc/keys", "/sys/firmware"};
  start_without_init(bundle);
  Outcome outcome = call_fake({"checkpoint", "--leave-running", "--image-path", images_, "--file-locks", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  std::string arguments = content("/run/tests/criu/arguments");
  EXPECT_TRUE(contains(arguments, "dump --tree ")) << arguments;
  EXPECT_TRUE(contains(arguments, " --external file[")) << "stdin is the host's: " << arguments;
  EXPECT_TRUE(contains(arguments, " --leave-running --file-locks")) << arguments;
  EXPECT_FALSE(contains(arguments, "/sys/firmware")) << "a masked folder is the container's own: " << arguments;
  EXPECT_TRUE(contains(arguments, "\n/dev/null")) << arguments;
  EXPECT_TRUE(contains(content(images_ + "/descriptors.json"), "file["));
  EXPECT_EQ(status(), "running");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Checkpoint, FailureIsToldWithTheLogsLastErrors) {
  fake("echo '(0.1) Error (criu/x.c:1): no such thing' > /run/tests/criu/images/dump.log; exit 3\n");
  Bundle bundle;
  start_without_init(bundle);
  Outcome outcome = call_fake({"checkpoint", "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "criu dump: ended with status 3: no such thing (see " + images_ + "/dump.log)"))
      << describe(outcome);
  EXPECT_EQ(status(), "running");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Checkpoint, ContainersThatCannotBeSavedAreRefusedWithTheReason) {
  fake("exit 0\n");
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "0"});
  ASSERT_EQ(detach(bundle).code, 0);
  Outcome outcome = call_fake({"checkpoint", "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "minirun's init, which criu cannot save")) << describe(outcome);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  outcome = call_fake({"checkpoint", "--image-path", images_, id()});
  EXPECT_TRUE(contains(outcome.err, "container does not exist")) << describe(outcome);
}

// The fake's child stands for the container.
TEST_F(Checkpoint, RestoreThatFailsLeavesNothing) {
  fake("echo \"$@\" > /run/tests/criu/arguments; echo 'bad option' >&2; exit 1\n");
  make_folders(images_);
  write_new_file(images_ + "/descriptors.json", R"(["pipe:[7]","pipe:[8]","pipe:[8]"])", 0600);
  Bundle bundle;
  bundle.add_mount("/late/bound", "", "/run/tests/criu", {"bind"});
  bundle.write();
  Outcome outcome = call_fake({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, "-no-subreaper",
                               "--lsm-profile", "apparmor:x", id()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "criu restore: ended with status 1: bad option")) << describe(outcome);
  std::string arguments = content("/run/tests/criu/arguments");
  EXPECT_TRUE(contains(arguments, "--external mnt[/late/bound]:/run/tests/criu")) << arguments;
  EXPECT_TRUE(contains(arguments, "--inherit-fd fd[64]:pipe:[7] --inherit-fd fd[65]:pipe:[8] --manage")) << arguments;
  EXPECT_TRUE(contains(arguments, "--lsm-profile apparmor:x")) << arguments;
  struct stat info {};
  EXPECT_EQ(stat((bundle.rootfs() + "/late/bound").c_str(), &info), 0) << "the mount point is made";
  EXPECT_EQ(call({"list", "-q"}).out, "");
}

// criu itself is deaf, and so is what it has started: in a session of its own, as processes of a container are.
TEST_F(Checkpoint, RestoreIsGivenUpWhenASignalAsksForIt) {
  fake(
      "trap '' TERM\n/usr/bin/setsid /bin/sleep 1000 &\necho $! > /run/tests/criu/started\n"
      "echo $$ > /run/tests/criu/pid\nwhile :; do /bin/sleep 1000; done\n");
  make_folders(images_);
  write_new_file(images_ + "/descriptors.json", "[]", 0600);
  for (bool detached : {false, true}) {
    Bundle bundle;
    bundle.write();
    (void)unlink("/run/tests/criu/pid");
    StartOptions options;
    options.env = {std::string("PATH=") + kFolder};
    std::vector<std::string> words = {"restore", "--bundle", bundle.path(), "--image-path", images_, id()};
    if (detached) words.insert(words.begin() + 1, "--detach");
    Running restore(minirun(words), options);
    ASSERT_TRUE(eventually([] { return atoi(content("/run/tests/criu/pid").c_str()) > 0; }));
    pid_t criu = atoi(content("/run/tests/criu/pid").c_str()), other = atoi(content("/run/tests/criu/started").c_str());
    restore.send(SIGTERM);
    Outcome outcome = restore.finish(20000);
    EXPECT_EQ(outcome.code, 128 + SIGTERM) << describe(outcome);
    EXPECT_TRUE(contains(outcome.err, "restore " + id() + ": given up: signal 15")) << describe(outcome);
    for (pid_t pid : {criu, other}) EXPECT_EQ(kill(pid, 0), -1) << (pid == criu ? "criu" : "what it has started");
    EXPECT_EQ(call({"list", "-q"}).out, "");
  }
}

// Whether the kernel tells which pages were written to (CONFIG_MEM_SOFT_DIRTY, proc_pid_pagemap(5)).
bool tracks_memory() {
  auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || !write_control(AT_FDCWD, "/proc/self/clear_refs", "4")) return false;
  *static_cast<volatile char*>(page) = 1;
  uint64_t entry = 0;
  int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  auto at = static_cast<off_t>(reinterpret_cast<uintptr_t>(page) / size * sizeof entry);
  bool read = pread(file, &entry, sizeof entry, at) == static_cast<ssize_t>(sizeof entry);
  (void)close(file);
  (void)munmap(page, size);
  return read && ((entry >> 55) & 1) != 0;
}

// A real one, where the environment says in which folder it is: tests/run does.
class RealCheckpoint : public Checkpoint {
 protected:
  void SetUp() override {
    Checkpoint::SetUp();
    const char* folder = getenv("MINIRUN_TESTS_CRIU");
    if (folder == nullptr) GTEST_SKIP() << "no criu (MINIRUN_TESTS_CRIU)";
    path_ = std::string(folder) + ":/usr/sbin:/usr/bin:/sbin:/bin";
  }
  // A container that counts.
  void count_in(Bundle& bundle) {
    ASSERT_TRUE(bundle.add_busybox({"sh", "sleep"}));
    bundle.config["linux"]["maskedPaths"] = {"/proc/keys", "/sys/firmware"};
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"});
    bundle.add_mount("/bound", "", "/run/tests/criu", {"bind"});
    bundle.config["process"]["args"] = {
        "/bin/sh", "-c",
        "echo start >> /tmp/starts; i=0; while :; do i=$((i+1)); echo $i > /bound/n; sleep 0.02; done"};
    Outcome outcome = detach(bundle, {"--no-init"});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    ASSERT_TRUE(eventually([] { return count() >= 10; }));
  }
  static int count() { return atoi(content("/run/tests/criu/n").c_str()); }
  Outcome call_real(const std::vector<std::string>& args) const { return call_with(path_, args); }

  std::string path_;
};

TEST_F(RealCheckpoint, CounterGoesOnWhereItWasAfterARestore) {
  Bundle bundle;
  count_in(bundle);
  if (HasFatalFailure()) return;
  Outcome outcome = call_real({"checkpoint", "--image-path", images_, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(status(), "stopped");
  // The shell may have had it open, and criu restores an open file only at the size that it had.
  const auto overwrite = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file("/run/tests/criu/n", "/run/tests/criu/n.saved", overwrite);
  int saved = count();
  ASSERT_EQ(call({"delete", id()}).code, 0);
  outcome =
      call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, "--pid-file", kPidFile, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(status(), "running");
  EXPECT_TRUE(eventually([&] { return count() >= saved + 10; })) << count();
  EXPECT_EQ(content(bundle.rootfs() + "/tmp/starts"), "start") << "it went on, it did not start again";
  std::string cgroup = content("/proc/" + std::to_string(container_pid()) + "/cgroup");
  EXPECT_TRUE(contains(cgroup, "/minirun-" + id())) << cgroup;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  // In the foreground, its end is restore's.
  std::filesystem::copy_file("/run/tests/criu/n.saved", "/run/tests/criu/n", overwrite);
  StartOptions options;
  options.env = {"PATH=" + path_};
  Running running(minirun({"restore", "--bundle", bundle.path(), "--image-path", images_, id()}), options);
  EXPECT_TRUE(eventually([&] { return call({"state", id()}).code == 0 && status() == "running"; }));
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  outcome = running.finish();
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  EXPECT_NE(call({"state", id()}).code, 0) << "it has cleaned up";
}

TEST_F(RealCheckpoint, HooksRunWhileTheNamespacesAreMade) {
  Bundle bundle;
  auto hook = [](const std::string& script) {
    return nlohmann::json{{"path", "/bin/sh"}, {"args", {"sh", "-c", script}}};
  };
  const std::string state = "; cat >> /run/tests/criu/states; echo >> /run/tests/criu/states";
  bundle.config["hooks"]["prestart"] = {hook("echo prestart >> /run/tests/criu/log" + state)};
  bundle.config["hooks"]["createRuntime"] = {hook("echo createRuntime >> /run/tests/criu/log" + state)};
  bundle.config["hooks"]["poststop"] = {hook("echo poststop >> /run/tests/criu/log")};
  count_in(bundle);
  if (HasFatalFailure()) return;
  ASSERT_EQ(call_real({"checkpoint", "--image-path", images_, id()}).code, 0);
  ASSERT_EQ(call({"delete", id()}).code, 0);
  (void)unlink("/run/tests/criu/log");
  (void)unlink("/run/tests/criu/states");
  int saved = count();
  Outcome outcome =
      call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, "--pid-file", kPidFile, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(content("/run/tests/criu/log"), "prestart\ncreateRuntime");
  std::string told = content("/run/tests/criu/states");
  EXPECT_TRUE(contains(told, "\"pid\":" + std::to_string(container_pid()))) << told;
  EXPECT_TRUE(contains(told, "\"status\":\"creating\"")) << told;
  EXPECT_TRUE(eventually([&] { return count() >= saved + 10; })) << count();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(content("/run/tests/criu/log"), "prestart\ncreateRuntime\npoststop");

  bundle.config["hooks"]["createRuntime"].push_back(hook("echo no such network >&2; exit 3"));
  bundle.write();
  outcome = call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "/hooks/createRuntime/1: ") && contains(outcome.err, "no such network"))
      << describe(outcome);
  EXPECT_EQ(call({"list", "-q"}).out, "");
}

// What has not changed since is in the images of before.
TEST_F(RealCheckpoint, MemoryIsSavedInStepsByPreDump) {
  if (!tracks_memory()) GTEST_SKIP() << "no tracking of written pages (CONFIG_MEM_SOFT_DIRTY)";
  Bundle bundle;
  count_in(bundle);
  if (HasFatalFailure()) return;
  const std::string before = std::string(kFolder) + "/before";
  Outcome outcome = call_real({"checkpoint", "--pre-dump", "--image-path", before, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(status(), "running");
  outcome = call_real({"checkpoint", "--parent-path", "../before", "--image-path", images_, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(status(), "stopped");
  struct stat info {};
  EXPECT_EQ(stat((images_ + "/parent").c_str(), &info), 0) << "it builds upon those of before";
  int saved = count();
  ASSERT_EQ(call({"delete", id()}).code, 0);
  outcome = call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(eventually([&] { return count() >= saved + 10; })) << count();
  EXPECT_EQ(content(bundle.rootfs() + "/tmp/starts"), "start");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
