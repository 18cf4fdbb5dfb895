// SPDX-License-Identifier: Apache-2.0
// Opens a procfs of a pid namespace that this process is not in. Only a process of that namespace can open one
// (proc_init_fs_context() in the kernel), and a tracer there controls that process. So the process has nothing: an
// empty tree, no descriptors, capabilities only in its own user namespace, and a filter that allows little more than
// fsopen(2). Child side of clone: see executor.h for the rules.
#pragma once

#include "namespaces/birth_steps.h"
#include "namespaces/resident_filter.h"

namespace minirun {

constexpr uint64_t kLendFiles = 0x400;  // CLONE_FILES: what the child opens is in the table of its parent

// clone(2) alone has an argument that counts: with another a child could get new namespaces.
constexpr uint32_t kLendCalls[] = {__NR_fsopen, __NR_wait4, __NR_prctl, __NR_futex, __NR_exit_group};
constexpr unsigned kLendCallCount = sizeof kLendCalls / sizeof kLendCalls[0];
constexpr unsigned kLendFilterLength = 8 + kLendCallCount + 2;

struct LendFilter {
  BpfInstruction code[kLendFilterLength];
};

constexpr LendFilter make_lend_filter() {
  using namespace bpf;
  LendFilter filter{};
  unsigned at = 0;
  constexpr uint32_t kCloneFlags = kLendFiles | kSigchld;
  constexpr uint32_t kFlagsAt = 16;  // the low half of the first argument, on machines of this byte order
  filter.code[at++] = {kLoad, 0, 0, kArchAt};
  filter.code[at++] = {kEqual, 1, 0, kArch};
  filter.code[at++] = {kReturn, 0, 0, kKill};
  filter.code[at++] = {kLoad, 0, 0, kNumberAt};
  filter.code[at++] = {kEqual, 0, 3, __NR_clone};
  filter.code[at++] = {kLoad, 0, 0, kFlagsAt};
  filter.code[at++] = {kEqual, static_cast<uint8_t>(kLendCallCount + 2), 0, kCloneFlags};
  filter.code[at++] = {kReturn, 0, 0, kRefuse};
  for (unsigned i = 0; i < kLendCallCount; i++)
    filter.code[at++] = {kEqual, static_cast<uint8_t>(kLendCallCount - i), 0, kLendCalls[i]};
  filter.code[at++] = {kReturn, 0, 0, kRefuse};
  filter.code[at++] = {kReturn, 0, 0, kAllow};
  return filter;
}

template <class Kernel>
class LendSteps : public BirthSteps<Kernel> {
 public:
  using Base = BirthSteps<Kernel>;
  using Base::Base;

  // The contexts get the first numbers of this table. minirun takes them from here (pidfd_getfd(2)) and ends this
  // process.
  long lend_proc(const steps::LendProc& step) {
    uint32_t* word = &this->plan_->birth.word;
    long rc = give_up_everything(step.moves_root != 0);
    if (rc < 0) return rc;
    long pid = this->call(__NR_clone, kLendFiles | kSigchld, 0, 0, 0, 0);
    if (pid < 0) return pid;
    if (pid == 0) {
      this->kernel_.exit(open_procs(step.count));
      return 0;
    }
    int32_t status = 0;
    do {
      rc = this->call(__NR_wait4, descriptor(pid), address(&status), 0, 0);
    } while (rc == -EINTR);
    if (rc < 0) return rc;
    if (status != 0) return this->failed(__NR_fsopen, (status & 0x7f) != 0 ? -ECHILD : -((status >> 8) & 0xff));
    rc = this->prctl(kPrSetDumpable, 1);  // only the contexts are left to take, and only minirun can
    if (rc < 0) return rc;
    set_and_wake(this->kernel_, word, kProcLent);
    await_change(this->kernel_, word, kProcLent);
    return 0;
  }

 private:
  // If no user namespace can be made (user.max_user_namespaces, a sandbox), it keeps CAP_SYS_ADMIN for fsopen.
  long give_up_everything(bool moves_root) {
    constexpr uint64_t kNewUser = 0x10000000, kNewNs = 0x00020000, kAdmin = uint64_t{1} << 21, kSpecAllow = 4;
    bool whole = this->new_namespaces({kNewUser | kNewNs}) < 0;
    long rc = whole ? this->new_namespaces({kNewNs}) : 0;
    if (rc >= 0) rc = this->make_empty_directory();
    if (rc >= 0) rc = this->place_root_at(rc, "/", abi::kMsSlave | abi::kMsRecursive);
    if (rc >= 0) rc = moves_root ? this->change_root() : this->pivot();
    if (rc >= 0) rc = this->close_all(0);
    if (rc >= 0 && whole) rc = this->capabilities({.effective = kAdmin, .permitted = kAdmin});
    if (rc >= 0) rc = this->prctl(kPrSetDumpable, 0);  // the change of credentials may have undone it
    if (rc >= 0) rc = this->no_new_privileges();
    if (rc < 0) return rc;
    constexpr LendFilter kFilter = make_lend_filter();
    rc = this->load_filter(&kFilter, kLendFilterLength, kSpecAllow);
    bool no_filters = rc == -ENOSYS || rc == -EINVAL;  // a kernel without CONFIG_SECCOMP_FILTER
    return no_filters ? 0 : rc;
  }

  // The exit status of the child: the error.
  int open_procs(uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
      long context = this->kernel_.call(__NR_fsopen, address("proc"), abi::kFsopenCloexec);
      if (context < 0) return static_cast<int>(-context);
    }
    return 0;
  }
};

}  // namespace minirun
