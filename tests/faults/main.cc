// SPDX-License-Identifier: Apache-2.0
// fault_sweep: one fault at each system call of minirun's commands. As root:
//
//   build/fault_sweep [--all] [--workers N] [--only REGEX] [--at N] [--verbose]
//
// Prints a line for each sweep, "PASS ...: 312 of 312" or "FAIL ...: 311 of 312" and what was wrong, and ends with 1
// when there was a FAIL. Without --all the longer sweeps take every k-th point; the line says so.
//   --only REGEX  the sweeps whose name it is in
//   --at N        the point N alone
//   --verbose     what was wrong also at once, on stderr, with the time that each attempt took
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "tests/faults/spec_sweep.h"
#include "tests/faults/sweeps.h"
#include "tests/support/net_device.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

constexpr size_t kMostSweeps = 256;

// Shared by the workers.
struct Board {
  std::atomic<size_t> next;
  std::atomic<int> broken;
  std::atomic<int> tried[kMostSweeps];
  std::atomic<int> passed[kMostSweeps];
};

struct Job {
  size_t sweep;
  Fault fault;
};

struct Options {
  SweepOptions sweeps;
  int workers = 4;  // of two, each processor idles two thirds of the time: a stop at each call waits for the tracer
  bool verbose = false;
};

// In a world of its own, so that all that is left in it is of its own containers.
int work(const std::vector<Sweep>& sweeps, const std::vector<Job>& jobs, Board& board, int log, bool verbose) {
  if (unshare(CLONE_NEWNET) != 0) return 2;
  std::optional<Scene> scene;
  std::optional<Kind> kind;
  for (;;) {
    size_t number = board.next++;
    if (number >= jobs.size()) return 0;
    const Job& job = jobs[number];
    const Sweep& sweep = sweeps[job.sweep];
    if (kind != sweep.kind) scene.emplace(*(kind = sweep.kind));
    auto start = std::chrono::steady_clock::now();
    Verdict verdict = scene->attempt(sweep.command, job.fault);
    std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (verbose)
      (void)fprintf(stderr, "%s, at %lu: %.1f ms %s\n", sweep.name.c_str(), job.fault.at, took.count(),
                    verdict.problem.c_str());
    if (!verdict.tried) continue;
    ++board.tried[job.sweep];
    if (verdict.problem.empty()) {
      ++board.passed[job.sweep];
      continue;
    }
    std::string line = std::to_string(job.sweep) + "\t" + "   at " + std::to_string(job.fault.at) + ", " +
                       verdict.problem + "\n" + '\0';
    if (write(log, line.data(), line.size()) < 0) return 2;
  }
}

std::vector<std::string> problems_of(const std::string& log, size_t sweep) {
  std::vector<std::string> problems;
  for (size_t at = 0, end = 0; (end = log.find('\0', at)) != std::string::npos; at = end + 1) {
    size_t tab = log.find('\t', at);
    if (std::stoul(log.substr(at, tab - at)) == sweep) problems.push_back(log.substr(tab + 1, end - tab - 1));
  }
  return problems;
}

std::string read_log(int fd) {
  std::string text;
  char block[65536];
  off_t at = 0;
  for (ssize_t n = 0; (n = pread(fd, block, sizeof block, at)) > 0; at += n) text.append(block, static_cast<size_t>(n));
  return text;
}

int print_results(const std::vector<Sweep>& sweeps, const Board& board, const std::string& log, size_t most) {
  int status = 0;
  for (size_t i = 0; i < sweeps.size(); ++i) {
    int tried = board.tried[i], passed = board.passed[i];
    bool good = tried > 0 && tried == passed;
    if (!good) status = 1;
    (void)printf("%s %s: %d of %d\n", good ? "PASS" : "FAIL", sweeps[i].name.c_str(), passed, tried);
    std::vector<std::string> problems = problems_of(log, i);
    for (size_t j = 0; j < problems.size() && j < most; ++j) (void)printf("%s", problems[j].c_str());
    if (problems.size() > most) (void)printf("   and %zu more\n", problems.size() - most);
  }
  return status;
}

int sweep_all(const Options& options) {
  if (unshare(CLONE_NEWNET) != 0) return 2;
  auto device = provide_device();
  if (!device.ok()) (void)printf("SKIP a network device that is moved: %s\n", device.error().text().c_str());
  const bool spec_good = sweep_spec(options.sweeps);
  (void)fflush(stdout);
  std::vector<Sweep> sweeps = make_sweeps(options.sweeps);
  std::vector<Job> jobs;
  for (size_t i = 0; i < sweeps.size(); ++i)
    for (const Fault& fault : sweeps[i].faults) jobs.push_back({i, fault});
  void* shared = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  int log = memfd_create("log", MFD_CLOEXEC);
  if (shared == MAP_FAILED || log < 0 || fcntl(log, F_SETFL, O_APPEND) < 0 || sweeps.size() > kMostSweeps) return 2;
  auto* board = new (shared) Board();
  (void)fflush(nullptr);
  std::vector<pid_t> workers;
  for (int i = 0; i < options.workers; ++i) {
    pid_t pid = fork();
    if (pid == 0) _exit(run_in_private_world([&] { return work(sweeps, jobs, *board, log, options.verbose); }));
    workers.push_back(pid);
  }
  int broken = 0;
  for (pid_t pid : workers) {
    int status = 0;
    if (waitpid(pid, &status, 0) != pid || status != 0) broken = 2;
  }
  int failed = print_results(sweeps, *board, read_log(log), options.sweeps.at ? 1000 : 8);
  if (broken != 0) (void)printf("FAIL a worker of the sweeps did not come to its end\n");
  return broken != 0 ? broken : failed != 0 || !spec_good;
}

[[noreturn]] void usage() {
  (void)fprintf(stderr, "usage: fault_sweep [--all] [--workers N] [--only REGEX] [--at N] [--verbose]\n");
  exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    bool more = i + 1 < argc;
    if (strcmp(argv[i], "--all") == 0) {
      options.sweeps.all = true;
    } else if (strcmp(argv[i], "--workers") == 0 && more) {
      options.workers = atoi(argv[++i]);
    } else if (strcmp(argv[i], "--only") == 0 && more) {
      options.sweeps.only = argv[++i];
    } else if (strcmp(argv[i], "--at") == 0 && more) {
      options.sweeps.at = static_cast<uint64_t>(atol(argv[++i]));
    } else if (strcmp(argv[i], "--verbose") == 0) {
      options.verbose = true;
    } else {
      usage();
    }
  }
  return options;
}

}  // namespace
}  // namespace minirun::testing

int main(int argc, char** argv) {
  minirun::testing::Options options = minirun::testing::parse(argc, argv);
  return minirun::testing::run_in_private_world([&] { return minirun::testing::sweep_all(options); });
}
