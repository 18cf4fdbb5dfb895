// SPDX-License-Identifier: Apache-2.0
// What is not asked for costs no system call: of `run` without the options for events, reports and deadlines, and with
// each. An option adds exactly its own calls: one that becomes a call of every run is missing in the difference,
// whatever else a kernel or a release makes minirun call.
#include <fcntl.h>
#include <unistd.h>

#include <map>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using Calls = std::map<std::string, int>;

class OptionsThatAreOff : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    if (access(kStrace, X_OK) != 0) GTEST_SKIP() << "no strace";
    bundle_.payload({"exit", "0"});
    ASSERT_EQ(run(bundle_).code, 0);  // makes what a machine keeps
    nowhere_.reset(open("/dev/null", O_WRONLY | O_CLOEXEC));
  }

  // How often minirun itself made each call, but for those whose number depends on what comes first.
  Calls calls_of(const std::vector<std::string>& flags) const {
    const std::string file = "/run/tests/strace";
    std::vector<std::string> argv = {kStrace, "-qq", "-o", file}, command = run_command(bundle_, flags);
    argv.insert(argv.end(), command.begin(), command.end());
    StartOptions options;
    const int fd = nowhere_.get();
    options.in_child = [fd] {
      if (dup2(fd, 30) < 0) _exit(96);
    };
    Outcome outcome = Running(argv, options).finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    Calls calls;
    std::istringstream lines(content(file));
    for (std::string line; std::getline(lines, line);) {
      const std::string name = line.substr(0, line.find('('));
      if (line.find('(') != std::string::npos && kByChance.find(" " + name + " ") == std::string::npos) ++calls[name];
    }
    EXPECT_EQ(unlink(file.c_str()), 0);
    EXPECT_GT(calls["openat"], 5) << "strace follows it";
    return calls;
  }

  static Calls difference(const Calls& more, const Calls& fewer) {
    Calls result;
    for (const auto& [name, count] : more) result[name] += count;
    for (const auto& [name, count] : fewer) result[name] -= count;
    std::erase_if(result, [](const auto& entry) { return entry.second == 0; });
    return result;
  }

  static constexpr const char* kStrace = "/usr/bin/strace";
  static inline const std::string kByChance =
      " poll read recvmsg waitid wait4 futex kill brk close restart_syscall unlinkat flock ";
  Bundle bundle_;
  UniqueFd nowhere_;
};

TEST_F(OptionsThatAreOff, CostNoCall) {
  const Calls plain = calls_of({});
  EXPECT_EQ(difference(calls_of({}), plain), Calls{}) << "the same again";
  for (const char* name : {"timer_create", "timer_settime", "timerfd_create", "pipe2", "clone", "fork", "setpgid",
                           "rt_sigpending", "rt_sigtimedwait", "clock_gettime", "times", "getrusage"})
    EXPECT_FALSE(plain.contains(name)) << name;
  // Each event is written with SIGPIPE blocked.
  EXPECT_EQ(difference(calls_of({"--status-fd", "30"}), plain), (Calls{{"fcntl", 1},
                                                                       {"newfstatat", 3},
                                                                       {"rt_sigpending", 3},
                                                                       {"rt_sigprocmask", 6},
                                                                       {"rt_sigtimedwait", 3},
                                                                       {"write", 3}}));
  // The counters of the cgroup.
  EXPECT_EQ(difference(calls_of({"--report", "fd:30"}), plain), (Calls{{"fcntl", 1},
                                                                       {"newfstatat", 1},
                                                                       {"openat", 13},
                                                                       {"rt_sigpending", 1},
                                                                       {"rt_sigprocmask", 2},
                                                                       {"rt_sigtimedwait", 1},
                                                                       {"write", 1}}));
  // The watchdog, its pipe, and the timer.
  EXPECT_EQ(difference(calls_of({"--timeout", "1h"}), plain), (Calls{{"clone", 1},
                                                                     {"openat", 3},
                                                                     {"pipe2", 1},
                                                                     {"setpgid", 1},
                                                                     {"timer_create", 1},
                                                                     {"timer_settime", 1},
                                                                     {"write", 1}}));
}

}  // namespace
}  // namespace minirun::testing
