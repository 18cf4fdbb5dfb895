// SPDX-License-Identifier: Apache-2.0
// Linked into each instrumented program of the coverage build (tests/coverage/ring.sh): its counters are a file that
// all of its processes map. So they hold what was counted by a process that ended by SIGKILL, executed another program,
// or had its memory shared with a child. Three system calls at the start are all that it costs.
//
// Without libc, since minirun-init has none. Where the file cannot be had (a container's own tree, an injected fault)
// the process counts in its own memory, and that is lost.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <cstdint>

#include "namespaces/kernel.h"

extern "C" {
// Made by the linker: where the compiler's counters lie in the program.
extern __attribute__((visibility("hidden"))) char __start___llvm_prf_cnts[];
extern __attribute__((visibility("hidden"))) char __stop___llvm_prf_cnts[];
// -runtime-counter-relocation: added to the address of a counter each time that it is incremented.
extern __attribute__((visibility("hidden"))) intptr_t __llvm_profile_counter_bias;

void minirun_map_counters();
}

using minirun::RawKernel;

extern "C" void minirun_map_counters() {
  const char* path = MINIRUN_COUNTERS;
  long fd = RawKernel::call(SYS_openat, static_cast<uint64_t>(AT_FDCWD), reinterpret_cast<uint64_t>(path),
                            O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  auto bytes = static_cast<uint64_t>(__stop___llvm_prf_cnts - __start___llvm_prf_cnts);
  long at = RawKernel::call(SYS_mmap, 0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, static_cast<uint64_t>(fd), 0);
  (void)RawKernel::call(SYS_close, static_cast<uint64_t>(fd));
  if (at > 0) __llvm_profile_counter_bias = at - reinterpret_cast<intptr_t>(__start___llvm_prf_cnts);
}

#if MINIRUN_HOSTED
__attribute__((constructor(101))) static void map_counters() {
  minirun_map_counters();
}
#else  // the entry point of minirun-init, before its own
__asm__(
    ".globl minirun_coverage_start\n"
    "minirun_coverage_start:\n\t"
    "call minirun_map_counters\n\t"
    "jmp _start\n");
#endif
