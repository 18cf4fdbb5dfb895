// SPDX-License-Identifier: Apache-2.0
// Kernels for the executor's tests: one that records its calls, and fails a chosen one.
#pragma once

#include <asm/unistd.h>
#include <ucontext.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "namespaces/kernel.h"
#include "namespaces/plan_builder.h"

namespace minirun {

class FakeKernel {
 public:
  struct Call {
    long number;
    uint64_t argument[6];
  };

  // Index of the call to fail, and how; -1: none.
  long fail_at = -1;
  int fail_with = EPERM;
  int fail_clone = 0;
  // Answers for single calls, asked before the default: returns false to pass.
  std::function<bool(const Call&, long*)> answer;
  uint16_t file_mode = 0040755;

  std::vector<Call> calls;
  int exit_status = -1;

  long call(long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0,
            uint64_t f = 0) {
    calls.push_back({number, {a, b, c, d, e, f}});
    by_child.resize(calls.size(), in_child_);
    if (static_cast<long>(calls.size()) - 1 == fail_at) return -fail_with;
    long result = 0;
    if (answer && answer(calls.back(), &result)) return result;
    return usual(calls.back());
  }

  // With CLONE_CHILD_CLEARTID the two take turns: the child runs while the parent waits on a futex, and the other way
  // round. Otherwise the child runs first, as with vfork(2).
  template <class Arguments>
  long clone(Arguments* arguments, ChildEntry entry, void* argument) {
    calls.push_back({__NR_clone3, {}});
    if (static_cast<long>(calls.size()) - 1 == fail_at) return -fail_with;
    if (fail_clone != 0) return -fail_clone;
    cleared_ = arguments->child_tid;
    child_ = [entry, argument] { entry(argument); };
    if (cleared_ == 0)
      child_();
    else
      begin_child();
    return kWorkload;
  }
  // Whether a call is the cloned child's.
  std::vector<bool> by_child;
  // What the parent does meanwhile.
  std::function<void()> meanwhile;
  void relax() {
    if (meanwhile) meanwhile();
  }

  void exit(int status) {
    if (exit_status < 0) exit_status = status;
  }

  // Names of the calls, in order, without close(2).
  std::string names() const {
    std::string out;
    for (const Call& made : calls)
      if (made.number != __NR_close) out += (out.empty() ? "" : " ") + call_name(static_cast<uint32_t>(made.number));
    return out;
  }
  size_t count(long number) const {
    size_t n = 0;
    for (const Call& made : calls) n += made.number == number ? 1 : 0;
    return n;
  }

  static constexpr long kWorkload = 100;

 private:
  long usual(const Call& made) {
    switch (made.number) {
      case __NR_openat2:
        return open(made);
      case __NR_openat:
      case __NR_open_tree:
      case __NR_fsopen:
      case __NR_fsmount:
      case __NR_fspick:
      case __NR_socket:
        return next_fd_++;
      case __NR_ioctl:
        return made.argument[1] == 0x5441 ? peer_ = next_fd_++ : 0;  // TIOCGPTPEER
      case __NR_read:
        return 0;
      case __NR_write:
        return static_cast<long>(made.argument[2]);
      case __NR_sendmsg:
        return sizeof(Envelope);
      case __NR_recvfrom:
        return receive(made);
      case __NR_getcwd:
        return strcpy(reinterpret_cast<char*>(made.argument[0]), "/") != nullptr ? 2 : 0;
      case __NR_statx:
        return state(made);
      case __NR_fstatfs: {
        const long type = 0x1cd1;
        if (is_terminal(made.argument[0]) || made.argument[0] == devpts_)
          memcpy(reinterpret_cast<void*>(made.argument[1]), &type, sizeof type);
        return 0;
      }
      case __NR_futex:
        return futex(made);
      case __NR_rt_sigtimedwait:
        return 17;  // SIGCHLD
      case __NR_wait4:
        return wait(made);
      default:
        return 0;
    }
  }

  long receive(const Call& made) {
    if (made.argument[3] != 0) return -EAGAIN;  // MSG_PEEK | MSG_DONTWAIT: the parent lives
    Envelope release{Message::release, 0};
    memcpy(reinterpret_cast<void*>(made.argument[1]), &release, sizeof release);
    return sizeof release;
  }

  long wait(const Call& made) {
    if (waited_) return 0;
    waited_ = true;
    int32_t status = 7 << 8;
    memcpy(reinterpret_cast<void*>(made.argument[1]), &status, sizeof status);
    return kWorkload;
  }

  void begin_child() {
    getcontext(&child_context_);
    child_context_.uc_stack.ss_sp = child_stack_.data();
    child_context_.uc_stack.ss_size = child_stack_.size();
    child_context_.uc_link = &parent_context_;
    auto self = reinterpret_cast<uintptr_t>(this);
    makecontext(&child_context_, reinterpret_cast<void (*)()>(&child_entry), 2, static_cast<unsigned>(self >> 32),
                static_cast<unsigned>(self));
    child_lives_ = true;
  }

  static void child_entry(unsigned high, unsigned low) {
    auto* kernel = reinterpret_cast<FakeKernel*>(uintptr_t{high} << 32 | low);
    kernel->child_();
    *reinterpret_cast<uint32_t*>(kernel->cleared_) = 0;  // as at the child's exec
    kernel->child_lives_ = kernel->in_child_ = false;
  }

  long futex(const Call& made) {
    constexpr uint64_t kWait = 0;
    if (made.argument[1] != kWait) return 0;
    if (in_child_) {
      in_child_ = false;
      swapcontext(&child_context_, &parent_context_);
    } else if (child_lives_) {
      in_child_ = true;
      swapcontext(&parent_context_, &child_context_);
    }
    return 0;
  }

  std::function<void()> child_;
  std::vector<char> child_stack_ = std::vector<char>(256 << 10);
  ucontext_t parent_context_{};
  ucontext_t child_context_{};
  bool child_lives_ = false;
  bool in_child_ = false;
  uint64_t cleared_ = 0;
  // A terminal of a devpts, as far as its steps look.
  long open(const Call& made) {
    const char* path = reinterpret_cast<const char*>(made.argument[1]);
    if (strcmp(path, "/dev/pts") == 0) devpts_ = static_cast<uint64_t>(next_fd_);
    if (strcmp(path, "ptmx") == 0) master_ = next_fd_;
    return next_fd_++;
  }
  bool is_terminal(uint64_t fd) const {
    return fd == static_cast<uint64_t>(master_) || fd == static_cast<uint64_t>(peer_);
  }
  long state(const Call& made) {
    uint16_t mode = is_terminal(made.argument[0]) ? 0020620 : file_mode;
    uint32_t device[] = {made.argument[0] == static_cast<uint64_t>(master_) ? 5u : 136u, 2};
    auto* out = reinterpret_cast<char*>(made.argument[4]);
    memcpy(out + 28, &mode, sizeof mode);
    memcpy(out + 128, device, sizeof device);
    return 0;
  }

  long next_fd_ = 20;
  uint64_t devpts_ = 0;
  long master_ = -1, peer_ = -1;
  bool waited_ = false;
};

}  // namespace minirun
