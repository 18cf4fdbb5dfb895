// SPDX-License-Identifier: Apache-2.0
// Callers in an odd state, and hostile callers.
#include <fcntl.h>
#include <grp.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>

#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class OddCaller : public Attack {
 protected:
  static std::string status_line(const json& seen, const std::string& name) {
    for (const json& line : seen["status"])
      if (line.get<std::string>().rfind(name + ":", 0) == 0) return line.get<std::string>().substr(name.size() + 2);
    return "(none)";
  }
};

TEST_F(OddCaller, SetuidCopyRefuses) {
  // CVE-2018-6556 and others of lxc-user-nic, CVE-2020-5291 and others of bubblewrap: minirun is never setuid.
  std::string copy = "/run/tests/setuid";
  for (mode_t mode : {04755U, 02755U}) {
    ASSERT_TRUE(copy_program(program("MINIRUN", "minirun"), copy));
    ASSERT_EQ(chown(copy.c_str(), 0, 1), 0);
    ASSERT_EQ(chmod(copy.c_str(), mode), 0);
    StartOptions options;
    options.in_child = [] {
      if (setgroups(0, nullptr) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
        _exit(97);
    };
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{copy, "--version"}, {copy, "--root", kState, "list"}, {copy, "run", "x"}, {copy}}) {
      Outcome outcome = Running(args, options).finish();
      EXPECT_EQ(outcome.code, 1) << describe(outcome);
      EXPECT_EQ(outcome.out, "");
      EXPECT_EQ(outcome.err, "minirun: refusing to run setuid or with file capabilities\n");
    }
    ASSERT_EQ(unlink(copy.c_str()), 0);
  }
}

TEST_F(OddCaller, ClosedStdioInEveryCombination) {
  for (unsigned closed = 0; closed < 8; ++closed) {
    Bundle bundle;
    StartOptions options;
    options.in_child = [closed] {
      for (int fd = 0; fd < 3; ++fd)
        if ((closed >> fd & 1) != 0) close(fd);
    };
    // The container has all three, and none belongs to minirun.
    bundle.payload({"report"});
    Outcome outcome = run(bundle, {}, options);
    EXPECT_EQ(outcome.code, 0) << closed << describe(outcome);
    if ((closed & 2) == 0) {
      json fds = json::parse(outcome.out)["fds"];
      EXPECT_EQ(fds.size(), 3U) << closed << fds;
      for (int fd : {0, 2})
        if ((closed >> fd & 1) != 0) {
          EXPECT_EQ(fds[std::to_string(fd)], "/dev/null") << closed << fds;
        }
    }
    start(bundle);
    outcome = exec({}, {"/bin/payload", "exit", "5"}, options);
    EXPECT_EQ(outcome.code, 5) << closed << describe(outcome);
    end();
    outcome = call({"list"}, options);
    EXPECT_EQ(outcome.code, 0) << closed << describe(outcome);
  }
}

TEST_F(OddCaller, IgnoredAndBlockedSignalsAreNotHandedOn) {
  StartOptions options;
  options.in_child = [] {
    sigset_t all;
    sigfillset(&all);
    for (int number = 1; number < 65; ++number) (void)signal(number, SIG_IGN);  // KILL and STOP: refused
    sigprocmask(SIG_SETMASK, &all, nullptr);
  };
  Bundle bundle;
  json seen = report(bundle, {}, options);
  for (const char* name : {"SigBlk", "SigIgn", "SigPnd"})
    EXPECT_EQ(status_line(seen, name), "0000000000000000") << name;
  json without_init = report(bundle, {"--no-init"}, options);
  for (const char* name : {"SigBlk", "SigIgn"}) EXPECT_EQ(status_line(without_init, name), "0000000000000000") << name;
}

TEST_F(OddCaller, UmaskGroupsAndEnvironmentStayOutside) {
  StartOptions options;
  options.env = {"PATH=/nowhere", "LD_PRELOAD=/evil.so", "SECRET=precious", "HOME=/precious",
                 "IFS=x",         "TMPDIR=/precious"};
  options.in_child = [] {
    umask(0777);
    std::array<gid_t, 3> groups{1234, 5678, 9};
    if (setgroups(groups.size(), groups.data()) != 0) _exit(97);
  };
  Bundle bundle;
  bundle.config["process"]["user"] = {{"uid", 0}, {"gid", 0}, {"additionalGids", {7}}};
  json seen = report(bundle, {}, options);
  EXPECT_EQ(seen["groups"], json::array({7}));
  EXPECT_EQ(seen["umask"], 022);
  EXPECT_EQ(seen["env"].dump().find("precious"), std::string::npos) << seen["env"];
  EXPECT_EQ(seen["env"].dump().find("LD_PRELOAD"), std::string::npos) << seen["env"];
  start(bundle);
  Outcome outcome = exec({}, {"/bin/payload", "report"}, options);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  seen = json::parse(outcome.out);
  EXPECT_EQ(seen["groups"], json::array({7}));
  EXPECT_EQ(seen["env"].dump().find("SECRET"), std::string::npos) << seen["env"];
  end();
}

TEST_F(OddCaller, DeletedWorkingDirectory) {
  make_folders("/run/tests/gone");
  StartOptions options;
  options.in_child = [] {
    if (chdir("/run/tests/gone") != 0 || rmdir("/run/tests/gone") != 0) _exit(97);
  };
  Bundle bundle;
  json seen = report(bundle, {}, options);
  EXPECT_EQ(seen["cwd"], "/");
  make_folders("/run/tests/gone");
  Outcome outcome = call({"run", id()}, options);  // its bundle is the working directory
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
}

TEST_F(OddCaller, TinyLimitsEndInAContainerOrAnError) {
  struct Case {
    int resource;
    rlim_t value;
  };
  // Below the 5 MiB of the program itself, execve(2) ends with SIGSEGV before minirun does anything.
  for (Case c : {Case{RLIMIT_FSIZE, 0}, Case{RLIMIT_FSIZE, 100}, Case{RLIMIT_NOFILE, 3}, Case{RLIMIT_NOFILE, 5},
                 Case{RLIMIT_NOFILE, 9}, Case{RLIMIT_NOFILE, 14}, Case{RLIMIT_NOFILE, 20}, Case{RLIMIT_STACK, 65536},
                 Case{RLIMIT_AS, 6 << 20}, Case{RLIMIT_AS, 64 << 20}, Case{RLIMIT_DATA, 1 << 20},
                 Case{RLIMIT_MEMLOCK, 0}, Case{RLIMIT_SIGPENDING, 0}, Case{RLIMIT_CORE, 0}}) {
    Bundle bundle;
    StartOptions options;
    options.in_child = [c] {
      rlimit limit{c.value, c.value};
      if (setrlimit(static_cast<__rlimit_resource_t>(c.resource), &limit) != 0) _exit(97);
    };
    Outcome outcome = run(bundle, {}, options);
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << c.resource << " " << c.value << describe(outcome);
    if (outcome.code == 1) {
      EXPECT_NE(outcome.err, "") << c.resource << " " << c.value;
    }
  }
}

TEST_F(OddCaller, TerminalIsNotTypedInto) {
  // CVE-2016-10124 (lxc), CVE-2017-5226 (bubblewrap): TIOCSTI puts words into the caller's shell.
  UniqueFd master(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
  ASSERT_EQ(grantpt(master.get()), 0);
  ASSERT_EQ(unlockpt(master.get()), 0);
  std::array<char, 64> name{};
  ASSERT_EQ(ptsname_r(master.get(), name.data(), name.size()), 0);
  UniqueFd slave(open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
  StartOptions options;
  options.stdin_fd = slave.get();
  options.in_child = [] {
    if (setsid() < 0 || ioctl(0, TIOCSCTTY, 0) != 0) _exit(97);
  };
  Bundle bundle;
  for (bool init : {true, false}) {
    bundle.payload({"type-ahead"});
    Outcome outcome = run(bundle, init ? std::vector<std::string>{} : std::vector<std::string>{"--no-init"}, options);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_NE(outcome.out, "TIOCSTI 0\n");
  }
  start(bundle);
  Outcome outcome = exec({}, {"/bin/payload", "type-ahead"}, options);
  EXPECT_NE(outcome.out, "TIOCSTI 0\n") << describe(outcome);
  end();
  int waiting = -1;
  ASSERT_EQ(ioctl(slave.get(), FIONREAD, &waiting), 0);
  EXPECT_EQ(waiting, 0) << "typed words";
}

TEST_F(OddCaller, NoAbstractSocketsAreThereToBeFound) {
  // CVE-2020-15257 (containerd-shim).
  auto abstract_sockets = [] {
    std::string table = content("/proc/net/unix");
    size_t count = 0;
    for (size_t at = 0; (at = table.find(" @", at)) != std::string::npos; ++at) ++count;
    return count;
  };
  size_t before = abstract_sockets();
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.write();
  Outcome outcome = call({"create", "--bundle", bundle.path(), id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(abstract_sockets(), before);
  end();
}

}  // namespace
}  // namespace minirun::testing
