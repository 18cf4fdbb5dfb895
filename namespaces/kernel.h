// SPDX-License-Identifier: Apache-2.0
// System calls without libc: the only way to the kernel on the child side of clone.
#pragma once

#include <stdint.h>

#include "namespaces/plan.h"

namespace minirun {

// clone3(2) for a child with memory of the caller's (CLONE_VM) and a stack of its own: the child enters `entry` with
// `argument` on the stack named in the arguments, and never returns from it. Returns in the parent only: the child's
// pid or -errno. Without CLONE_VM pass a stack all the same: the child's copy of it is used.
using ChildEntry = void (*)(void*);
inline long clone_into(void* clone_arguments, uint64_t size, ChildEntry entry, void* argument) {
  constexpr long kClone3 = 435;
#if defined(__x86_64__)
  long result;
  register ChildEntry r8 __asm__("r8") = entry;
  register void* r9 __asm__("r9") = argument;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r9, %%rdi\n\t"
      "call *%%r8\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(kClone3), "D"(clone_arguments), "S"(size), "r"(r8), "r"(r9)
      : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = kClone3;
  register uint64_t x0 __asm__("x0") = reinterpret_cast<uint64_t>(clone_arguments);
  register uint64_t x1 __asm__("x1") = size;
  register ChildEntry x2 __asm__("x2") = entry;
  register void* x3 __asm__("x3") = argument;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, #0\n\t"
      "mov x30, #0\n\t"
      "mov x0, x3\n\t"
      "blr x2\n\t"
      "brk #1\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
      : "memory");
  return static_cast<long>(x0);
#endif
}

// The executor is written against a type with these functions; tests put a recording or a failing one in its place.
class RawKernel {
 public:
  // Returns what the kernel returns: a value, or -errno. Pointers are passed as integers.
  static long call(long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0, uint64_t d = 0, uint64_t e = 0,
                   uint64_t f = 0) {
#if defined(__x86_64__)
    long result;
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register uint64_t x0 __asm__("x0") = a;
    register uint64_t x1 __asm__("x1") = b;
    register uint64_t x2 __asm__("x2") = c;
    register uint64_t x3 __asm__("x3") = d;
    register uint64_t x4 __asm__("x4") = e;
    register uint64_t x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return static_cast<long>(x0);
#else
#error "minirun runs on x86-64 and aarch64"
#endif
  }

  template <class Arguments>
  static long clone(Arguments* arguments, ChildEntry entry, void* argument) {
    return clone_into(arguments, sizeof *arguments, entry, argument);
  }

  // While looking at memory that another process is about to write.
  static void relax() {
#if defined(__x86_64__)
    __asm__ volatile("pause" ::: "memory");
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#endif
  }

  // The trap is for a seccomp filter that forbids exit_group(2).
  [[noreturn]] static void exit(int status) {
    constexpr long kExitGroup =
#if defined(__x86_64__)
        231;
#else
        94;
#endif
    (void)call(kExitGroup, static_cast<uint64_t>(status));
    for (;;) __builtin_trap();
  }
};

// Ends a child that fails before its first step. result: -errno.
[[noreturn]] inline void give_up(Report* report, long call, long result) {
  report->step = kNoStep;
  report->syscall = static_cast<uint32_t>(call);
  report->error = static_cast<int32_t>(-result);
  report->state = kFailed;
  RawKernel::exit(127);
}

}  // namespace minirun
