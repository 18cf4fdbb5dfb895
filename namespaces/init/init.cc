// SPDX-License-Identifier: Apache-2.0
// minirun-init: the program on the child side of clone. Walks the plan; with a `supervise` step it stays as the
// container's init.
//
// A separate program, not a forked copy of minirun: /proc/1/exe in the container never names a host binary
// (CVE-2019-5736), it needs only a few pages of memory, and the build checks "no libc, no heap". Run as: minirun-init
// FD, where FD is the plan's memfd.
#include <linux/elf.h>

#include "namespaces/executor.h"
#include "namespaces/kernel.h"

extern "C" {
extern const char __executable_start[];  // NOLINT: the linker's name for where the one segment begins
// resident.ld: where the code ends that stays. A build that counts coverage keeps all of it, and has no such place.
extern const char minirun_resident_end[] __attribute__((weak));
}

namespace minirun {
namespace {

long parse_descriptor(const char* text) {
  long number = 0;
  for (; *text >= '0' && *text <= '9'; text++) number = number * 10 + (*text - '0');
  return number;
}

PlanHeader* map_plan(long fd) {
  constexpr uint64_t kReadWrite = 3, kShared = 1;
  struct {  // the first fields of the header: enough to know the size
    uint64_t magic;
    uint32_t format;
    uint32_t total_bytes;
  } head{};
  long n = RawKernel::call(__NR_pread64, descriptor(fd), address(&head), sizeof head, 0);
  if (n != sizeof head || head.magic != kPlanMagic) return nullptr;
  long at = RawKernel::call(__NR_mmap, 0, head.total_bytes, kReadWrite, kShared, descriptor(fd), 0);
  return at < 0 ? nullptr : reinterpret_cast<PlanHeader*>(at);
}

// Signals that the caller ignored would stay ignored in the workload. Blocked signals stay blocked until its exec.
void reset_signals() {
  struct {  // the kernel's struct sigaction: SIG_DFL
    uint64_t handler, flags, restorer, mask;
  } defaults{};
  for (uint64_t signal = 1; signal <= 64; signal++)
    (void)RawKernel::call(__NR_rt_sigaction, signal, address(&defaults), 0, sizeof(uint64_t));  // KILL and STOP: EINVAL
}

// The size of the segment. The linker's `_end` may be on a later page, where a data segment would begin.
uint64_t program_bytes() {
  const auto* file = reinterpret_cast<const Elf64_Ehdr*>(__executable_start);
  return reinterpret_cast<const Elf64_Phdr*>(__executable_start + file->e_phoff)->p_memsz;
}

constexpr uint64_t kPage = 4096;
constexpr uint64_t whole_pages(uint64_t bytes) {
  return (bytes + kPage - 1) / kPage * kPage;
}

// The name of the program is the last text on the stack (getauxval(3)). first: the word that the stack begins with.
uint64_t stack_end(const uint64_t* first) {
  constexpr uint64_t kEnd = 0, kExecFn = 31;  // AT_NULL, AT_EXECFN
  const uint64_t* at = first + 1 + first[0] + 1;
  while (*at != 0) at++;  // the environment
  for (at++; at[0] != kEnd; at += 2)
    if (at[0] == kExecFn) return whole_pages(at[1] + 1);
  return 0;
}

Leftovers leftovers(const uint64_t* first) {
  if (minirun_resident_end == nullptr) return {};
  const uint64_t code = whole_pages(address(minirun_resident_end));
  return {code, address(__executable_start) + whole_pages(program_bytes()) - code, stack_end(first)};
}

// criu(8) identifies a file by its inode alone and cannot save a memory file that is both executed and mapped, so an
// init that outlives minirun continues from a copy at the same addresses. mremap(2) replaces the text atomically, so
// the instruction after the call is the copy's. If that is refused (SELinux, execmem), it runs from the file, and
// cannot be saved.
void leave_file() {
  constexpr uint64_t kReadWrite = 3, kReadExecute = 5, kPrivateAnonymous = 0x22, kMayMoveFixed = 3;
  const uint64_t bytes = program_bytes(), size = whole_pages(bytes);
  long copy = RawKernel::call(__NR_mmap, 0, size, kReadWrite, kPrivateAnonymous, ~0ULL, 0);
  if (copy < 0) return;
  auto* to = reinterpret_cast<char*>(copy);
  __builtin_memcpy(to, __executable_start, bytes);
  __builtin___clear_cache(to, to + size);
  const auto at = static_cast<uint64_t>(copy);
  long rc = RawKernel::call(__NR_mprotect, at, size, kReadExecute);
  if (rc >= 0) rc = RawKernel::call(__NR_mremap, at, size, size, kMayMoveFixed, address(__executable_start));
  if (rc < 0) (void)RawKernel::call(__NR_munmap, at, size);
}

extern "C" [[noreturn]] __attribute__((used)) void minirun_init(const uint64_t* stack) {
  const auto* argv = reinterpret_cast<const char* const*>(stack + 1);
  PlanHeader* plan = stack[0] == 2 ? map_plan(parse_descriptor(argv[1])) : nullptr;
  if (plan == nullptr) {  // a workload has executed /proc/self/exe, or no memory is left
    constexpr char kWhy[] = "minirun-init: found no plan (it is a part of minirun and cannot be run by itself)\n";
    (void)RawKernel::call(__NR_write, 2, address(kWhy), sizeof kWhy - 1);
    RawKernel::exit(125);
  }
  (void)RawKernel::call(__NR_prctl, kPrSetName, address("minirun-init"));
  (void)RawKernel::call(__NR_prctl, kPrSetDumpable, 0);  // no ptrace, no /proc/PID/{fd,exe,mem} (CVE-2016-9962)
  (void)RawKernel::call(__NR_umask, 0);
  reset_signals();
  if (plan->own_text != 0) leave_file();
  RawKernel kernel;
  Executor<RawKernel> executor(kernel, plan, leftovers(stack));
  RawKernel::exit(executor.run());
}

}  // namespace
}  // namespace minirun

// The compiler may call these for large copies and initialisations, whatever the language level says.
extern "C" {
void* memset(void* to, int value, unsigned long count) {
  auto* bytes = static_cast<volatile char*>(to);
  for (unsigned long i = 0; i < count; i++) bytes[i] = static_cast<char>(value);
  return to;
}
void* memcpy(void* to, const void* from, unsigned long count) {
  auto* out = static_cast<volatile char*>(to);
  const auto* in = static_cast<const char*>(from);
  for (unsigned long i = 0; i < count; i++) out[i] = in[i];
  return to;
}
}

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "mov %rsp, %rdi\n\t"
    "and $-16, %rsp\n\t"
    "call minirun_init\n\t"
    "hlt\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "mov x29, #0\n\t"
    "mov x30, #0\n\t"
    "mov x0, sp\n\t"
    "bl minirun_init\n\t"
    "brk #1\n");
#endif
