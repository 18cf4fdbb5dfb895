// SPDX-License-Identifier: Apache-2.0
// operations: times what an engine asks of a runtime, one command at a time: create, start, exec, state, kill, delete,
// the whole cycle, and exec under a seccomp profile. Prints {OPERATION: {"results": [...]}}, the results as loop.c and
// hyperfine have them.
//
//   operations [-n ROUNDS] [-w WARM_UP_ROUNDS] BUNDLE SECCOMP_BUNDLE NAME=PROGRAM...
//
// The programs take turns, each round beginning with another one, so that whatever disturbs the machine disturbs all of
// them alike. A time is that from spawn to reaped. Both bundles run a program that sleeps.
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char** environ;
enum { kMaxPrograms = 8 };
enum Operation { kCreate, kStart, kExec, kState, kKill, kDelete, kCycle, kExecSeccomp, kOperations };
static const char* const kNames[kOperations] = {"create", "start",  "exec",  "state",
                                                "kill",   "delete", "cycle", "exec_seccomp"};

struct Program {
  char* name;
  char* path;
  double* times[kOperations];
};

static const char* const kPidFile = "/run/operations.pid";
static char id[] = "operations";
static posix_spawn_file_actions_t actions;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

// Ends the program unless the command exits with 0: a failure is never a measurement.
static void die(const char* program, const char* what, int status) {
  fprintf(stderr, "operations: %s %s: wait status 0x%x\n", program, what, (unsigned)status);
  exit(1);
}

static double run(char** command) {
  pid_t pid;
  int status;
  double start = now();
  int error = posix_spawn(&pid, command[0], &actions, NULL, command, environ);
  if (error != 0) {
    fprintf(stderr, "operations: %s: %s\n", command[0], strerror(error));
    exit(1);
  }
  if (wait4(pid, &status, 0, NULL) != pid) die(command[0], "wait4", 0);
  double end = now();
  if (status != 0) die(command[0], command[1], status);
  return end - start;
}

static double create_it(const struct Program* program, char* bundle) {
  return run((char*[]){program->path, "create", "--bundle", bundle, "--pid-file", (char*)kPidFile, id, NULL});
}

static double start_it(const struct Program* program) {
  return run((char*[]){program->path, "start", id, NULL});
}

static double exec_it(const struct Program* program) {
  return run((char*[]){program->path, "exec", id, "/bin/true", NULL});
}

static double state_it(const struct Program* program) {
  return run((char*[]){program->path, "state", id, NULL});
}

static double kill_it(const struct Program* program) {
  return run((char*[]){program->path, "kill", id, "KILL", NULL});
}

static double delete_it(const struct Program* program) {
  return run((char*[]){program->path, "delete", id, NULL});
}

// The container's first process is a child of this program, a subreaper, as it is of an engine's shim.
static void reap_container(const struct Program* program) {
  int pid = 0, status;
  FILE* file = fopen(kPidFile, "r");
  if (file == NULL || fscanf(file, "%d", &pid) != 1) die(program->name, "pid file", 0);
  fclose(file);
  if (wait4(pid, &status, 0, NULL) != pid) die(program->name, "wait for the container", 0);
  if (!WIFSIGNALED(status) && WEXITSTATUS(status) != 128 + 9) die(program->name, "container", status);
}

static void one_by_one(struct Program* program, char* bundle, double* took) {
  took[kCreate] = create_it(program, bundle);
  took[kStart] = start_it(program);
  took[kExec] = exec_it(program);
  took[kState] = state_it(program);
  took[kKill] = kill_it(program);
  reap_container(program);
  took[kDelete] = delete_it(program);
}

static double cycle(struct Program* program, char* bundle) {
  double begin = now();
  create_it(program, bundle);
  start_it(program);
  kill_it(program);
  reap_container(program);
  delete_it(program);
  return now() - begin;
}

static double exec_in(struct Program* program, char* bundle) {
  create_it(program, bundle);
  start_it(program);
  double took = exec_it(program);
  kill_it(program);
  reap_container(program);
  delete_it(program);
  return took;
}

static void print(const struct Program* programs, int count, int rounds) {
  for (int operation = 0; operation < kOperations; operation++) {
    printf("%s\"%s\": {\"results\": [", operation == 0 ? "{" : ",\n", kNames[operation]);
    for (int p = 0; p < count; p++) {
      printf("%s{\"command\": \"%s\", \"times\": [", p == 0 ? "" : ", ", programs[p].name);
      for (int i = 0; i < rounds; i++) printf("%s%.7f", i == 0 ? "" : ", ", programs[p].times[operation][i]);
      printf("]}");
    }
    printf("]}");
  }
  printf("}\n");
}

static int usage(void) {
  fprintf(stderr, "usage: operations [-n ROUNDS] [-w WARM_UP_ROUNDS] BUNDLE SECCOMP_BUNDLE NAME=PROGRAM...\n");
  return 2;
}

// False: an argument has no "=".
static int read_programs(char** arguments, int count, int rounds, struct Program* programs) {
  for (int i = 0; i < count; i++) {
    programs[i].name = arguments[i];
    char* equals = strchr(arguments[i], '=');
    if (equals == NULL) return 0;
    *equals = '\0';
    programs[i].path = equals + 1;
    for (int operation = 0; operation < kOperations; operation++) {
      programs[i].times[operation] = calloc((size_t)rounds, sizeof(double));
      if (programs[i].times[operation] == NULL) return 0;
    }
  }
  return 1;
}

int main(int argc, char** argv) {
  int rounds = 100, warm_up = 5, option;
  while ((option = getopt(argc, argv, "+n:w:")) != -1) {
    if (option == 'n') rounds = atoi(optarg);
    if (option == 'w') warm_up = atoi(optarg);
    if (option == '?') return usage();
  }
  struct Program programs[kMaxPrograms];
  int count = argc - optind - 2;
  if (rounds < 1 || count < 1 || count > kMaxPrograms || !read_programs(argv + optind + 2, count, rounds, programs))
    return usage();
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) return 1;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  for (int round = -warm_up; round < rounds; round++) {
    for (int turn = 0; turn < count; turn++) {
      struct Program* program = &programs[(round + warm_up + turn) % count];
      double took[kOperations];
      one_by_one(program, argv[optind], took);
      took[kCycle] = cycle(program, argv[optind]);
      took[kExecSeccomp] = exec_in(program, argv[optind + 1]);
      for (int operation = 0; round >= 0 && operation < kOperations; operation++)
        program->times[operation][round] = took[operation];
    }
  }
  print(programs, count, rounds);
  return 0;
}
