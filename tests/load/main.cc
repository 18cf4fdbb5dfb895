// SPDX-License-Identifier: Apache-2.0
// load_tests: minirun under load, for long, and in crowds. As root:
//
//   build/load_tests [--only REGEX]
//
// Prints a line for each figure, "PASS ...: 1000 of 1000" or "FAIL ...: 999 of 1000" and what was wrong, and ends with
// 1 when there was a FAIL. $MINIRUN_LOAD_PART: a part of each count only (10: a tenth).
//   --only REGEX  the groups of figures whose name it is in
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <regex>
#include <string>

#include "tests/load/figure.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

constexpr unsigned kSecondsPerGroup = 600;

struct Group {
  const char* name;
  void (*measure)(Figures&);
};

constexpr Group kGroups[] = {
    {"containers", containers_at_once},    {"cycles", run_cycles},           {"lives", life_cycles},
    {"one-id", creates_of_one_id},         {"orphans", orphans_of_an_init},  {"signals", bursts_of_signals},
    {"terminal", terminals_of_the_killed}, {"commands", commands_of_one_id},
};

void print(const Figure& figure) {
  constexpr size_t kMost = 8;
  (void)printf("%s %s: %d of %d%s\n", figure.good() ? "PASS" : "FAIL", figure.name.c_str(), figure.passed, figure.tried,
               figure.note.empty() ? "" : (" (" + figure.note + ")").c_str());
  for (size_t i = 0; i < figure.problems.size() && i < kMost; ++i) (void)printf("   %s\n", figure.problems[i].c_str());
  if (figure.problems.size() > kMost) (void)printf("   and %zu more\n", figure.problems.size() - kMost);
}

// In the world, with a network of its own: its sockets and devices are those of its containers.
int measure(const Group& group) {
  if (unshare(CLONE_NEWNET) != 0) return 2;
  alarm(kSecondsPerGroup * static_cast<unsigned>(slowness()));
  Figures figures;
  group.measure(figures);
  int status = figures.empty() ? 2 : 0;
  for (const Figure& figure : figures) {
    print(figure);
    if (!figure.good()) status = 1;
  }
  (void)fflush(stdout);
  return status;
}

int measure_all(const std::string& only) {
  int status = 0;
  std::regex wanted(only);
  for (const Group& group : kGroups) {
    if (!std::regex_search(group.name, wanted)) continue;
    // A separate process for each, since the maker of a world stays in its cgroups.
    pid_t pid = fork();
    if (pid < 0) return 2;
    if (pid == 0) _exit(run_in_private_world([&] { return measure(group); }));
    int ended = 0;
    if (waitpid(pid, &ended, 0) != pid || !WIFEXITED(ended) || WEXITSTATUS(ended) > 1) {
      (void)printf("FAIL %s: did not come to an end\n", group.name);
      (void)fflush(stdout);
      status = 1;
    } else if (ended != 0) {
      status = 1;
    }
  }
  return status;
}

}  // namespace
}  // namespace minirun::testing

int main(int argc, char** argv) {
  std::string only;
  if (argc == 3 && strcmp(argv[1], "--only") == 0) {
    only = argv[2];
  } else if (argc != 1) {
    (void)fprintf(stderr, "usage: load_tests [--only REGEX]\n");
    return 2;
  }
  return minirun::testing::measure_all(only);
}
