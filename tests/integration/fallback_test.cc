// SPDX-License-Identifier: Apache-2.0
// Ways around what a kernel does not have or a host forbids: each forced, and shown to have been taken.
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>

#include "tests/support/fixture.h"
#include "tests/support/refused_call.h"

namespace minirun::testing {
namespace {

class Fallback : public MinirunTest {};

// As on a host with vm.memfd_noexec=2: memfds that may be executed are refused, and where the kernel knows the flags
// (6.3) so are those that do not say.
void forbid_executable_memfds() {
  constexpr uint32_t kNoexecSeal = 0x08, kExec = 0x10;
  bool knows_flags = syscall(SYS_memfd_create, "probe", kNoexecSeal | MFD_CLOEXEC) >= 0;
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + sizeof(uint64_t)),
      knows_flags ? sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kNoexecSeal, 1, 0)
                  : sock_filter BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, kExec, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof filter / sizeof filter[0], filter};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(97);
}

// As pidfd_create() in kernel/fork.c of Linux 6.1 answers.
TEST_F(Fallback, ProcessThatIsBeingReapedHasEnded) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {}).code, 0);
  StartOptions options;
  options.in_child = [] { refuse_call(SYS_pidfd_open, EINVAL); };
  Outcome state = Running(minirun({"state", id()}), options).finish();
  EXPECT_EQ(state.code, 0) << describe(state);
  EXPECT_NE(state.out.find("\"stopped\""), std::string::npos) << describe(state);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Fallback, InitRunsFromAFileWhereMemfdsMustNotBeExecuted) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "5"});
  StartOptions options;
  options.in_child = forbid_executable_memfds;
  Running container(run_command(bundle, {"--pid-file", kPidFile}), options);
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  // Not a host binary, and not the memfd either: the root of a mount of its own, a file that has no name any more.
  EXPECT_EQ(link_target("/proc/" + std::to_string(container_pid()) + "/exe"), "/ (deleted)");
  container.send(SIGTERM);
  EXPECT_EQ(container.finish().code, 5);
}

TEST_F(Fallback, InitRunsFromAMemfdOtherwise) {
  Bundle bundle;
  bundle.payload({"exit-on", std::to_string(SIGTERM), "5"});
  Running container(run_command(bundle, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  std::string program = link_target("/proc/" + std::to_string(container_pid()) + "/exe");
  EXPECT_NE(program.find("memfd:minirun-init"), std::string::npos) << program;
  container.send(SIGTERM);
  EXPECT_EQ(container.finish().code, 5);
}

// What minirun keeps in memory for itself is data, and says so.
TEST_F(Fallback, FilterIsMadeWhereMemfdsMustNotBeExecuted) {
  Bundle bundle;
  bundle.payload({"true"});
  bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"},
                                       {"syscalls", {{{"names", {"swapoff"}}, {"action", "SCMP_ACT_ERRNO"}}}}};
  StartOptions options;
  options.in_child = forbid_executable_memfds;
  Outcome outcome = run(bundle, {}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

TEST_F(Fallback, PsTableIsPrintedWhereMemfdsMustNotBeExecuted) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  write_new_file(bundle.path() + "/ps", "#!/bin/sh\necho PID; echo 1\n", 0755);
  StartOptions options;
  options.in_child = forbid_executable_memfds;
  options.env = {"PATH=" + bundle.path() + ":/usr/bin:/bin"};
  Outcome outcome = call({"ps", id()}, options);
  EXPECT_EQ(outcome.out, "PID\n") << describe(outcome);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

// Each exec has a file of its own: others may be at it at the same time, and one that was killed leaves its file.
TEST_F(Fallback, ExecsDoNotShareAFileWhereMemfdsMustNotBeExecuted) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  write_new_file(std::string(kState) + "/" + id() + "/init", "of one that was killed", 0500);
  StartOptions options;
  options.in_child = forbid_executable_memfds;
  for (int round = 0; round < 5; ++round) {
    std::vector<std::unique_ptr<Running>> execs;
    for (int i = 0; i < 4; ++i)
      execs.push_back(std::make_unique<Running>(minirun({"exec", id(), "/bin/payload", "true"}), options));
    for (auto& exec : execs) {
      Outcome outcome = exec->finish();
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
    }
  }
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
