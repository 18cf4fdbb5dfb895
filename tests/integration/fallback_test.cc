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

#include "tests/integration/fixture.h"

namespace minirun::testing {
namespace {

class Fallback : public MinirunTest {};

// As where a seccomp filter or an LSM keeps minirun from making mounts: no copy of one.
void forbid_open_tree() {
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open_tree, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof filter / sizeof filter[0], filter};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(97);
}

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

// exec, which is in a pid namespace with the container's processes, runs from where its file cannot be written to.
class OwnProgram : public Fallback {
 protected:
  void SetUp() override {
    Fallback::SetUp();
    bundle_.payload({"pause"});
    ASSERT_EQ(detach(bundle_).code, 0);
  }
  void TearDown() override {
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    Fallback::TearDown();
  }
  std::vector<std::string> exec_pause() const { return minirun({"exec", id(), "/bin/payload", "pause"}); }
  Bundle bundle_;
};

TEST_F(OwnProgram, IsAReadOnlyMountOfItsOwn) {
  Running exec(exec_pause(), {});
  ASSERT_TRUE(exec.wait_for("ready")) << exec.err();
  std::string program = "/proc/" + std::to_string(exec.pid()) + "/exe";
  EXPECT_EQ(link_target(program), "/");
  // Not even once nobody runs it any more (ETXTBSY before).
  UniqueFd held(open(program.c_str(), O_PATH | O_CLOEXEC));
  ASSERT_TRUE(held);
  exec.send(SIGTERM);
  EXPECT_EQ(exec.finish().code, 128 + SIGTERM) << exec.err();
  EXPECT_LT(open(("/proc/self/fd/" + std::to_string(held.get())).c_str(), O_WRONLY | O_CLOEXEC), 0);
  EXPECT_EQ(errno, EROFS);
}

TEST_F(OwnProgram, IsASealedCopyWhereThereCanBeNoMount) {
  StartOptions options;
  options.in_child = forbid_open_tree;
  Running exec(exec_pause(), options);
  ASSERT_TRUE(exec.wait_for("ready")) << exec.err();
  std::string program = "/proc/" + std::to_string(exec.pid()) + "/exe";
  EXPECT_EQ(link_target(program), "/memfd:minirun (deleted)");
  EXPECT_EQ(content("/proc/" + std::to_string(exec.pid()) + "/comm"), "minirun");
  UniqueFd copy(open(program.c_str(), O_RDONLY | O_CLOEXEC));
  constexpr int kSeals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
  EXPECT_EQ(fcntl(copy.get(), F_GET_SEALS) & kSeals, kSeals);
  // The same program with the same arguments: it does what was asked for.
  exec.send(SIGTERM);
  EXPECT_EQ(exec.finish().code, 128 + SIGTERM) << exec.err();
}

TEST_F(OwnProgram, WithNeitherExecIsRefused) {
  StartOptions options;
  options.in_child = [] {
    forbid_open_tree();
    forbid_executable_memfds();
  };
  Outcome outcome = Running(exec_pause(), options).finish();
  EXPECT_EQ(outcome.code, 255) << describe(outcome);
  for (const char* part : {"exec failed:", "memfd_create", "permission denied"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
}

}  // namespace
}  // namespace minirun::testing
