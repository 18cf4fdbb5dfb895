// SPDX-License-Identifier: Apache-2.0
// How the container's process comes to be where namespaces are joined: BirthWay in plan.h. Child side of clone: see
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

  // In a new user namespace, where this process has no ids yet: the parent maps them, from outside.
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

  // A workload whose init waits keeps nothing; the members are those of its init.
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

  // Returns 0 in the new process, and in the outer one, which walks no further. By clone(2), as profiles forbid
  // clone3(2), whose arguments they cannot see.
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

  // Nothing is executed before other commands can find this process. minirun may have died before die_with_parent: then
  // the parent is another one. Who is no process of this pid namespace has the number 0 here (pid_namespaces(7)).
  long await_commit() {
    Birth* birth = &this->plan_->birth;
    long parent = this->call(__NR_getppid);
    if (parent < 0) return parent;
    if (parent != 0 && parent != birth->parent) return this->failed(__NR_getppid, -ESRCH);
    await_change(this->kernel_, &birth->word, kNotBorn);  // minirun alone writes it
    return 0;
  }

 protected:
  // From here on only the report speaks for this process.
  long close_all(uint64_t first) {
    long rc = this->call(__NR_close_range, first, 0xffffffff, 0);
    if (rc < 0) return rc;
    this->control_ = -1;
    this->forget_descriptors();
    return 0;
  }

 private:
  // minirun may have died before the new process had asked for the signal. It has no descriptor to see that by, so
  // this one looks, after its exec.
  void follow_parent(int32_t parent, long pid) {
    long now = this->kernel_.call(__NR_getppid);  // the filter may forbid it
    if (now > 0 && now != parent) (void)this->kernel_.call(__NR_kill, descriptor(pid), kSigkill);
  }
};

}  // namespace minirun
