// SPDX-License-Identifier: Apache-2.0
// Every file that minirun and its init touch for a create and for an exec is exactly what a list says: nothing beside
// config.json, no file of the image but where it mounts and what it is asked to run, no absolute path of /proc in the
// container. The lists read as tests/attacks/file_trace.h says.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "tests/attacks/attack.h"
#include "tests/attacks/file_trace.h"
#include "tests/attacks/touched_files.h"
#include "tests/support/fault_bundles.h"
#include "tests/support/fault_console.h"

namespace minirun::testing {
namespace {

class OpenedFiles : public Attack {
 protected:
  static constexpr const char* kTrace = "/run/tests/trace";

  // A bundle of the fault sweeps, with what a runtime must not look at, and protected paths that every kernel has.
  void write(Kind kind) {
    write_bundles(kind, bundle_);
    bundle_.add_file("/etc/group", "");
    bundle_.add_file("/etc/ld.so.preload", "/evil.so\n");
    write_new_file(bundle_.path() + "/runtime.json", "{}", 0644);
    bundle_.config["linux"]["maskedPaths"] = {"/proc/version", "/proc/uptime", "/proc/fs", "/proc/gone"};
    bundle_.config["linux"]["readonlyPaths"] = {"/proc/sys", "/proc/gone"};
    bundle_.write();
    Bundle first;  // enables controllers, which then stay
    EXPECT_EQ(run(first).code, 0);
    remove_tree(std::string(kState) + "/.cache");  // as on a machine that has not seen the filter
  }

  // What the command touches.
  TouchedFiles touched_by(const std::vector<std::string>& args) {
    std::vector<std::string> argv = FileTrace::strace(kTrace), command = minirun(args);
    argv.insert(argv.end(), command.begin(), command.end());
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = nowhere.get();
    Running traced(argv, options);
    EXPECT_TRUE(eventually([&] { return FileTrace::first_ended(trace()); }, 20000));
    if (args[0] == "create") end();  // strace(1) stays until then
    Outcome outcome = traced.finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    std::string text = trace();
    (void)unlink(kTrace);
    FileTrace files({{bundle_.path(), "BUNDLE"},
                     {kState, "STATE"},
                     {command[0], "MINIRUN"},
                     {program("PAYLOAD", "payload"), "PAYLOAD"},
                     {"minirun-" + id(), "CGROUP"},
                     {"/" + id(), "/ID"},
                     {" " + id(), " ID"}});
    return files.read(text);
  }

  static std::string trace() {
    auto text = read_file(AT_FDCWD, kTrace, 1 << 24);
    return text.ok() ? *text : "";
  }

  static void expect_equal(const Lines& lines, const Lines& expected, const std::string& where) {
    for (const std::string& line : lines)
      EXPECT_EQ(expected.count(line), 1U) << "\"" << line << "\" " << where << " is not in the list";
    for (const std::string& line : expected)
      EXPECT_EQ(lines.count(line), 1U) << "\"" << line << "\" " << where << " is in the list, but was not done";
  }
  static void expect_touched(const TouchedFiles& files, const Lines& outside, const Lines& inside) {
    expect_equal(files.outside, outside, "outside of the container's root");
    expect_equal(files.inside, inside, "in the container's root");
  }

  // A container of the bundle exists; a command with more options is executed in it.
  TouchedFiles touched_by_exec_in(const std::vector<std::string>& run_flags, const std::vector<std::string>& flags) {
    std::vector<std::string> run = {"run", "--detach"}, exec = {"exec"};
    run.insert(run.end(), run_flags.begin(), run_flags.end());
    run.insert(run.end(), {"--bundle", bundle_.path(), id()});
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = nowhere.get();
    EXPECT_EQ(call(run, options).code, 0);
    exec.insert(exec.end(), flags.begin(), flags.end());
    exec.insert(exec.end(), {"--user", "1000:1001", "--cwd", "/volume", "--env", "A=b", id(), "/bin/payload", "true"});
    TouchedFiles files = touched_by(exec);
    end();
    return files;
  }

  Bundle bundle_;
};

#define REQUIRE_STRACE() \
  if (access("/usr/bin/strace", X_OK) != 0) GTEST_SKIP() << "no strace"

// That kernel enters the root of a create without a user namespace in another way, which has no list yet.
#define REQUIRE_PIVOT_ROOT()                                                                             \
  if (syscall(SYS_open_tree, -1, "", abi::kOpenTreeNamespace | abi::kAtEmptyPath) < 0 && errno == EBADF) \
  GTEST_SKIP() << "no list for kernels with OPEN_TREE_NAMESPACE"

TEST_F(OpenedFiles, OfACreateAreTheListed) {
  REQUIRE_STRACE();
  REQUIRE_PIVOT_ROOT();
  write(Kind::privileged);
  expect_touched(touched_by({"create", "--bundle", bundle_.path(), id()}), touched_by_create(),
                 touched_in_root("") + touched_by_mknod("") + touched_on_entering() +
                     Lines{"mknodat //dev fuse", "write [new proc] self/oom_score_adj"});
}

// The createRuntime hook runs before the root is entered, so the root is filled from outside.
TEST_F(OpenedFiles, OfACreateWithAUserNamespaceAndHooksAreTheListed) {
  REQUIRE_STRACE();
  write(Kind::user);
  const std::string kRoot = "[clone of BUNDLE/rootfs]";
  const Lines namespaces = {
      "path /proc/N", "write /proc/N uid_map",          "write /proc/N gid_map", "write /proc/N/oom_score_adj",
      "path /proc",   "write /proc self/timens_offsets"};
  const Lines hook = {"execve PAYLOAD", "read /proc/thread-self/children"};  // its processes are looked for
  expect_touched(touched_by({"create", "--bundle", bundle_.path(), id()}),
                 touched_by_create() + touched_in_root(kRoot) + touched_by_nodes_of_the_host(kRoot) + namespaces + hook,
                 touched_on_entering());
}

TEST_F(OpenedFiles, OfACreateWithATerminalAreTheListed) {
  REQUIRE_STRACE();
  REQUIRE_PIVOT_ROOT();
  Console console;
  write(Kind::attached);
  Lines outside = {"connect /run/tests/console.sock", "write /run/tests/pid.new",
                   "renameat /run/tests/pid.new /run/tests/pid"};
  if (bundle_.config["linux"].contains("netDevices"))
    outside = outside + Lines{"read /proc/self/ns/net", "read /proc/N/ns/net"};
  const Lines terminal = {"write //dev/pts ptmx", "open_tree /dev/pts/0",
                          "path //dev/console",   "path /dev console",
                          "write /dev console",   "move_mount [clone of /dev/pts/0] /dev/console"};
  expect_touched(touched_by({"create", "--console-socket", Console::kPath, "--pid-file", kPidFile, "--bundle",
                             bundle_.path(), id()}),
                 touched_by_create() + outside,
                 touched_in_root("") + touched_by_mknod("") + touched_on_entering() + terminal +
                     Lines{"write [new proc] self/oom_score_adj"});
}

// The score is written before anything is joined.
TEST_F(OpenedFiles, OfAnExecAreTheListed) {
  REQUIRE_STRACE();
  write(Kind::user);
  expect_touched(touched_by_exec_in({}, {}), touched_by_exec() + touched_by_a_score() + Lines{"read /proc/N/setgroups"},
                 touched_by_joining());
}

TEST_F(OpenedFiles, OfAnExecWithATerminalAreTheListed) {
  REQUIRE_STRACE();
  Console console;
  write(Kind::attached);
  expect_touched(touched_by_exec_in({"--console-socket", Console::kPath},
                                    {"--tty", "--detach", "--console-socket", Console::kPath}),
                 touched_by_exec() + touched_by_a_score() + Lines{"connect /run/tests/console.sock"},
                 touched_by_joining() + Lines{"path //dev/pts", "write //dev/pts ptmx"});
}

}  // namespace
}  // namespace minirun::testing
