// SPDX-License-Identifier: Apache-2.0
// steps: runs a program step by step (PTRACE_SINGLESTEP) and adds the addresses of the instructions that it executed, as
// its ELF file has them, to a file: one hexadecimal number a line. Its children run freely.
//
//   steps FILE PROGRAM [ARGUMENT...]
//
// Takes some seconds for a million instructions. Ends with the status of the program.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kMostBytes = 1 << 24 };
static unsigned char seen[kMostBytes];

static void die(const char* what) {
  fprintf(stderr, "steps: %s: %s\n", what, strerror(errno));
  exit(2);
}

// The address at which the kernel has put the program: AT_PHDR of a program whose first page holds its headers.
static unsigned long base_of(pid_t pid) {
  char name[64];
  snprintf(name, sizeof name, "/proc/%d/auxv", (int)pid);
  FILE* file = fopen(name, "r");
  if (file == NULL) die(name);
  Elf64_auxv_t entry;
  unsigned long headers = 0;
  while (fread(&entry, sizeof entry, 1, file) == 1)
    if (entry.a_type == AT_PHDR) headers = entry.a_un.a_val;
  fclose(file);
  return headers & ~0xfffUL;
}

static int follow(pid_t pid, unsigned long base) {
  int status = 0, signal = 0;
  for (;;) {
    struct user_regs_struct registers;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &registers) < 0) die("PTRACE_GETREGS");
    if (registers.rip >= base && registers.rip - base < kMostBytes) seen[registers.rip - base] = 1;
    if (ptrace(PTRACE_SINGLESTEP, pid, NULL, (void*)(long)signal) < 0) die("PTRACE_SINGLESTEP");
    if (waitpid(pid, &status, 0) < 0) die("waitpid");
    if (!WIFSTOPPED(status)) return status;
    signal = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
  }
}

int main(int argc, char** argv) {
  if (argc < 3) {
    fprintf(stderr, "steps FILE PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  pid_t pid = fork();
  if (pid < 0) die("fork");
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0) die("PTRACE_TRACEME");
    execv(argv[2], argv + 2);
    die(argv[2]);
  }
  int status = 0;
  if (waitpid(pid, &status, 0) < 0) die("waitpid");
  if (!WIFSTOPPED(status)) return 2;
  status = follow(pid, base_of(pid));
  FILE* file = fopen(argv[1], "a");
  if (file == NULL) die(argv[1]);
  for (unsigned long at = 0; at < kMostBytes; at++)
    if (seen[at]) fprintf(file, "%lx\n", at);
  if (fclose(file) != 0) die(argv[1]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
