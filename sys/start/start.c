// SPDX-License-Identifier: Apache-2.0
/* Start of the static program without CPUID: glibc's __libc_start_main, less its init_cpu_features().
 *
 * That function executes CPUID some 70 times. In a virtual machine every one of them traps to the hypervisor (the
 * instruction always exits, Intel SDM 26.1.2): 0.1 to 0.5 ms of every start, as much as the kernel needs for half of a
 * container. What it finds out serves to choose among variants of memcpy and the like; without it they are the baseline
 * SSE2 ones, which is all the same for a program that runs for two milliseconds.
 *
 * The calls and their order are those of csu/libc-start.c of glibc 2.36, for static programs. They are internal to
 * glibc, so this file refuses any other version, and CMake builds it in only where a program linked with it passes
 * sys/start/check.c; everywhere else, and with -DMINIRUN_FAST_START=OFF, the program starts as glibc does it.
 */
#include <elf.h>
#include <features.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#if !defined(__x86_64__) || __GLIBC__ != 2 || __GLIBC_MINOR__ != 36
#error "known to work with glibc 2.36 on x86-64 only"
#endif

typedef void (*Initializer)(int, char**, char**);
typedef void (*Finalizer)(void);

extern char** __environ;
extern void* __libc_stack_end;
extern int __libc_enable_secure;
extern void* _dl_random; /* AT_RANDOM: 16 random bytes */
extern const ElfW(Rela) __rela_iplt_start[] __attribute__((weak));
extern const ElfW(Rela) __rela_iplt_end[] __attribute__((weak));
extern Initializer __preinit_array_start[], __preinit_array_end[], __init_array_start[], __init_array_end[];
extern Finalizer __fini_array_start[], __fini_array_end[];

void _dl_aux_init(ElfW(auxv_t) *);
void __tunables_init(char**);
void _dl_relocate_static_pie(void);
void __libc_setup_tls(void);
void __libc_early_init(_Bool);
void __libc_init_first(int, char**, char**);
void __libc_check_standard_fds(void);
void _init(void);
void _fini(void);

/* Thresholds of the string functions, which init_cpu_features() computes from the caches: glibc's initial values. */
long __x86_data_cache_size_half = 32 * 1024 / 2;
long __x86_data_cache_size = 32 * 1024;
long __x86_shared_cache_size_half = 1024 * 1024 / 2;
long __x86_shared_cache_size = 1024 * 1024;
long __x86_shared_non_temporal_threshold = 1024 * 1024 * 3 / 4;
long __x86_rep_movsb_threshold = 2048;
long __x86_rep_movsb_stop_threshold = 1024 * 1024 * 3 / 4;
long __x86_rep_stosb_threshold = 2048;
int __x86_string_control = 0;

static void finish(void) {
  for (size_t n = (size_t)(__fini_array_end - __fini_array_start); n-- > 0;) __fini_array_start[n]();
  _fini();
}

static void initialize(int argc, char** argv) {
  for (Initializer* f = __preinit_array_start; f < __preinit_array_end; f++) (*f)(argc, argv, __environ);
  _init();
  for (Initializer* f = __init_array_start; f < __init_array_end; f++) (*f)(argc, argv, __environ);
}

/* The canary that it would check is set in the middle. */
#ifdef __clang__
#define NO_STACK_PROTECTOR __attribute__((no_stack_protector))
#else
#define NO_STACK_PROTECTOR __attribute__((optimize("no-stack-protector")))
#endif

NO_STACK_PROTECTOR __attribute__((noreturn)) int __libc_start_main(
    int (*main)(int, char**, char**), int argc, char** argv, Finalizer unused_init, Finalizer unused_fini,
    Finalizer unused_rtld_fini, void* stack_end) {
  (void)unused_init, (void)unused_fini, (void)unused_rtld_fini;
  __environ = argv + argc + 1;
  __libc_stack_end = stack_end;
  char** end = __environ;
  while (*end != NULL) end++;
  _dl_aux_init((ElfW(auxv_t)*)(end + 1));
  __tunables_init(__environ);
  _dl_relocate_static_pie();
  for (const ElfW(Rela)* entry = __rela_iplt_start; entry < __rela_iplt_end; entry++)
    *(ElfW(Addr)*)entry->r_offset = ((ElfW(Addr)(*)(void))entry->r_addend)();
  __libc_setup_tls();

  /* The stack protector's canary (its first byte 0, so that no string can carry it) and setjmp's pointer guard. */
  uintptr_t canary = ((const uintptr_t*)_dl_random)[0] & ~(uintptr_t)0xff;
  uintptr_t guard = ((const uintptr_t*)_dl_random)[1];
  __asm__ volatile("mov %0, %%fs:0x28\n\tmov %1, %%fs:0x30" : : "r"(canary), "r"(guard));

  __libc_early_init(1);
  /* The thread's storage ends amid a page. malloc would ask for the rest of it later, and when that is refused it aborts
     the program once more is wanted. Here a refusal costs nothing: then malloc asks. */
  (void)sbrk((intptr_t)(-(uintptr_t)sbrk(0) & 0xfff));
  __libc_init_first(argc, argv, __environ);
  if (__libc_enable_secure) __libc_check_standard_fds();
  if (atexit(finish) != 0) abort();
  initialize(argc, argv);
  exit(main(argc, argv, __environ));
}
