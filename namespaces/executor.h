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
#include "namespaces/step_timer.h"

namespace minirun {

template <class Kernel>
class Executor : public LendSteps<Kernel> {
 public:
  // plan: a complete image, mapped writable and shared with the parent. leftovers: of this program, once it is
  // resident.
  Executor(Kernel& kernel, PlanHeader* plan, Leftovers leftovers = {})
      : LendSteps<Kernel>(kernel, plan), leftovers_(leftovers) {}

  // Walks all steps. Returns only when a step failed, with the status for exit(2), after it has filled in and sent the
  // report; with a recording kernel also at the end.
  int run() {
    long rc = map_end_page();
    if (rc < 0)
      fail_at(kNoStep, rc);
    else
      rc = walk(0, this->plan_->step_count, Timing::possible);
    return rc < 0 ? report_failure() : 0;
  }

  // Appends this process's pid in decimal to a string of the environment, which has room for it. Comes before execute,
  // while the table still has offsets.
  long own_pid(const steps::OwnPid& step) {
    long pid = this->call(__NR_getpid);
    if (pid < 0) return pid;
    char* at = this->base() + entries(step.environment)[step.index];
    while (*at != '=') at++;
    char digits[20];
    unsigned count = 0;
    for (long rest = pid; rest > 0 || count == 0; rest /= 10) digits[count++] = static_cast<char>('0' + rest % 10);
    while (count > 0) *++at = digits[--count];
    *++at = '\0';
    return 0;
  }

  // Tries each candidate as execvp(3) does: skips a missing one, and remembers a forbidden one.
  long execute(const steps::Execute& step) {
    char** argv = pointers(step.arguments);
    char** envp = pointers(step.environment);
    this->unblock_signals();
    this->plan_->report.state = kExecuting;
    long result = -ENOENT;
    const char* candidate = this->text(step.candidates);
    for (uint64_t i = 0; i < step.candidates.count; i++) {
      long rc = this->call(__NR_execve, address(candidate), address(argv), address(envp));
      if (rc >= 0) {  // only a recording kernel comes back
        this->ended_ = true;
        return 0;
      }
      bool missing = rc == -ENOENT || rc == -ENOTDIR;
      if (!missing || step.candidates.count == 1) {
        result = rc;
        this->say_nothing();
        this->say_more(candidate);
        if (rc != -EACCES) break;
      }
      candidate += text_length(candidate) + 1;
    }
    return result;
  }

  long seccomp(const steps::Seccomp& step) {
    this->unblock_signals();  // the filter may forbid it
    long rc = this->load_filter(this->text(step.filter), step.filter.size / step.kInstruction, step.flags);
    return rc < 0 || step.listens == 0 ? rc : this->offer_listener(rc, step.closes_listener != 0);
  }

  // Starts the workload in shared memory, which saves a copy of the page tables, and becomes its init. Holds the
  // workload until nothing is left here that it could take by ptrace(2): see confine(). Then waits for its exec, as
  // vfork(2) does: when the workload leaves this memory, by exec or by its end, the kernel clears the word and wakes
  // the waiter (mm_release() in kernel/fork.c).
  long supervise(const steps::Supervise& step) {
    if (step.adopts != 0) {  // not PID 1 of a namespace, but orphans still come here
      long rc = this->prctl(kPrSetChildSubreaper, 1);
      if (rc < 0) return rc;
    }
    supervise_ = &step;
    constexpr uint64_t kVm = 0x100, kFiles = 0x400, kClearTid = 0x200000;
    abi::CloneArguments arguments{};
    arguments.flags = kVm | kClearTid | (step.shares != 0 ? kFiles : 0);
    arguments.exit_signal = kSigchld;
    arguments.stack = address(workload_stack_);
    arguments.stack_size = sizeof workload_stack_;
    arguments.child_tid = address(&workload_);
    workload_ = kAtWork;
    long pid = this->kernel_.clone(&arguments, &workload_entry, this);
    if (pid < 0) return this->failed(__NR_clone3, pid);
    const bool shares = step.shares != 0, waits = step.waits_for != InitWait::nothing;
    long rc = confine(step, !shares && step.waits_for != InitWait::start);
    set_and_wake(this->kernel_, &gate_, rc < 0 ? kDismissed : kReleased);
    await_change(this->kernel_, &workload_, kAtWork);
    if (rc < 0) return rc;
    if (waits && (rc = await_start_for_both(step.init + step.init_count)) < 0) return rc;
    if (this->plan_->report.state == kFailed) return -ECHILD;
    if ((shares || waits) && (rc = this->close_all_but_control()) < 0) return rc;
    this->ended_ = false;
    rc = this->send(Message::running, 0, -1);
    if (rc < 0) return rc;
    become_init(pid, step.detached != 0);
    this->ended_ = true;
    return 0;
  }

  // The workload's side of await_start_for_both(), under its own filter.
  long hold() {
    set_and_wake(this->kernel_, &workload_, kWaiting);
    await_change(this->kernel_, &gate_, kReleased);
    return gate_ == kStarted ? 0 : this->failed(__NR_futex, -ECANCELED);
  }

 private:
  enum class Timing : bool { impossible, possible };  // impossible: under the init's filter, which allows no clock

  long walk(uint32_t first, uint32_t end, Timing timing) {
    const Step* steps = reinterpret_cast<const Step*>(this->base() + this->plan_->steps);
    StepTimer<Kernel> timer(this->kernel_, timing == Timing::possible ? this->plan_ : nullptr);
    for (uint32_t i = first; i < end && !this->ended_; i++) {
      timer.begin(i, steps[i]);
      long rc = perform(steps[i]);
      if (rc == -ELOOP && this->reopen(steps[i])) rc = perform(steps[i]);
      if (!this->ended_) timer.end(i);  // the outer process of a birth has ended, and its child writes this one
      if (rc >= 0) continue;
      if (this->plan_->report.state != kFailed) fail_at(i, rc);  // else the workload's half has reported it already
      return rc;
    }
    return 0;
  }

  void fail_at(uint32_t step, long rc) {
    Report& report = this->plan_->report;
    report.step = step;
    report.error = static_cast<int32_t>(-rc);
    report.syscall = this->failed_call();
    report.state = kFailed;
  }

  // First of all: the limits of the workload could forbid it (RLIMIT_AS), and nothing in the container runs yet that
  // could take the descriptor. Filesystems without shared mappings, and an LSM that forbids them, leave the container
  // without the page.
  long map_end_page() {
    const uint32_t slot = this->plan_->end_page;
    if (slot == kNoSlot) return 0;
    const auto fd = descriptor(this->slots()[slot]);
    constexpr uint64_t kReadWrite = 3, kShared = 1;
    long at = this->call(__NR_mmap, 0, kEndPageBytes, kReadWrite, kShared, fd, 0);
    this->close(this->slots()[slot]);
    const bool cannot = at == -ENODEV || at == -EINVAL || at == -EACCES || at == -EPERM;
    if (at < 0) return cannot ? 0 : at;
    end_page_ = reinterpret_cast<EndPage*>(at);
    return 0;
  }

  // By the function that namespaces/steps.h names.
  long perform(const Step& step) {
    if (static_cast<uint32_t>(step.op) >= steps::kCount) return -ENOSYS;
    return visit(step, [this](auto numbered, const auto& fields) { return numbered.perform(fields, *this); });
  }

  // Turns a table of offsets into the pointers that execve(2) takes, in place.
  char** pointers(PointerTable of) {
    uint64_t* table = entries(of);
    for (uint64_t i = 0; table[i] != 0; i++) table[i] += address(this->base());
    return reinterpret_cast<char**>(table);
  }
  uint64_t* entries(PointerTable table) { return reinterpret_cast<uint64_t*>(this->base() + table.at); }

  // Waits between create and start, or while startContainer hooks run, with both sides confined. If the workload has
  // died (the memory limit), that is no start: minirun explains the end of the container.
  long await_start_for_both(uint32_t step) {
    if (workload_ == kGone && this->plan_->report.state != kFailed) this->kernel_.exit(127);
    if (workload_ == kGone) return -ECHILD;
    long rc = walk(step, step + 1, Timing::impossible);
    set_and_wake(this->kernel_, &gate_, rc < 0 ? kDismissed : kStarted);
    await_change(this->kernel_, &workload_, kWaiting);
    return rc;
  }

  static void workload_entry(void* self) {
    auto* executor = static_cast<Executor*>(self);
    // Touches only the word until then, since the other side uses the members.
    await_change(executor->kernel_, &executor->gate_, kHeld);
    if (executor->gate_ != kReleased) return executor->kernel_.exit(127);
    long rc = executor->walk(executor->supervise_->workload, executor->supervise_->init, Timing::possible);
    if (rc < 0) executor->kernel_.exit(127);
  }

  // Removes, before the workload runs, everything that it could take from its init: descriptors (with a listener the
  // workload shares them until its exec), the capabilities on loan for its filter, system calls. The steps of the
  // init's own half drop the capabilities. no_new_privs is for the filter and affects this process alone: the workload
  // has already been cloned.
  long confine(const steps::Supervise& step, bool own_descriptors) {
    long rc = own_descriptors ? this->close_all_but_control() : 0;
    if (rc >= 0) rc = this->call(__NR_chdir, address("/"));
    if (rc >= 0) rc = walk(step.init, step.init + step.init_count, Timing::possible);
    if (rc >= 0) rc = this->no_new_privileges();
    if (rc < 0) return rc;
    constexpr uint64_t kSpecAllow = 4;  // no mitigation of speculative store bypass: it has no secrets
    constexpr ResidentFilter kFilter = make_resident_filter();
    rc = this->load_filter(&kFilter, kResidentFilterLength, kSpecAllow);
    bool no_filters = rc == -ENOSYS || rc == -EINVAL;  // a kernel without CONFIG_SECCOMP_FILTER: the workload has none
    return no_filters ? 0 : rc;
  }

  // Stays resident: frees what it does not need, then reaps and forwards until the workload ends. No minirun waits for
  // a detached workload, and an open socket would keep criu(8) from saving the container.
  //
  // What it does not need is also its own code, but for this function, which has all that it calls inlined
  // (init/resident.ld), and its stack, but for the frame of this function: no member is there any more.
  [[gnu::noinline, gnu::flatten]] void become_init(long workload, bool detached) {
    Kernel& kernel = this->kernel_;
    const long control = this->control_;
    EndPage* const page = end_page_;
    if (detached) (void)kernel.call(__NR_close, descriptor(control));
    (void)kernel.call(__NR_munmap, address(this->plan_), this->plan_->total_bytes);
    free_launch(kernel, leftovers_, address(__builtin_frame_address(0)));
    const WorkloadEnd end = reap_and_forward(kernel, workload);
    const int32_t status = (end.status & kWaitStatusBits) | end.last_signal << kLastSignalShift;
    if (!detached) (void)send_message(kernel, control, {Message::exited, status}, -1);
    if (page != nullptr) write_end(kernel, end, page);
    int signal = status & 0x7f;
    kernel.exit(signal != 0 ? 128 + signal : (status >> 8) & 0xff);
  }

  // Reports to the parent and waits until it hangs up, because it may inspect the container for the reason.
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

  Leftovers leftovers_;
  EndPage* end_page_ = nullptr;
  const steps::Supervise* supervise_ = nullptr;  // in the plan
  uint32_t gate_ = kHeld;                        // before the workload's first step
  uint32_t workload_ = kGone;
  alignas(16) char workload_stack_[32768];  // untouched pages cost nothing
};

}  // namespace minirun
