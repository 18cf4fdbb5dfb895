// SPDX-License-Identifier: Apache-2.0
// loop: runs commands in turn (A B C A B C ...), so that whatever disturbs the machine disturbs all of them alike, and
// prints each command's times from spawn to reaped, in seconds, as hyperfine's JSON has them. For guests, where
// hyperfine is not.
//
//   loop [-n RUNS] [-w WARM_UP_RUNS] COMMAND [ARGUMENT...] [-- COMMAND [ARGUMENT...]]...
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;
enum { kMaxCommands = 16 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// The time in seconds; ends the program when the command does not exit with 0: a failure is never a measurement.
static double run(char** command, posix_spawn_file_actions_t* actions) {
  pid_t pid;
  int status;
  double start = now();
  int error = posix_spawnp(&pid, command[0], actions, NULL, command, environ);
  if (error != 0) {
    fprintf(stderr, "loop: %s: %s\n", command[0], strerror(error));
    exit(1);
  }
  waitpid(pid, &status, 0);
  double end = now();
  if (status != 0) {
    fprintf(stderr, "loop: %s: wait status 0x%x\n", command[0], (unsigned)status);
    exit(1);
  }
  return end - start;
}

static void print(const char* name, const double* times, int runs) {
  printf("{\"command\": \"%s\", \"times\": [", name);
  for (int i = 0; i < runs; i++) printf("%s%.7f", i == 0 ? "" : ", ", times[i]);
  printf("]}");
}

// Cuts argv at each "--" and returns how many commands it holds.
static int split(int argc, char** argv, int first, char*** commands) {
  int count = 0;
  for (int i = first; i < argc; i++) {
    if (i == first || argv[i - 1] == NULL) commands[count++] = argv + i;
    if (strcmp(argv[i], "--") == 0) argv[i] = NULL;
    if (count == kMaxCommands) break;
  }
  return count;
}

int main(int argc, char** argv) {
  int runs = 100, warm_up = 5, option;
  while ((option = getopt(argc, argv, "+n:w:")) != -1) {
    if (option == 'n') runs = atoi(optarg);
    if (option == 'w') warm_up = atoi(optarg);
    if (option == '?') return 2;
  }
  char** commands[kMaxCommands];
  int count = split(argc, argv, optind, commands);
  double* times = calloc((size_t)(runs > 0 ? runs : 1) * kMaxCommands, sizeof *times);
  if (count == 0 || runs < 1 || times == NULL) {
    fprintf(stderr, "usage: loop [-n RUNS] [-w WARM_UP_RUNS] COMMAND [ARGUMENT...] [-- COMMAND [ARGUMENT...]]...\n");
    return 2;
  }
  posix_spawn_file_actions_t actions;  // what hyperfine does by default
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  for (int i = -warm_up; i < runs; i++) {
    for (int c = 0; c < count; c++) {
      double time = run(commands[c], &actions);
      if (i >= 0) times[c * runs + i] = time;
    }
  }
  printf("{\"results\": [");
  for (int c = 0; c < count; c++) {
    if (c > 0) printf(", ");
    print(basename(commands[c][0]), times + (long)c * runs, runs);
  }
  printf("]}\n");
  return 0;
}
