// SPDX-License-Identifier: Apache-2.0
// throughput: keeps as many commands at work as asked for, each one container, and prints how many ended a second. No
// shell, no program between.
//
//   throughput [-n RUNS] IN_FLIGHT COMMAND [ARGUMENT...]      an ARGUMENT "@" is replaced by a number of its own each
//   time
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void spawn(char** command, char** place, posix_spawn_file_actions_t* actions, int number) {
  char text[32];
  pid_t pid;
  snprintf(text, sizeof text, "bench-%d", number);
  if (place != NULL) *place = text;
  int error = posix_spawnp(&pid, command[0], actions, NULL, command, environ);
  if (error == 0) return;
  fprintf(stderr, "throughput: %s: %s\n", command[0], strerror(error));
  exit(1);
}

// A failure is never a measurement.
static void reap(const char* name) {
  int status;
  while (waitpid(-1, &status, 0) < 0)
    if (errno != EINTR) exit(1);
  if (status == 0) return;
  fprintf(stderr, "throughput: %s: wait status 0x%x\n", name, (unsigned)status);
  exit(1);
}

int main(int argc, char** argv) {
  int runs = 400, option;
  while ((option = getopt(argc, argv, "+n:")) != -1) {
    if (option == 'n') runs = atoi(optarg);
    if (option == '?') return 2;
  }
  int in_flight = optind < argc ? atoi(argv[optind]) : 0;
  if (runs < 1 || in_flight < 1 || optind + 1 >= argc) {
    fprintf(stderr, "usage: throughput [-n RUNS] IN_FLIGHT COMMAND [ARGUMENT...]\n");
    return 2;
  }
  char** command = argv + optind + 1;
  char** place = NULL;
  for (char** argument = command; *argument != NULL; argument++)
    if (strcmp(*argument, "@") == 0) place = argument;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  int started = 0;
  double begin = now();
  while (started < in_flight && started < runs) spawn(command, place, &actions, started++);
  for (int ended = 0; ended < runs; ended++) {
    reap(command[0]);
    if (started < runs) spawn(command, place, &actions, started++);
  }
  printf("%.1f\n", runs / (now() - begin));
  return 0;
}
