// Ways around what a kernel does not have or a host forbids: each forced, and shown to have been taken.
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

}  // namespace
}  // namespace minirun::testing
