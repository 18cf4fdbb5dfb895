// SPDX-License-Identifier: Apache-2.0
// minirun as root of a user namespace that maps all ids onto themselves, as systemd's PrivateUsers=full makes: its
// uid_map reads as the host's, its root is none of the host's.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

void write_map(pid_t pid, const char* file) {
  std::string path = "/proc/" + std::to_string(pid) + "/" + file;
  if (!write_control(AT_FDCWD, path, "0 0 4294967295")) _exit(97);
}

// Only a process outside may map what is not its own.
void enter_mapped_user_namespace() {
  int made[2];
  if (pipe2(made, O_CLOEXEC) != 0) _exit(97);
  pid_t own = getpid(), outside = fork();
  if (outside == 0) {
    char byte = 0;
    if (read(made[0], &byte, 1) != 1) _exit(97);
    write_map(own, "uid_map");
    write_map(own, "gid_map");
    _exit(0);
  }
  int status = 0;
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0 || write(made[1], "x", 1) != 1) _exit(97);
  if (waitpid(outside, &status, 0) != outside || status != 0) _exit(97);
}

class IdentityMap : public MinirunTest {
 protected:
  Outcome run_inside(const std::vector<std::string>& globals) {
    bundle_.payload({"report"});
    bundle_.write();
    std::vector<std::string> args = globals;
    args.insert(args.end(), {"run", "--bundle", bundle_.path(), id()});
    StartOptions options;
    options.in_child = enter_mapped_user_namespace;
    return call(args, options);
  }
  Bundle bundle_;
};

// What only the host's root can do, such as a filter for devices, is not tried.
TEST_F(IdentityMap, IsNotTakenForTheHostsRoot) {
  for (const std::vector<std::string>& globals : {std::vector<std::string>{}, {"--cgroup-manager", "disabled"}}) {
    Outcome outcome = run_inside(globals);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(json::parse(outcome.out)["uids"], json::array({0, 0, 0}));
  }
}

TEST_F(IdentityMap, WithoutACgroupShowsThatOfMinirun) {
  bundle_.drop_namespace("cgroup");
  bundle_.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"});
  Outcome outcome = run_inside({"--cgroup-manager", "disabled"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
