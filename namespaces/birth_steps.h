// SPDX-License-Identifier: Apache-2.0
// How the container's process is born when it joins namespaces: BirthWay in step_kinds.h. Child side of clone: see
// executor.h for the rules.
#pragma once

#include "namespaces/futex.h"
#include "namespaces/start_steps.h"

namespace minirun {

template <class Kernel>
class BirthSteps : public StartSteps<Kernel> {
 public:
  using Base = StartSteps<Kernel>;
  using Base::Base;

  // This process has no ids yet in its new user namespace: the parent maps them from outside.
  long await_id_maps() {
    long rc = this->send(Message::unmapped, 0, -1);
    return rc < 0 ? rc : this->receive(Message::mapped);
  }

  long become_root() {
    long rc = this->call(__NR_setgroups, 0, 0);
    if (rc < 0 && rc != -EPERM) return rc;  // EPERM: denied to the unprivileged (user_namespaces(7))
    rc = this->call(__NR_setresgid, 0, 0, 0);
    if (rc >= 0) rc = this->call(__NR_setresuid, 0, 0, 0);
    return rc < 0 ? rc : this->hide_again();
  }

  // A workload whose init waits keeps nothing: it shares the members with its init.
  long close_descriptors(const steps::CloseDescriptors& step) {
    if (step.left_open == LeftOpen::nothing) return close_all(step.first);
    if (step.left_open == LeftOpen::init) return this->call(__NR_close_range, step.first, 0xffffffff, 0);
    constexpr uint64_t kEnd = 0x100000000;
    const long proc = step.keeps_proc != 0 ? this->proc_ : -1;
    const long memory = step.socket.index == kNoSlot ? -1 : this->plan_->memory;  // for start, as the socket is
    const long kept[] = {this->control_, memory, this->slot(step.socket), this->slot(step.gate), proc};
    for (uint64_t at = step.first; at < kEnd;) {
      uint64_t next = kEnd;
      for (long fd : kept)
        if (fd >= 0 && descriptor(fd) >= at && descriptor(fd) < next) next = descriptor(fd);
      long rc = next > at ? this->call(__NR_close_range, at, next - 1, 0) : 0;
      if (rc < 0) return rc;
      at = next + 1;
    }
    this->forget_descriptors();
    this->proc_ = proc;
    return 0;
  }

  // Returns 0 in the new process, and in the outer one, which stops here. Uses clone(2): profiles forbid clone3(2),
  // whose arguments they cannot see.
  long birth(const steps::Birth& step) {
    constexpr uint64_t kParent = 0x8000, kParentSetTid = 0x100000, kVfork = 0x4000;
    Birth* birth = &this->plan_->birth;
    uint64_t all = step.types.value | kParent | kParentSetTid | kSigchld;
    if (step.way == BirthWay::last || step.way == BirthWay::held) all |= kVfork;
    this->close_proc();  // it may be the host's
    long pid = this->call(__NR_clone, all, 0, address(&birth->child), 0, 0);
    if (pid < 0) return pid;
    if (pid == 0) return 0;
    this->ended_ = true;
    if (step.way == BirthWay::last && step.dies_with_parent != 0) follow_parent(birth->parent, pid);
    return 0;
  }

  // Executes nothing before other commands can find this process. If minirun died before die_with_parent, the parent is
  // another process. A parent outside this pid namespace has the number 0 here (pid_namespaces(7)).
  long await_commit() {
    Birth* birth = &this->plan_->birth;
    long parent = this->call(__NR_getppid);
    if (parent < 0) return parent;
    if (parent != 0 && parent != birth->parent) return this->failed(__NR_getppid, -ESRCH);
    await_change(this->kernel_, &birth->word, kNotBorn);  // minirun alone writes it
    return 0;
  }

 protected:
  // From here on this process reports only through the plan's memory.
  long close_all(uint64_t first) {
    long rc = this->call(__NR_close_range, first, 0xffffffff, 0);
    if (rc < 0) return rc;
    this->control_ = -1;
    this->forget_descriptors();
    return 0;
  }

 private:
  // minirun may have died before the new process asked for the signal. That process has no descriptor to detect it, so
  // this one checks, after the other's exec.
  void follow_parent(int32_t parent, long pid) {
    long now = this->kernel_.call(__NR_getppid);  // the filter may forbid it
    if (now > 0 && now != parent) (void)this->kernel_.call(__NR_kill, descriptor(pid), kSigkill);
  }
};

}  // namespace minirun
