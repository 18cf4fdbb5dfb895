// SPDX-License-Identifier: Apache-2.0
// linux.seccomp: actions, operators and flags. runtime-spec config-linux.md, "Seccomp".
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Seccomp : public MinirunTest {
 protected:
  // What the system call returns in a container with this filter: "RESULT ERRNO\n".
  std::string call_with(const json& seccomp, const std::vector<std::string>& syscall) {
    Bundle bundle;
    bundle.config["linux"]["seccomp"] = seccomp;
    std::vector<std::string> args = {"syscall"};
    args.insert(args.end(), syscall.begin(), syscall.end());
    bundle.payload(args);
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return outcome.out;
  }
  static json deny(const json& rule) { return {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", {rule}}}; }
};

std::string number(long value) {
  return std::to_string(value);
}

TEST_F(Seccomp, ErrnoAction) {
  json rule = {{"names", {"getppid"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOTTY}};
  EXPECT_EQ(call_with(deny(rule), {number(SYS_getppid)}), "-1 " + number(ENOTTY) + "\n");
  rule.erase("errnoRet");
  EXPECT_EQ(call_with(deny(rule), {number(SYS_getppid)}), "-1 " + number(EPERM) + "\n");
}

TEST_F(Seccomp, AppliesWithAndWithoutNoNewPrivileges) {
  for (bool no_new_privileges : {true, false}) {
    Bundle bundle;
    bundle.config["process"]["noNewPrivileges"] = no_new_privileges;
    bundle.config["linux"]["seccomp"] = deny({{"names", {"getppid"}}, {"action", "SCMP_ACT_ERRNO"}});
    bundle.payload({"syscall", number(SYS_getppid)});
    for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
      Outcome outcome = run(bundle, flags);
      EXPECT_EQ(outcome.out, "-1 1\n") << describe(outcome);
    }
  }
}

TEST_F(Seccomp, OperatorsCompareArguments) {
  // personality(2) with this value only reads: harmless to call with anything that is compared here.
  struct Case {
    const char* op;
    unsigned value;
    unsigned second;
    const char* argument;
    bool refused;
  };
  const Case cases[] = {{"SCMP_CMP_EQ", 77, 0, "77", true},       {"SCMP_CMP_EQ", 77, 0, "78", false},
                        {"SCMP_CMP_NE", 77, 0, "78", true},       {"SCMP_CMP_NE", 77, 0, "77", false},
                        {"SCMP_CMP_LT", 77, 0, "76", true},       {"SCMP_CMP_LT", 77, 0, "77", false},
                        {"SCMP_CMP_LE", 77, 0, "77", true},       {"SCMP_CMP_LE", 77, 0, "78", false},
                        {"SCMP_CMP_GT", 77, 0, "78", true},       {"SCMP_CMP_GT", 77, 0, "77", false},
                        {"SCMP_CMP_GE", 77, 0, "77", true},       {"SCMP_CMP_GE", 77, 0, "76", false},
                        {"SCMP_CMP_MASKED_EQ", 12, 8, "9", true}, {"SCMP_CMP_MASKED_EQ", 12, 8, "13", false}};
  for (const Case& c : cases) {
    json rule = {{"names", {"close"}},
                 {"action", "SCMP_ACT_ERRNO"},
                 {"errnoRet", ENOTTY},
                 {"args", {{{"index", 0}, {"value", c.value}, {"valueTwo", c.second}, {"op", c.op}}}}};
    // An allowed close(2) of a descriptor that is not open ends with EBADF.
    EXPECT_EQ(call_with(deny(rule), {number(SYS_close), c.argument}), c.refused ? "-1 25\n" : "-1 9\n")
        << c.op << " " << c.argument;
  }
}

TEST_F(Seccomp, KillIsTold) {
  Bundle bundle;
  for (const char* action : {"SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL"}) {
    bundle.config["linux"]["seccomp"] = deny({{"names", {"getppid"}}, {"action", action}});
    bundle.payload({"syscall", number(SYS_getppid)});
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 128 + SIGSYS) << action << describe(outcome);
    EXPECT_NE(outcome.err.find("seccomp"), std::string::npos) << outcome.err;
  }
}

TEST_F(Seccomp, UnknownSystemCallIsSkipped) {
  json rule = {{"names", {"call_of_tomorrow", "getppid"}}, {"action", "SCMP_ACT_ERRNO"}};
  EXPECT_EQ(call_with(deny(rule), {number(SYS_getppid)}), "-1 1\n");
}

TEST_F(Seccomp, UnknownActionOperatorAndFlagAreRefused) {
  Bundle bundle;
  bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_SHRUG"}};
  expect_refused(run(bundle), {"/linux/seccomp/defaultAction", "SCMP_ACT_SHRUG"});
  bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"flags", {"SECCOMP_FILTER_FLAG_NONE"}}};
  expect_refused(run(bundle), {"/linux/seccomp/flags/0", "SECCOMP_FILTER_FLAG_NONE"});
  bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"architectures", {"SCMP_ARCH_Z80"}}};
  expect_refused(run(bundle), {"/linux/seccomp/architectures/0", "SCMP_ARCH_Z80"});
}

TEST_F(Seccomp, FlagsAreTaken) {
  json filter = deny({{"names", {"getppid"}}, {"action", "SCMP_ACT_ERRNO"}});
  filter["flags"] = {"SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_TSYNC"};
  EXPECT_EQ(call_with(filter, {number(SYS_getppid)}), "-1 1\n");
}

TEST_F(Seccomp, SecondRunIsAsTheFirst) {
  // The second one takes the filter from the cache.
  json filter = deny({{"names", {"getppid"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", ENOTTY}});
  EXPECT_EQ(call_with(filter, {number(SYS_getppid)}), "-1 25\n");
  EXPECT_EQ(call_with(filter, {number(SYS_getppid)}), "-1 25\n");
}

// A startContainer hook runs under the container's filter, which create has compiled a moment ago.
TEST_F(Seccomp, HooksTakeTheFilterFromTheCacheToo) {
  const std::string folder = std::string(kState) + "/.cache/seccomp";
  Bundle bundle;
  bundle.config["linux"]["seccomp"] = deny({{"names", {"getppid"}}, {"action", "SCMP_ACT_ERRNO"}});
  bundle.config["hooks"]["startContainer"] = {{{"path", "/bin/payload"}, {"args", {"payload", "true"}}}};
  bundle.payload({"pause"});
  bundle.write();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  ASSERT_EQ(call({"create", "--bundle", bundle.path(), id()}, options).code, 0);
  remove_tree(folder);
  Outcome outcome = call({"start", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(access(folder.c_str(), F_OK), 0) << "the hook's was put where the next one finds it";
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Seccomp, FilterThatForbidsSigprocmaskLeavesNoSignalBlocked) {
  for (const char* action : {"SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"}) {
    Bundle bundle;
    bundle.config["linux"]["seccomp"] = deny({{"names", {"rt_sigprocmask"}}, {"action", action}});
    bundle.payload({"files", "/proc/self/status"});
    for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
      Outcome outcome = run(bundle, flags);
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
      EXPECT_NE(outcome.out.find("SigBlk:\t0000000000000000"), std::string::npos) << describe(outcome);
    }
  }
}

TEST_F(Seccomp, FilterThatForbidsWhatMinirunItselfNeedsStillStarts) {
  // Only what the payload and an exec need: a runtime that loads the filter too early dies of it.
  json names = {"execve", "exit_group", "brk",      "arch_prctl", "set_tid_address", "set_robust_list",
                "rseq",   "prlimit64",  "readlink", "readlinkat", "getrandom",       "mprotect",
                "write",  "mmap",       "munmap",   "uname",      "fstat",           "newfstatat"};
  Bundle bundle;
  bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ERRNO"},
                                       {"syscalls", {{{"names", names}, {"action", "SCMP_ACT_ALLOW"}}}}};
  bundle.payload({"exit", "7"});
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    Outcome outcome = run(bundle, flags);
    EXPECT_EQ(outcome.code, 7) << describe(outcome);
  }
}

}  // namespace
}  // namespace minirun::testing
