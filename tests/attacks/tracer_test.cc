// SPDX-License-Identifier: Apache-2.0
// The law of docs/security.md, "Processes within a container's reach", and its proof: a tracer in the container takes
// from each process of minirun's what it can.
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>
#include <string>

#include "tests/attacks/tracer_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class ExecTracer : public Tracer {
 protected:
  void expect_nothing_of_exec(bool filtered, const std::vector<std::string>& flags) {
    Bundle bundle;
    if (filtered) add_filter(bundle);
    std::string said = trace_execs(bundle, flags);
    EXPECT_NE(said.find("findings 0"), std::string::npos) << said;
    EXPECT_EQ(said.find(" before 0 "), std::string::npos) << "nothing was caught between birth and exec: " << said;
  }
};

TEST_F(ExecTracer, FindsNothing) {
  expect_nothing_of_exec(false, {});
}

TEST_F(ExecTracer, FindsNothingUnderAFilter) {
  expect_nothing_of_exec(true, {});
}

TEST_F(ExecTracer, FindsNothingBesideAWorkloadWithoutAnInit) {
  expect_nothing_of_exec(true, {"--no-init"});
}

TEST_F(ExecTracer, FindsNothingInAUserNamespace) {
  for (bool filtered : {false, true}) {
    Bundle bundle;
    bundle.add_user_namespace();
    if (filtered) add_filter(bundle);
    std::string said = trace_execs(bundle);
    EXPECT_NE(said.find("before 0 findings 0"), std::string::npos) << said;
  }
}

// The rows of the table "What is left".
TEST_F(ExecTracer, FindsWhatAProfileThatForbidsTheSessionLeaves) {
  expect_exactly({"filter", "capabilities"}, [&] {
    Bundle bundle;
    add_filter(bundle, {"setsid"});
    return trace_execs(bundle);
  });
}

TEST_F(ExecTracer, FindsWhatASchedulerThatForkingResetsTakes) {
  expect_exactly({"capabilities"}, [&] {
    Bundle bundle;
    bundle.config["process"]["scheduler"] = {
        {"policy", "SCHED_FIFO"}, {"priority", 1}, {"flags", {"SCHED_FLAG_RESET_ON_FORK"}}};
    return trace_execs(bundle);
  });
}

// A process of the host's that goes into the container's pid namespace, with nothing but what it is made to keep.
class PlantedTracer : public Tracer {
 protected:
  struct Kept {
    bool root = false, capabilities = false, descriptor = false, filter = true;
    std::string empty = "";  // a folder to be in, in a user namespace of its own
  };

  static void give_up(const Kept& kept, const std::string& rootfs) {
    if (close_range(0, ~0U, 0) != 0) _exit(2);
    if (kept.descriptor)
      for (int fd = 0; fd < 4; ++fd) (void)open("/run/tests", O_RDONLY | O_DIRECTORY);
    if (!kept.empty.empty() && unshare(CLONE_NEWUSER) != 0) _exit(3);
    if (!kept.root && (chroot(kept.empty.empty() ? rootfs.c_str() : kept.empty.c_str()) != 0 || chdir("/") != 0))
      _exit(4);
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    const __user_cap_data_struct none[2]{};
    if (!kept.capabilities && syscall(SYS_capset, &header, none) != 0) _exit(5);
    sock_filter allow{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    sock_fprog program{1, &allow};
    if (kept.filter && (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
                        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0))
      _exit(6);
  }

  // What the tracer says of it.
  std::set<std::string> kinds_of(const Kept& kept) {
    Bundle bundle;
    add_filter(bundle);
    start_tracer(bundle);
    const std::string path = "/proc/" + std::to_string(container_pid()) + "/ns/pid";
    pid_t stage = fork();
    if (stage == 0) {
      UniqueFd ns(open(path.c_str(), O_RDONLY | O_CLOEXEC));
      if (setns(ns.get(), CLONE_NEWPID) != 0) _exit(1);
      give_up(kept, bundle.rootfs());
      pid_t leak = fork();
      if (leak == 0)
        for (;;) (void)pause();
      (void)usleep(300'000);
      // Its end is seen by the container's init: a tracer that never looks keeps it from this process.
      _exit(leak > 0 && kill(leak, SIGKILL) == 0 ? 0 : 1);
    }
    int status = -1;
    EXPECT_EQ(waitpid(stage, &status, 0), stage);
    EXPECT_EQ(status, 0);
    return kinds(end_and_hear());
  }
};

using Kinds = std::set<std::string>;

TEST_F(PlantedTracer, FindsEachKindOfLeakAlone) {
  // The program of this test and its memory are always there.
  const Kinds always = {"program", "memory"};
  EXPECT_EQ(kinds_of({}), always);
  EXPECT_EQ(kinds_of({.root = true}), Kinds({"program", "memory", "root"}));
  EXPECT_EQ(kinds_of({.capabilities = true}), Kinds({"program", "memory", "capabilities"}));
  EXPECT_EQ(kinds_of({.descriptor = true}), Kinds({"program", "memory", "descriptor"}));
  EXPECT_EQ(kinds_of({.filter = false}), Kinds({"program", "memory", "filter"}));
}

TEST_F(PlantedTracer, FindsEachKindOfLeakOfOneInAnEmptyTree) {
  const std::string empty = "/run/tests/empty";
  make_folders(empty);
  EXPECT_EQ(kinds_of({.empty = empty}), Kinds({"program", "memory"}));
  EXPECT_EQ(kinds_of({.descriptor = true, .empty = empty}), Kinds({"program", "memory", "descriptor"}));
  EXPECT_EQ(kinds_of({.filter = false, .empty = empty}),
            Kinds({"program", "memory", "filter of an empty one", "new privileges of an empty one"}));
  remove_tree(empty);
}

}  // namespace
}  // namespace minirun::testing
