// SPDX-License-Identifier: Apache-2.0
/* Linked with start.c when CMake configures: 0 when the C library works after that start. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static _Thread_local int local = 5;
static int constructed;

__attribute__((constructor)) static void construct(void) { constructed = 1; }

static int strings_work(void) {
  char* from = malloc(3 << 20);
  char* to = malloc(3 << 20);
  if (from == NULL || to == NULL) return 0;
  memset(from, 'x', 3 << 20);
  from[(3 << 20) - 1] = '\0';
  memcpy(to, from, 3 << 20); /* beyond the non-temporal threshold */
  int good = strcmp(from, to) == 0 && strlen(to) == (3 << 20) - 1 && strchr(to, 'y') == NULL;
  free(from);
  free(to);
  return good;
}

int main(int argc, char** argv) {
  if (argc != 1 || argv[1] != NULL || !constructed || local != 5) return 1;
  uintptr_t canary;
  __asm__("mov %%fs:0x28, %0" : "=r"(canary));
  if (canary == 0 || (canary & 0xff) != 0) return 2;
  if (!strings_work()) return 3;
  char text[64];
  if (snprintf(text, sizeof text, "%d %.3f %s", 42, 2.5, "s") != 10 || strcmp(text, "42 2.500 s") != 0) return 4;
  errno = 0;
  if (close(-1) == 0 || errno != EBADF) return 5;
  jmp_buf back;
  if (setjmp(back) == 0) longjmp(back, 1);
  struct timespec now;
  if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) return 6; /* the vDSO */
  return getpid() > 0 && getenv("PATH") != (char*)1 ? 0 : 7;
}
