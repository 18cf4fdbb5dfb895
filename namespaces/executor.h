// SPDX-License-Identifier: Apache-2.0
// The executor: walks a plan on the child side of clone until the workload's exec or the first failure.
//
// Rules (checked by the build: the init program has no undefined symbol): only the Kernel it is given, no libc, no
// allocation, no static state, no decision about the configuration. A step succeeds, is tolerated by a flag of its
// own, or stops the launch with {step, errno, call} in the report. Tests run the same code on a recording and on a
// failing kernel.
#pragma once

#include "namespaces/futex.h"
#include "namespaces/lend_steps.h"
#include "namespaces/resident_filter.h"
#include "namespaces/resident_loop.h"

namespace minirun {

template <class Kernel>
class Executor : public LendSteps<Kernel> {
 public:
  // plan: a complete image, mapped writable and shared with the parent.
  Executor(Kernel& kernel, PlanHeader* plan)
      : LendSteps<Kernel>(kernel, plan->control), plan_(plan), base_(reinterpret_cast<char*>(plan)) {}

  // Walks all steps. Returns only when a step failed (the report is filled in and sent), with the status for exit(2);
  // or, with a kernel that only records, when it is through.
  int run() {
    long rc = walk(0, plan_->step_count);
    return rc < 0 ? report_failure() : 0;
  }

 private:
  const char* text(uint64_t offset) const { return base_ + offset; }
  int32_t* slots() const { return reinterpret_cast<int32_t*>(base_ + plan_->slots); }
  long slot(uint64_t index) const { return index == kNoSlot ? -1 : slots()[index]; }
  long mount_of(const Step& step, uint64_t index) const {
    if ((step.flags & kOfSlot) != 0) return slot(index);
    return (step.flags & kOfKept) != 0 ? this->kept(index) : -1;
  }

  long walk(uint32_t first, uint32_t end) {
    const Step* steps = reinterpret_cast<const Step*>(base_ + plan_->steps);
    for (uint32_t i = first; i < end && !ended_; i++) {
      long rc = perform(steps[i], i);
      if (rc == -ELOOP && this->reopen(steps[i], slots())) rc = perform(steps[i], i);
      bool missing = rc == -ENOENT || rc == -ENOTDIR;
      if (rc >= 0 || (missing && (steps[i].flags & kTolerateMissing) != 0)) continue;
      Report& report = plan_->report;
      if (report.state == kFailed) return rc;  // the workload's half has reported it already
      report.step = i;
      report.error = static_cast<int32_t>(-rc);
      report.syscall = this->failed_call();
      report.state = kFailed;
      return rc;
    }
    return 0;
  }

  long perform(const Step& step, uint32_t index) {
    const uint64_t* a = step.arg;
    switch (step.op) {
      case Op::join_namespace:
        return this->join_namespace(slot(a[0]), a[1]);
      case Op::new_namespaces:
        return this->new_namespaces(a[0]);
      case Op::place_root:
        return this->place_root(slot(a[0]), text(a[1]), a[2]);
      case Op::pivot:
        return this->pivot();
      case Op::enter:
        return this->enter(slot(a[0]));
      case Op::take_root:
        return this->take_root(slot(a[0]));
      case Op::change_root:
        return this->change_root();
      case Op::cover_root:
        return this->cover_root();
      case Op::hide:
        return this->hide(text(a[0]), plan_->report.detail);
      case Op::open_root:
        return this->open_root();
      case Op::mount_new:
        return this->mount_new(text(a[0]), {text(a[1]), a[2], text(a[3]), a[4], a[5], step.flags},
                               plan_->report.detail);
      case Op::mount_proc:
        return this->mount_proc(slot(a[0]), {text(a[1]), a[2], text(a[3]), a[4], a[5], step.flags},
                                plan_->report.detail);
      case Op::attach:
        return this->attach(slot(a[0]), text(a[1]), a[2], a[3], a[4], step.flags, plan_->report.detail);
      case Op::bind_own:
        return this->bind_own(mount_of(step, a[5] & 0xffffffff), text(a[0] + (a[5] >> 32)), text(a[1]), step,
                              plan_->report.detail);
      case Op::take_sources:
        return this->take_sources(a[0], a[1], slots(), plan_->slot_count);
      case Op::set_attributes:
        return this->set_attributes(text(a[0]), mount_of(step, a[4]), a[1], a[2], a[3]);
      case Op::reconfigure:
        return this->reconfigure(mount_of(step, a[3]), text(a[1]), a[2], plan_->report.detail);
      case Op::directory:
        return this->directory(text(a[0]), plan_->report.detail);
      case Op::device:
        return this->device(text(a[0]), a[1], a[2], a[3], a[4]);
      case Op::symlink:
        return this->symlink(text(a[0]), text(a[1]), text(a[a[2] == kNoText ? 0 : 2]), step.flags);
      case Op::mask:
        return this->mask(text(a[0]), slot(a[1]), step.flags, plan_->report.detail);
      case Op::make_readonly:
        return this->make_readonly(text(a[0]), step.flags, plan_->report.detail);
      case Op::open_proc:
        return this->open_proc(a[0]);
      case Op::write_proc:
        return this->write_proc(text(a[0]), text(a[1]), step.flags);
      case Op::terminal:
        return this->terminal(text(a[0]), a[1], a[2], a[3], plan_->report.detail);
      case Op::keep_line_ends:
        return this->keep_line_ends();
      case Op::bind_console:
        return this->bind_console(text(a[0]), plan_->report.detail);
      case Op::take_terminal:
        return this->take_terminal();
      default:
        return perform_process(step, index);
    }
  }

  long perform_process(const Step& step, uint32_t index) {
    const uint64_t* a = step.arg;
    switch (step.op) {
      case Op::die_with_parent:
        return this->die_with_parent();
      case Op::become_root:
        return this->become_root();
      case Op::await_id_maps:
        return this->await_id_maps();
      case Op::close_descriptors:
        return close_descriptors(a);
      case Op::await_commit:
        return this->await_commit(&plan_->birth);
      case Op::lend_proc:
        return this->lend_proc(a[0], a[1] != 0, &plan_->birth.word);
      case Op::birth:
        return this->birth(a[0], a[2], a[3] != 0, &plan_->birth, &ended_);
      case Op::gate:
        return this->gate(a[1]);
      case Op::outlive:
        return this->outlive();
      case Op::heed_signals:
        return this->heed_signals();
      case Op::await_start:
        return this->await_start(slot(a[0]), plan_->memory, a[1] != 0);
      case Op::redirect:
        return this->redirect(slot(a[0]), a[1]);
      case Op::keyring:
        return this->keyring(text(a[0]));
      case Op::cpu_affinity:
        return this->cpu_affinity(text(a[0]), a[1]);
      case Op::loopback:
        return this->loopback();
      case Op::hostname:
        return this->hostname(text(a[0]));
      case Op::domainname:
        return this->domainname(text(a[0]));
      case Op::own_stdio:
        return this->own_stdio(a[0]);
      case Op::raise_limit:
        return this->raise_limit(a[0], a[1], a[2]);
      case Op::rlimit:
        return this->rlimit(a[0], a[1], a[2]);
      case Op::personality:
        return this->personality(a[0]);
      case Op::scheduler:
        return this->scheduler(text(a[0]));
      case Op::memory_policy:
        return this->memory_policy(a[0], text(a[1]), a[2]);
      case Op::io_priority:
        return this->io_priority(a[0]);
      case Op::umask:
        return this->umask(a[0]);
      case Op::groups:
        return this->groups(text(a[0]), a[1]);
      case Op::identity:
        return this->identity(a[0], a[1]);
      case Op::bounding:
        return this->bounding(a[2]);
      case Op::capabilities:
        return this->capabilities(a[0], a[1], a[2], a[3]);
      case Op::no_new_privileges:
        return this->no_new_privileges();
      case Op::working_directory:
        return this->working_directory(text(a[0]), step.flags, plan_->report.detail);
      case Op::seccomp:
        this->unblock_signals();  // the filter may forbid it
        return load_filter(text(a[0]), a);
      case Op::session:
        return this->session(a[1] != 0, a[2] != 0);
      case Op::close_on_exec:
        return this->close_on_exec(a[0]);
      case Op::own_pid:
        return own_pid(a[0], a[1]);
      case Op::supervise:
        return supervise(index, a);
      case Op::hold:
        return hold();
      case Op::execute:
        return execute(text(a[0]), a[1], a[3], a[4]);
      default:
        return -ENOSYS;
    }
  }

  // Turns a table of offsets into the pointers that execve(2) takes, in place.
  char** pointers(uint64_t offset) {
    auto* table = reinterpret_cast<uint64_t*>(base_ + offset);
    for (uint64_t i = 0; table[i] != 0; i++) table[i] += address(base_);
    return reinterpret_cast<char**>(table);
  }

  // Puts the decimal number of this process at the end of a string of the environment, which has room for it. Before
  // execute: the table has offsets still.
  long own_pid(uint64_t table, uint64_t index) {
    long pid = this->call(__NR_getpid);
    if (pid < 0) return pid;
    char* at = base_ + reinterpret_cast<const uint64_t*>(base_ + table)[index];
    while (*at != '=') at++;
    char digits[20];
    unsigned count = 0;
    for (long rest = pid; rest > 0 || count == 0; rest /= 10) digits[count++] = static_cast<char>('0' + rest % 10);
    while (count > 0) *++at = digits[--count];
    *++at = '\0';
    return 0;
  }

  // Tries each candidate as execvp(3) does: a missing one passes on to the next, a forbidden one is remembered.
  long execute(const char* candidates, uint64_t count, uint64_t arguments, uint64_t environment) {
    char** argv = pointers(arguments);
    char** envp = pointers(environment);
    this->unblock_signals();
    plan_->report.state = kExecuting;
    long result = -ENOENT;
    const char* candidate = candidates;
    for (uint64_t i = 0; i < count; i++) {
      long rc = this->call(__NR_execve, address(candidate), address(argv), address(envp));
      if (rc >= 0) {  // only a recording kernel comes back
        ended_ = true;
        return 0;
      }
      bool missing = rc == -ENOENT || rc == -ENOTDIR;
      if (!missing || count == 1) {
        result = rc;
        plan_->report.detail[0] = '\0';
        this->say_more(plan_->report.detail, candidate);
        if (rc != -EACCES) break;
      }
      candidate += text_length(candidate) + 1;
    }
    return result;
  }

  // a[3]: the filter has a listener; a[4]: which is closed here, as no exec does.
  long load_filter(const char* instructions, const uint64_t* a) {
    long rc = this->seccomp(instructions, a[1], a[2]);
    return rc < 0 || a[3] == 0 ? rc : this->offer_listener(&plan_->listener, rc, a[4] != 0);
  }

  // a[1]: what is kept, as text. A workload whose init waits keeps nothing; the members are those of its init.
  long close_descriptors(const uint64_t* a) {
    if (a[1] == kNoText) return LendSteps<Kernel>::close_descriptors(a[0]);
    if (a[5] != 0) return this->call(__NR_close_range, a[0], 0xffffffff, 0);
    long memory = a[2] == kNoSlot ? -1 : plan_->memory;  // for start, as the socket is
    return this->close_other_descriptors(a[0], memory, slot(a[2]), slot(a[3]), a[4] != 0);
  }

  // Starts the workload with the memory shared, so that it costs no copy of the page tables, and becomes its init. The
  // workload is held until nothing is left here that it could take by ptrace(2): see confine(). From then on this side
  // waits for its exec, as vfork(2) does: the kernel clears the word and wakes who waits for it when the workload gives
  // this memory up (mm_release() in kernel/fork.c), by exec or by its end.
  long supervise(uint32_t index, const uint64_t* a) {
    if (a[2] != 0) {  // not PID 1 of a namespace: orphans come to us all the same
      long rc = this->prctl(kPrSetChildSubreaper, 1);
      if (rc < 0) return rc;
    }
    workload_first_ = index + 1;
    init_first_ = static_cast<uint32_t>(a[0]);
    constexpr uint64_t kVm = 0x100, kClearTid = 0x200000;
    abi::CloneArguments arguments{};
    arguments.flags =
        kVm | kClearTid | a[3];  // CLONE_FILES: the parent takes a descriptor of the workload from the init
    arguments.exit_signal = kSigchld;
    arguments.stack = address(workload_stack_);
    arguments.stack_size = sizeof workload_stack_;
    arguments.child_tid = address(&workload_);
    workload_ = kAtWork;
    long pid = this->kernel_.clone(&arguments, &workload_entry, this);
    if (pid < 0) return this->failed(__NR_clone3, pid);
    bool waits = a[4] != 0;
    long rc = confine(static_cast<uint32_t>(a[1]), a[3] == 0 && a[4] != kForStart);
    set_and_wake(this->kernel_, &gate_, rc < 0 ? kDismissed : kReleased);
    await_change(this->kernel_, &workload_, kAtWork);
    if (rc < 0) return rc;
    if (waits && (rc = await_start_for_both(init_first_ + static_cast<uint32_t>(a[1]))) < 0) return rc;
    if (plan_->report.state == kFailed) return -ECHILD;
    if ((a[3] != 0 || waits) && (rc = this->close_all_but_control()) < 0) return rc;
    ended_ = false;
    rc = this->send(Message::running, 0, -1);
    if (rc < 0) return rc;
    become_init(pid, a[5] != 0);
    ended_ = true;
    return 0;
  }

  // Between create and start, or while startContainer hooks run, with both sides confined. A workload that has died
  // instead (the memory limit) is no start: minirun says why, from the end of the container.
  long await_start_for_both(uint32_t step) {
    if (workload_ == kGone && plan_->report.state != kFailed) this->kernel_.exit(127);
    if (workload_ == kGone) return -ECHILD;
    long rc = walk(step, step + 1);
    set_and_wake(this->kernel_, &gate_, rc < 0 ? kDismissed : kStarted);
    await_change(this->kernel_, &workload_, kWaiting);
    return rc;
  }

  // The workload's side of it, under its own filter.
  long hold() {
    set_and_wake(this->kernel_, &workload_, kWaiting);
    await_change(this->kernel_, &gate_, kReleased);
    return gate_ == kStarted ? 0 : this->failed(__NR_futex, -ECANCELED);
  }

  static void workload_entry(void* self) {
    auto* executor = static_cast<Executor*>(self);
    // No member of the executor but the word is touched until then, since the other side is at work.
    await_change(executor->kernel_, &executor->gate_, kHeld);
    if (executor->gate_ != kReleased) return executor->kernel_.exit(127);
    long rc = executor->walk(executor->workload_first_, executor->init_first_);
    if (rc < 0) executor->kernel_.exit(127);
  }

  // What the workload could take from its init goes before the workload runs: descriptors (with a listener they are the
  // workload's too, until its exec), capabilities that are on loan for the workload's filter, system calls. The steps
  // of the init's own half drop the capabilities. no_new_privs is for the filter, and concerns this process alone: the
  // workload has been cloned already.
  long confine(uint32_t count, bool own_descriptors) {
    long rc = own_descriptors ? this->close_all_but_control() : 0;
    if (rc >= 0) rc = this->call(__NR_chdir, address("/"));
    if (rc >= 0) rc = walk(init_first_, init_first_ + count);
    if (rc >= 0) rc = this->no_new_privileges();
    if (rc < 0) return rc;
    constexpr uint64_t kSpecAllow = 4;  // no mitigation of speculative store bypass: it has no secrets
    constexpr ResidentFilter kFilter = make_resident_filter();
    rc = this->seccomp(&kFilter, kResidentFilterLength, kSpecAllow);
    bool no_filters = rc == -ENOSYS || rc == -EINVAL;  // a kernel without CONFIG_SECCOMP_FILTER: the workload has none
    return no_filters ? 0 : rc;
  }

  // Resident from here on: gives back what it does not need, then reaps and forwards until the workload ends. No
  // minirun waits for a detached workload, and the open socket would keep criu(8) from saving the container.
  void become_init(long workload, bool detached) {
    if (detached) {
      this->close(this->control_);
      this->control_ = -1;
    }
    (void)this->call(__NR_munmap, address(base_), plan_->total_bytes);
    int status = reap_and_forward(this->kernel_, workload);
    if (!detached) (void)this->send(Message::exited, status, -1);
    int signal = status & 0x7f;
    this->kernel_.exit(signal != 0 ? 128 + signal : (status >> 8) & 0xff);
  }

  // Reports to the parent and waits until it hangs up: it may look into the container for the reason.
  int report_failure() {
    if (this->control_ >= 0 && this->send(Message::failed, 0, -1) == 0) {
      Envelope envelope;
      while (this->kernel_.call(__NR_recvfrom, descriptor(this->control_), address(&envelope), sizeof envelope, 0) ==
             -EINTR) {
      }
    }
    return 127;
  }

  enum : uint32_t { kHeld, kReleased, kStarted, kDismissed };  // gate_
  // workload_. Gone: it has executed its program or has ended; the kernel writes this.
  enum : uint32_t { kGone, kAtWork, kWaiting };

  PlanHeader* plan_;
  char* base_;
  uint32_t workload_first_ = 0;
  uint32_t init_first_ = 0;
  uint32_t gate_ = kHeld;  // before the workload's first step
  uint32_t workload_ = kGone;
  bool ended_ = false;                      // exec "succeeded" on a kernel that comes back from it
  alignas(16) char workload_stack_[32768];  // untouched pages cost nothing
};

}  // namespace minirun
