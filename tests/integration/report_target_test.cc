// SPDX-License-Identifier: Apache-2.0
// --report and --report-dir: places that are no good, and a status that no report changes.
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <csignal>
#include <filesystem>

#include "sys/pipe.h"
#include "tests/support/report_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

class ReportTarget : public ReportTest {
 protected:
  // A run with this descriptor as number 30.
  Outcome run_with(int fd, const Words& flags) {
    StartOptions options;
    options.in_child = [fd] {
      if (dup2(fd, 30) < 0) _exit(96);
    };
    bundle_.payload({"exit", "7"});
    return run(bundle_, flags, options);
  }
  // Its end is the workload's all the same, and in time; one line warns.
  static void expect_unhurt(const Outcome& outcome, const std::string& why) {
    EXPECT_EQ(outcome.code, 7) << describe(outcome);
    EXPECT_NE(outcome.err.find("minirun: warning: "), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find("no report: " + why), std::string::npos) << outcome.err;
  }
};

TEST_F(ReportTarget, BadOnesAreRefusedBeforeAnythingIsMade) {
  bundle_.write();
  const std::string folder = "/run/tests/targets";
  make_folders(folder + "/directory");
  ASSERT_EQ(mkfifo((folder + "/fifo").c_str(), 0600), 0);
  ASSERT_EQ(symlink("/etc/passwd", (folder + "/link").c_str()), 0);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{AF_UNIX, "/run/tests/targets/socket"};
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  UniqueFd readable(open("/dev/null", O_RDONLY | O_CLOEXEC));
  StartOptions options;
  options.in_child = [&] {
    if (dup2(readable.get(), 30) < 0) _exit(96);
  };
  const std::pair<std::string, std::string> bad[] = {
      {"", "must name a file"},
      {folder, "found a directory"},
      {folder + "/", "found a directory"},
      {folder + "/directory/..", "found a directory"},
      {folder + "/fifo", "found a FIFO"},
      {folder + "/link", "found a symbolic link"},
      {folder + "/socket", "found a socket"},
      {"/dev/null", "found a device"},
      {folder + "/none/file", "no such file or directory"},
      {"/proc/self/report", "/proc/self"},
      {"fd:", "must be fd: and a number"},
      {"fd:x", "must be fd: and a number"},
      {"fd:-1", "must be fd: and a number"},
      {"fd:18446744073709551616", "must be fd: and a number"},
      {"fd:2", "must be 3 or more"},
      {"fd:29", "is not open"},
      {"fd:4294967326", "is not open"},
      {"fd:30", "is not open for writing"},
  };
  for (const auto& [target, text] : bad)
    for (const Words& command : {Words{"run", "--report", target, "--bundle", bundle_.path(), id()},
                                 {"exec", "--report", target, id(), "x"},
                                 {"delete", "--report", target, "--force", id()}}) {
      Outcome outcome = call(command, options);
      EXPECT_EQ(outcome.code, command[0] == "exec" ? 255 : 1) << target << describe(outcome);
      EXPECT_NE(outcome.err.find("--report"), std::string::npos) << describe(outcome);
      EXPECT_NE(outcome.err.find(text), std::string::npos) << target << describe(outcome);
    }
  std::filesystem::remove_all(folder);
}

TEST_F(ReportTarget, IsNoDescriptorOfTheContainerOrOfEvents) {
  bundle_.write();
  UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  StartOptions options;
  options.in_child = [&] {
    for (int fd : {3, 4, 5})
      if (dup2(null.get(), fd) < 0) _exit(97);
  };
  EXPECT_NE(run(bundle_, {"--preserve-fds", "2", "--report", "fd:4"}, options).err.find("gets descriptors 3 to 4"),
            std::string::npos);
  // What minirun itself opens for the report never becomes one of the container's.
  for (const Words& flags :
       {Words{"--preserve-fds", "1", "--report", kFile}, {"--preserve-fds", "9", "--report", kFile}})
    for (const Outcome& outcome : {run(bundle_, flags), exec(flags, {"x"})})
      EXPECT_NE(outcome.err.find("is not open"), std::string::npos) << describe(outcome);
  EXPECT_NE(run(bundle_, {"--status-fd", "5", "--report", "fd:5"}, options).err.find("descriptor of --status-fd"),
            std::string::npos);
  for (const Outcome& outcome :
       {run(bundle_, {"--detach", "--report", kFile}), exec({"--detach", "--report", kFile}, {"x"})})
    EXPECT_NE(outcome.err.find("--report cannot be used with --detach"), std::string::npos) << describe(outcome);
  EXPECT_NE(access(kFile, F_OK), 0);
}

TEST_F(ReportTarget, IsStderrOrADescriptor) {
  Pipe pipe = make_pipe().value();
  EXPECT_EQ(run_with(pipe.writer.get(), {"--report", "fd:30"}).err, "");
  std::string text(1 << 14, '\0');
  text.resize(static_cast<size_t>(read(pipe.reader.get(), text.data(), text.size())));
  EXPECT_EQ(checked(text)["exit_status"], 7);
  EXPECT_EQ(checked(run(bundle_, {"--report", "-"}).err)["exit_status"], 7);
}

TEST_F(ReportTarget, ThatFailsChangesNoStatus) {
  UniqueFd full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  expect_unhurt(run_with(full.get(), {"--report", "fd:30"}), "--report fd:30: write: no space left on device");
  Pipe unread = make_pipe().value();
  unread.reader.reset();
  expect_unhurt(run_with(unread.writer.get(), {"--report", "fd:30"}), "--report fd:30: write: broken pipe");
  Pipe stuffed = make_pipe().value();
  ASSERT_EQ(fcntl(stuffed.writer.get(), F_SETPIPE_SZ, 4096), 4096);
  std::string most(4096, 'x');
  ASSERT_EQ(write(stuffed.writer.get(), most.data(), most.size()), 4096);
  expect_unhurt(run_with(stuffed.writer.get(), {"--report", "fd:30"}), "--report fd:30: write: ");
  // A full filesystem, and a place that has changed meanwhile.
  const std::string folder = "/run/tests/small";
  make_folders(folder);
  ASSERT_EQ(mount("small", folder.c_str(), "tmpfs", 0, "size=4k"), 0);
  ASSERT_EQ(system(("head -c 4096 /dev/zero > " + folder + "/full").c_str()), 0);
  expect_unhurt(run(bundle_, {"--report", folder + "/report"}), "--report " + folder + "/report: ");
  EXPECT_NE(access((folder + "/report").c_str(), F_OK), 0);
  ASSERT_EQ(umount(folder.c_str()), 0);
  bundle_.config["hooks"]["poststart"] = {{{"path", "/bin/mkdir"}, {"args", {"mkdir", folder + "/report"}}}};
  expect_unhurt(run(bundle_, {"--report", folder + "/report"}), "--report " + folder + "/report: ");
  std::filesystem::remove_all(folder);
}

TEST_F(ReportTarget, FileIsReplacedAsAWhole) {
  const std::string other = "/run/tests/other";
  ASSERT_EQ(system((std::string("echo precious > ") + other + "; ln " + other + " " + kFile).c_str()), 0);
  bundle_.payload({"exit", "7", "secret-argument"});
  bundle_.config["process"]["env"].push_back("SECRET=secret-value");
  EXPECT_EQ(run(bundle_, {"--report", kFile}).code, 7);
  EXPECT_EQ(content(other), "precious");
  struct stat info {};
  ASSERT_EQ(stat(kFile, &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  EXPECT_EQ(content(kFile).find("secret"), std::string::npos) << content(kFile);
  EXPECT_EQ(taken()["exit_status"], 7);
  EXPECT_EQ(unlink(other.c_str()), 0);
}

// The annotation never names a place, and what is at the administrator's is not followed.
TEST_F(ReportTarget, DirectoryIsTheAdministratorsAlone) {
  bundle_.config["annotations"]["org.minirun.report"] = "true";
  bundle_.payload({"exit", "7"});
  bundle_.write();
  auto run_there = [&](const std::string& directory) {
    return call({"--report-dir", directory, "run", "--bundle", bundle_.path(), id()});
  };
  make_folders(kDirectory);
  ASSERT_EQ(chmod(kDirectory, 0777), 0);
  expect_unhurt(run_there(kDirectory), std::string("--report-dir ") + kDirectory + ": ");
  ASSERT_EQ(chmod(kDirectory, 0700), 0);
  expect_unhurt(run_there("/dev/null"), "--report-dir /dev/null: ");
  const std::string file = std::string(kDirectory) + "/" + id() + ".json";
  const std::string canary = "/run/tests/canary";
  ASSERT_EQ(system(("echo precious > " + canary).c_str()), 0);
  for (const std::string& name : {file, file + ".new"}) ASSERT_EQ(symlink(canary.c_str(), name.c_str()), 0);
  EXPECT_EQ(run_there(kDirectory).code, 7);
  EXPECT_EQ(content(canary), "precious");
  EXPECT_EQ(taken(file)["exit_status"], 7);
  EXPECT_EQ(unlink(canary.c_str()), 0);
  std::filesystem::remove_all(kDirectory);
  for (const char* key : {"org.minirun.report", "org.minirun.report-dir", "org.minirun.report.file"}) {
    bundle_.config["annotations"] = {{key, "/etc/passwd"}};
    Outcome outcome = run(bundle_);
    EXPECT_NE(outcome.err.find(key), std::string::npos) << describe(outcome);
  }
}

TEST_F(ReportTarget, DirectoryKeepsTheNewestThousand) {
  constexpr int kMost = 1000;
  make_folders(kDirectory);
  ASSERT_EQ(chmod(kDirectory, 0700), 0);
  for (int i = 0; i < kMost; ++i) {
    const std::string name = std::string(kDirectory) + "/old" + std::to_string(i) + ".json";
    UniqueFd file(open(name.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    const timespec times[2] = {{1000 + (i + 500) % kMost, 0}, {1000 + (i + 500) % kMost, 0}};
    ASSERT_EQ(futimens(file.get(), times), 0);
  }
  bundle_.config["annotations"]["org.minirun.report"] = "1";
  bundle_.payload({"exit", "7"});
  bundle_.write();
  EXPECT_EQ(call({"--report-dir", kDirectory, "run", "--bundle", bundle_.path(), id()}).code, 7);
  int reports = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kDirectory)) reports += entry.is_regular_file() ? 1 : 0;
  EXPECT_EQ(reports, kMost);
  EXPECT_NE(access((std::string(kDirectory) + "/old500.json").c_str(), F_OK), 0);  // the oldest
  EXPECT_EQ(access((std::string(kDirectory) + "/old499.json").c_str(), F_OK), 0);
  std::filesystem::remove_all(kDirectory);
}

}  // namespace
}  // namespace minirun::testing
