// SPDX-License-Identifier: Apache-2.0
// checkpoint and restore, through a criu that only records its arguments.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "tests/support/checkpoint_fixture.h"

namespace minirun::testing {
namespace {

class Checkpoint : public CheckpointTest {};

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

// A restore would go on in the image itself, without what was in the overlay.
TEST_F(Checkpoint, OfAnOverlayIsRefused) {
  fake("echo called > /run/tests/criu/called\n");
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "0"});
  ASSERT_EQ(detach(bundle, {"--no-init", "--overlay"}).code, 0);
  for (const char* flag : {"--leave-running", "--pre-dump"}) {
    Outcome outcome = call_fake({"checkpoint", flag, "--image-path", images_, id()});
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_TRUE(contains(outcome.err, "its changes are in an overlay")) << describe(outcome);
  }
  EXPECT_EQ(status(), "running");
  EXPECT_NE(access("/run/tests/criu/called", F_OK), 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
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

// Its id is free again, as a restore wants it.
TEST_F(Checkpoint, TakesTheContainerAway) {
  fake("kill -9 \"$3\"\n");
  Bundle bundle;
  bundle.config["hooks"]["poststop"] = {
      {{"path", "/bin/sh"}, {"args", {"sh", "-c", "echo gone > /run/tests/criu/poststop"}}}};
  start_without_init(bundle);
  Outcome outcome = call_fake({"checkpoint", "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(call({"list", "-q"}).out, "");
  EXPECT_EQ(content("/run/tests/criu/poststop"), "gone");
  EXPECT_NE(access(("/sys/fs/cgroup/minirun-" + id()).c_str(), F_OK), 0);
}

// criu finds a mount by the path that mountinfo has.
TEST_F(Checkpoint, MountThroughALinkOfTheImageIsNamedByWhereItIs) {
  fake("echo \"$@\" > /run/tests/criu/arguments\n");
  Bundle bundle;
  make_folders(bundle.rootfs() + "/run/inner");
  make_folders(bundle.rootfs() + "/var");
  ASSERT_EQ(symlink("/run", (bundle.rootfs() + "/var/run").c_str()), 0);
  bundle.add_mount("/var/run/inner", "", "/run/tests/criu", {"bind"});
  start_without_init(bundle);
  Outcome outcome = call_fake({"checkpoint", "--leave-running", "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  std::string arguments = content("/run/tests/criu/arguments");
  EXPECT_TRUE(contains(arguments, " --external mnt[/run/inner]:/var/run/inner ")) << arguments;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Checkpoint, ConfigOfAnAnnotationIsHandedOnByDescriptor) {
  fake(
      "while [ $# -gt 0 ]; do [ \"$1\" = --config ] && echo \"$2\" $(/bin/cat \"$2\") >> /run/tests/criu/given; shift; "
      "done\n");
  write_new_file("/run/criu.conf", "tcp-close", 0644);
  Bundle bundle;
  bundle.config["annotations"]["org.criu.config"] = "/run/criu.conf";
  start_without_init(bundle);
  Outcome outcome = call_fake({"checkpoint", "--leave-running", "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  outcome = call_fake({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 1) << "no process comes of it";
  std::string given = content("/run/tests/criu/given");
  EXPECT_TRUE(given.starts_with("/proc/self/fd/") && contains(given, " tcp-close\n/proc/self/fd/")) << given;
  EXPECT_EQ(unlink("/run/criu.conf"), 0);
}

// criu runs what it names with the rights of root: nothing of it may be the container's, or another user's.
TEST_F(Checkpoint, ConfigThatOthersMayChangeIsRefused) {
  fake("echo > /run/tests/criu/started\n");
  make_folders("/run/criu-test/folder");
  write_new_file("/run/criu-test/good", "", 0644);
  write_new_file("/run/criu-test/writable", "", 0666);
  write_new_file("/run/criu-test/users", "", 0644);
  write_new_file("/run/criu-test/folder/file", "", 0644);
  ASSERT_EQ(chown("/run/criu-test/users", 1000, 1000) | chmod("/run/criu-test/writable", 0666) |
                chmod("/run/criu-test/folder", 0775) | symlink("good", "/run/criu-test/link") |
                symlink("/run/criu-test", "/run/criu-link") | mkfifo("/run/criu-test/fifo", 0644),
            0);
  make_folders("/run/criu-bound");
  write_new_file("/run/criu-bound/file", "", 0644);
  Bundle bundle;
  write_new_file(bundle.rootfs() + "/criu.conf", "", 0644);
  bundle.add_mount("/bound", "", "/run/criu-bound", {"bind"});
  const std::pair<std::string, const char*> wrong[] = {
      {"/run/criu-test/writable", "writable by root alone"},
      {"/run/criu-test/users", "must belong to root"},
      {"/run/criu-test/folder/file", "/run/criu-test/folder must belong to root and be writable by root alone"},
      {"/run/criu-test/link", "without following links"},
      {"/run/criu-link/good", "without following links"},
      {"/run/criu-test/fifo", "regular file"},
      {"/run/criu-test", "regular file"},
      {"/run/criu-test/nothing", "no such file"},
      {"/run/criu-test/../criu-test/good", "component"},
      {"run/criu-test/good", "absolute"},
      {"/run/criu-bound/file", "/run/criu-bound can be reached by the container"},
      {bundle.rootfs() + "/criu.conf", ""},
  };
  for (const auto& [path, why] : wrong) {
    bundle.config["annotations"]["org.criu.config"] = path;
    start_without_init(bundle);
    Outcome outcome = call_fake({"checkpoint", "--image-path", images_, id()});
    EXPECT_EQ(outcome.code, 1) << path;
    EXPECT_TRUE(contains(outcome.err, "annotation org.criu.config: " + path) && contains(outcome.err, why))
        << describe(outcome);
    EXPECT_NE(access("/run/tests/criu/started", F_OK), 0) << path;
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  }
  bundle.config["annotations"]["org.criu.config"] = "";
  start_without_init(bundle);
  EXPECT_EQ(call_fake({"checkpoint", "--leave-running", "--image-path", images_, id()}).code, 0) << "none";
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  for (const char* folder : {"/run/criu-test", "/run/criu-bound"}) remove_tree(folder);
  EXPECT_EQ(unlink("/run/criu-link"), 0);
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

// Its program stays outside: criu cannot distinguish the mapping of a memory file from the file as a program.
TEST_F(Checkpoint, InitOfADetachedRunIsNamedAndKeptBesideTheImages) {
  fake("echo \"$@\" > /run/tests/criu/arguments\n");
  for (bool created : {false, true}) {
    Bundle bundle;
    bundle.payload({"exit-on", std::to_string(SIGTERM), "0"});
    bundle.write();
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions silent;
    silent.stdout_fd = silent.stderr_fd = nowhere.get();
    if (created) {
      ASSERT_EQ(call({"create", "--init", "--pid-file", kPidFile, "--bundle", bundle.path(), id()}, silent).code, 0);
      ASSERT_EQ(call({"start", id()}).code, 0);
    } else {
      ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
    }
    std::string init = "/proc/" + std::to_string(container_pid());
    // It lets go of them just after it has said that the workload runs.
    EXPECT_TRUE(eventually([&] {
      std::string maps = content(init + "/maps");
      return contains(maps, "00400000-") && !contains(maps, "memfd:") && std::filesystem::is_empty(init + "/fd");
    })) << content(init + "/maps");
    Outcome outcome = call_fake({"checkpoint", "--leave-running", "--image-path", images_, id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    struct stat program {};
    ASSERT_EQ(stat((init + "/exe").c_str(), &program), 0);
    struct stat page {};
    ASSERT_EQ(stat((std::string(kState) + "/" + id() + "/end").c_str(), &page), 0);
    auto names = nlohmann::json::parse(content(images_ + "/init.json"), nullptr, false);
    ASSERT_TRUE(names.is_array() && names.size() == 2) << names;
    std::string arguments = content("/run/tests/criu/arguments");
    for (size_t i = 0; i < 2; ++i) {
      const std::string name = names[i].get<std::string>();
      const auto inode = i == 0 ? program.st_ino : page.st_ino;
      EXPECT_TRUE(name.starts_with("file[") && name.ends_with(fmt::format(":{:x}]", inode))) << name;
      EXPECT_TRUE(contains(arguments, "--external " + name + " ")) << arguments;
    }
    EXPECT_TRUE(contains(content(images_ + "/descriptors.json"), "file[")) << "its workload's";
    EXPECT_TRUE(content(images_ + "/init") == content(init + "/exe"));
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    // Of one without an init nothing is left there.
    Bundle without;
    start_without_init(without);
    EXPECT_EQ(call_fake({"checkpoint", "--leave-running", "--image-path", images_, id()}).code, 0);
    EXPECT_NE(access((images_ + "/init.json").c_str(), F_OK), 0);
    EXPECT_NE(access((images_ + "/init").c_str(), F_OK), 0);
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  }
}

TEST_F(Checkpoint, ContainersThatCannotBeSavedAreRefusedWithTheReason) {
  fake("exit 0\n");
  Bundle bundle;
  bundle.payload({"signals", std::to_string(SIGTERM)});
  Running foreground(run_command(bundle), {});
  ASSERT_TRUE(foreground.wait_for("ready"));
  Outcome outcome = call_fake({"checkpoint", "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "has a socket to the minirun that supervises it")) << describe(outcome);
  EXPECT_TRUE(contains(outcome.err, "run --detach")) << describe(outcome);
  EXPECT_EQ(status(), "running");
  foreground.send(SIGTERM);
  EXPECT_EQ(foreground.finish().code, 0);
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
TEST_F(Checkpoint, OptionsThatRestoreCannotHonourAreWarnings) {
  fake("exit 1\n");
  make_folders(images_);
  Bundle bundle;
  bundle.write();
  for (const char* option : {"--no-pivot", "--no-new-keyring"}) {
    Outcome outcome = call_fake({"restore", option, "--bundle", bundle.path(), "--image-path", images_, id()});
    EXPECT_TRUE(contains(outcome.err, "warning: restore " + id() + ": " + option + " has no effect: criu restores"))
        << describe(outcome);
  }
}

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

}  // namespace
}  // namespace minirun::testing
