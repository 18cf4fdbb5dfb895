// SPDX-License-Identifier: Apache-2.0
// The default profile, compiled as `run` compiles it, and asked.
#include "runtime/edit/seccomp_profile.h"

#include <gtest/gtest.h>
#include <linux/audit.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "runtime/edit/seccomp_calls.h"
#include "runtime/oci/bundle.h"
#include "runtime/oci/default_spec.h"
#include "runtime/text/json_edit.h"
#include "tests/unit/seccomp/seccomp_filter.h"

namespace minirun {
namespace {

using Bounding = std::vector<std::string>;

constexpr uint32_t kRefused = SECCOMP_RET_ERRNO | EPERM;
constexpr uint32_t kMissing = SECCOMP_RET_ERRNO | ENOSYS;

// The section as the parser reads it.
oci::Seccomp section_for(const Bounding& bounding) {
  auto config = JsonEdit::parse(default_spec(std::nullopt));
  EXPECT_TRUE(config->set("/linux/seccomp", default_seccomp(bounding)).ok());
  auto bundle = parse_config(config->text());
  EXPECT_TRUE(bundle.ok()) << (bundle.ok() ? "" : bundle.error().text());
  return bundle.ok() ? *bundle->spec->linux_.seccomp : oci::Seccomp();
}

std::set<std::string> words_of(std::string_view text) {
  std::istringstream stream{std::string(text)};
  return {std::istream_iterator<std::string>(stream), {}};
}

// The calls of one of the kernel's headers, which are those of some older kernel.
std::set<std::string> header_calls(const std::string& table) {
  std::ifstream file("/usr/include/x86_64-linux-gnu/asm/unistd_" + table + ".h");
  std::set<std::string> names;
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("#define __NR_")) names.insert(line.substr(13, line.find(' ', 13) - 13));
  return names;
}

TEST(SeccompProfile, EachCallOfTheKernelIsInOneGroup) {
  std::set<std::string> all;
  for (const SeccompGroup& group : seccomp_groups()) {
    EXPECT_EQ(group.decision == SeccompDecision::with_capability, !group.capabilities.empty()) << group.about;
    for (const std::string& name : words_of(group.calls)) EXPECT_TRUE(all.insert(name).second) << name << " twice";
  }
  for (const char* table : {"64", "32", "x32"}) {
    auto names = header_calls(table);
    if (names.empty()) GTEST_SKIP() << "no kernel headers here";
    for (const std::string& name : names) EXPECT_TRUE(all.contains(name)) << name << " is in no group";
  }
}

TEST(SeccompProfile, TheManualHasEachCall) {
  std::ifstream file(MINIRUN_SOURCE_DIR "/docs/seccomp.md");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  for (const SeccompGroup& group : seccomp_groups()) {
    if (group.decision == SeccompDecision::allowed) continue;
    EXPECT_NE(text.find(group.about), std::string::npos) << group.about;
    for (const std::string& name : words_of(group.calls)) {
      bool word = text.find("`" + name + "`") != std::string::npos;
      EXPECT_TRUE(word) << name << " is not in docs/seccomp.md";
    }
    for (const std::string& name : words_of(group.capabilities)) EXPECT_NE(text.find(name), std::string::npos) << name;
  }
}

TEST(SeccompProfile, HasAReasonableSize) {
  const Filter filter(section_for({}));
  EXPECT_GT(filter.program().filter.size(), 100U);
  EXPECT_LT(filter.program().filter.size(), 1000U);
}

#if defined(__x86_64__)

TEST(SeccompProfile, AllowsWhatProgramsNeed) {
  const Filter filter(section_for({}));
  for (long call : {SYS_read, SYS_openat, SYS_execve, SYS_mmap, SYS_futex, SYS_epoll_wait, SYS_setuid, SYS_ptrace,
                    SYS_faccessat2, SYS_rseq, SYS_getrandom, SYS_memfd_create, SYS_seccomp, SYS_landlock_add_rule})
    EXPECT_EQ(filter.answer(static_cast<uint32_t>(call)), SECCOMP_RET_ALLOW) << call;
}

TEST(SeccompProfile, RefusesWhatReachesTheHost) {
  const Filter filter(section_for({}));
  for (long call : {SYS_mount,
                    SYS_umount2,
                    SYS_pivot_root,
                    SYS_unshare,
                    SYS_setns,
                    SYS_bpf,
                    SYS_perf_event_open,
                    SYS_keyctl,
                    SYS_add_key,
                    SYS_request_key,
                    SYS_init_module,
                    SYS_finit_module,
                    SYS_delete_module,
                    SYS_kexec_load,
                    SYS_reboot,
                    SYS_swapon,
                    SYS_io_uring_setup,
                    SYS_io_uring_enter,
                    SYS_io_uring_register,
                    SYS_userfaultfd,
                    SYS_open_by_handle_at,
                    SYS_move_mount,
                    SYS_fsopen,
                    SYS_iopl,
                    SYS_clock_settime,
                    SYS_acct,
                    SYS_syslog,
                    SYS_chroot,
                    SYS_kcmp,
                    SYS_pidfd_getfd})
    EXPECT_EQ(filter.answer(static_cast<uint32_t>(call)), kRefused) << call;
  EXPECT_EQ(filter.answer(5000), kMissing) << "newer than the profile";
  EXPECT_EQ(filter.answer(0, {}, AUDIT_ARCH_AARCH64), SECCOMP_RET_KILL_THREAD) << "not of this machine";
}

TEST(SeccompProfile, OpensTheCallsOfACapability) {
  const struct {
    const char* capability;
    std::vector<long> calls;
  } opened[] = {{"CAP_SYS_ADMIN",
                 {SYS_mount, SYS_umount2, SYS_unshare, SYS_setns, SYS_bpf, SYS_perf_event_open, SYS_fsopen, SYS_syslog,
                  SYS_pivot_root, SYS_sethostname, SYS_clone3, SYS_fanotify_init}},
                {"CAP_BPF", {SYS_bpf}},
                {"CAP_PERFMON", {SYS_perf_event_open}},
                {"CAP_SYSLOG", {SYS_syslog}},
                {"CAP_SYS_BOOT", {SYS_reboot}},
                {"CAP_SYS_CHROOT", {SYS_chroot}},
                {"CAP_SYS_MODULE", {SYS_init_module, SYS_finit_module, SYS_delete_module}},
                {"CAP_SYS_NICE", {SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy}},
                {"CAP_SYS_PACCT", {SYS_acct}},
                {"CAP_SYS_PTRACE", {SYS_kcmp, SYS_pidfd_getfd, SYS_process_madvise}},
                {"CAP_SYS_RAWIO", {SYS_iopl, SYS_ioperm}},
                {"CAP_SYS_TIME", {SYS_clock_settime, SYS_settimeofday}},
                {"CAP_SYS_TTY_CONFIG", {SYS_vhangup}},
                {"CAP_DAC_READ_SEARCH", {SYS_open_by_handle_at}}};
  const Filter without(section_for({"CAP_CHOWN"}));
  for (const auto& [capability, calls] : opened) {
    const Filter filter(section_for({capability}));
    for (long call : calls) {
      EXPECT_EQ(filter.answer(static_cast<uint32_t>(call)), SECCOMP_RET_ALLOW) << capability << " " << call;
      EXPECT_NE(without.answer(static_cast<uint32_t>(call)), SECCOMP_RET_ALLOW) << call;
    }
    EXPECT_EQ(filter.answer(SYS_io_uring_setup), kRefused) << capability;
    EXPECT_EQ(filter.answer(SYS_keyctl), kRefused) << capability;
  }
}

// The numbers of all three tables: native, x32 with its bit, i386.
struct CallNumbers {
  uint32_t native, i386;
};

TEST(SeccompProfile, NewNamespacesAreRefusedInEachTable) {
  const Filter filter(section_for({})), admin(section_for({"CAP_SYS_ADMIN"}));
  constexpr CallNumbers kClone = {SYS_clone, 120}, kClone3 = {SYS_clone3, 435};
  for (uint64_t flag : {uint64_t{CLONE_NEWNS}, uint64_t{CLONE_NEWUSER}, uint64_t{CLONE_NEWNET}, uint64_t{CLONE_NEWPID},
                        uint64_t{CLONE_NEWIPC}, uint64_t{CLONE_NEWUTS}, uint64_t{CLONE_NEWCGROUP}}) {
    const Args args = {flag | CLONE_VM | 17};
    EXPECT_EQ(filter.answer(kClone.native, args), kRefused) << flag;
    EXPECT_EQ(filter.answer(kClone.native | kX32Bit, args), kRefused) << flag;
    EXPECT_EQ(filter.answer(kClone.i386, args, AUDIT_ARCH_I386), kRefused) << flag;
    EXPECT_EQ(admin.answer(kClone.native, args), SECCOMP_RET_ALLOW) << flag;
  }
  const Args thread = {CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM};
  EXPECT_EQ(filter.answer(kClone.native, thread), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(kClone.i386, thread, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW);
  EXPECT_EQ(filter.answer(kClone3.native), kMissing);
  EXPECT_EQ(filter.answer(kClone3.native | kX32Bit), kMissing);
  EXPECT_EQ(filter.answer(kClone3.i386, {}, AUDIT_ARCH_I386), kMissing);
}

TEST(SeccompProfile, VsockIsRefusedInEachTableAndThroughSocketcall) {
  const Filter filter(section_for({})), admin(section_for({"CAP_SYS_ADMIN"}));
  constexpr uint32_t kSocketcall = 102, kSocket32 = 359;
  for (const Filter* one : {&filter, &admin}) {
    EXPECT_EQ(one->answer(SYS_socket, {AF_VSOCK}), kRefused);
    EXPECT_EQ(one->answer(SYS_socket | kX32Bit, {AF_VSOCK}), kRefused);
    EXPECT_EQ(one->answer(kSocket32, {AF_VSOCK}, AUDIT_ARCH_I386), kRefused);
    // The kernel reads the domain from memory: no call of it at all.
    for (uint64_t operation : {1ULL, 1ULL << 32 | 1, 2ULL, 3ULL, 18ULL, 0ULL})
      EXPECT_EQ(one->answer(kSocketcall, {operation, 0xffff0000}, AUDIT_ARCH_I386), kMissing) << operation;
    for (uint64_t domain : std::vector<uint64_t>{AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET}) {
      EXPECT_EQ(one->answer(SYS_socket, {domain}), SECCOMP_RET_ALLOW) << domain;
      EXPECT_EQ(one->answer(SYS_socket | kX32Bit, {domain}), SECCOMP_RET_ALLOW) << domain;
      EXPECT_EQ(one->answer(kSocket32, {domain}, AUDIT_ARCH_I386), SECCOMP_RET_ALLOW) << domain;
    }
  }
  // The kernel takes the domain as an int too.
  EXPECT_EQ(filter.answer(SYS_socket, {uint64_t{1} << 32 | AF_VSOCK}), kRefused);
  for (uint64_t domain = 0; domain < 64; ++domain)
    EXPECT_EQ(filter.answer(SYS_socket, {domain}) == SECCOMP_RET_ALLOW, domain != AF_VSOCK) << domain;
}

TEST(SeccompProfile, PersonalityKeepsTheAddressesRandom) {
  const Filter filter(section_for({}));
  for (uint64_t persona : {0ULL, 8ULL, 0x20000ULL, 0x20008ULL, 0xffffffffULL})
    EXPECT_EQ(filter.answer(SYS_personality, {persona}), SECCOMP_RET_ALLOW) << persona;
  EXPECT_EQ(filter.answer(SYS_personality, {~uint64_t{0}}), SECCOMP_RET_ALLOW) << "personality(-1) of glibc";
  for (uint64_t persona : {0x40000ULL, 0x40008ULL, 4ULL, 0x100000ULL, 0x400000ULL})
    EXPECT_EQ(filter.answer(SYS_personality, {persona}), kRefused) << persona;
}

TEST(SeccompProfile, TheOtherTablesRefuseTheSame) {
  const Filter filter(section_for({}));
  constexpr uint32_t kMount = 21, kUmount = 22, kVm86 = 166, kKeyctl = 288, kUnshare = 310, kSetns = 346, kBpf = 357,
                     kIoUringSetup = 425, kStime = 25, kClockSettime64 = 404, kSysctl = 149;
  for (uint32_t call :
       {kMount, kUmount, kVm86, kKeyctl, kUnshare, kSetns, kBpf, kIoUringSetup, kStime, kClockSettime64, kSysctl})
    EXPECT_EQ(filter.answer(call, {}, AUDIT_ARCH_I386), kRefused) << call;
  for (long call : {SYS_mount, SYS_unshare, SYS_keyctl, SYS_bpf, SYS_io_uring_setup})
    EXPECT_EQ(filter.answer(static_cast<uint32_t>(call) | kX32Bit), kRefused) << call;
  EXPECT_EQ(filter.answer(5000, {}, AUDIT_ARCH_I386), kMissing);
}

#endif

}  // namespace
}  // namespace minirun
