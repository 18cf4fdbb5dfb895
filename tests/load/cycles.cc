// SPDX-License-Identifier: Apache-2.0
// The same again and again: nothing grows.
#include <fmt/format.h>
#include <sys/vfs.h>

#include <algorithm>
#include <sstream>

#include "tests/load/figure.h"
#include "tests/support/fault_bundles.h"

namespace minirun::testing {
namespace {

constexpr int kRuns = 10000;
constexpr int kLives = 1000;
constexpr int kTimesLookedAt = 10;

// The memory that the kernel uses for namespaces, cgroups, mounts, processes, filters and the like. Of the whole
// machine, on which others may be at work.
long kernel_kib() {
  long sum = 0;
  std::istringstream lines(content("/proc/meminfo"));
  for (std::string name, line; std::getline(lines, line);) {
    std::istringstream fields(line);
    long kib = 0;
    fields >> name >> kib;
    for (const char* wanted : {"SUnreclaim:", "KernelStack:", "PageTables:", "Percpu:"})
      if (name == wanted) sum += kib;
  }
  return sum;
}

// Of /run, where the state root and all that minirun writes is; the world's own.
struct Disk {
  unsigned long blocks = 0, inodes = 0;
  bool operator==(const Disk&) const = default;
};

Disk disk() {
  struct statfs info {};
  if (statfs("/run", &info) != 0) abort();
  return {info.f_blocks - info.f_bfree, info.f_files - info.f_ffree};
}

// Checked now and then, while no container exists.
class Growth {
 public:
  explicit Growth(const Place& place) : place_(place), disk_(disk()) {}

  void look(Figure& figure, int cycles) {
    std::string left = place_.left();
    if (!left.empty()) figure.fail(fmt::format("after {} cycles:{}", cycles, left));
    Disk now = disk();
    if (!(now == disk_))
      figure.fail(fmt::format("after {} cycles: {} blocks and {} inodes in /run, were {} and {}", cycles, now.blocks,
                              now.inodes, disk_.blocks, disk_.inodes));
    memory_.push_back(kernel_kib());
  }

  // A leak grows by the same in each part; the work of others, and what the kernel frees later, does not. So it is the
  // lowest of the second half that must not be above all of the first half.
  void judge_memory(Figure& figure) const {
    constexpr long kMostKib = 4096;
    auto half = memory_.begin() + static_cast<long>(memory_.size() / 2);
    long first = *std::max_element(memory_.begin(), half);
    long second = *std::min_element(half, memory_.end());
    if (second <= first + kMostKib) return;
    std::string all;
    for (long kib : memory_) all += fmt::format(" {}", kib);
    figure.fail("the kernel's memory grows, in KiB:" + all);
  }

 private:
  const Place& place_;
  Disk disk_;
  std::vector<long> memory_;
};

// create, start, exec, pause, resume, kill, delete.
std::string live(const Place& place, const Bundle& bundle) {
  const std::vector<std::vector<std::string>> kCommands = {{"create", "--bundle", bundle.path(), "live"},
                                                           {"start", "live"},
                                                           {"exec", "live", "/bin/payload", "true"},
                                                           {"pause", "live"},
                                                           {"resume", "live"},
                                                           {"kill", "live", "KILL"}};
  for (const std::vector<std::string>& command : kCommands) {
    Outcome outcome = Running(place.minirun(command), place.quiet()).finish();
    if (outcome.code != 0 || !outcome.err.empty()) return command[0] + ": " + describe(outcome);
  }
  Outcome outcome;
  bool gone = eventually([&] { return (outcome = place.call({"delete", "live"})).code == 0; });
  return gone ? "" : "delete: " + describe(outcome);
}

}  // namespace

void run_cycles(Figures& figures) {
  Bundle bundle;
  write_bundles(Kind::privileged, bundle);
  bundle.payload({"print", "words"});
  bundle.write();
  Figure figure{"run cycles, each with its output and status, nothing left and nothing grown"};
  Place place;
  // The first container leaves the compiled seccomp filter in its cache, which is meant to stay.
  figure.fail(unless(0, place.call({"run", "--bundle", bundle.path(), "first"})));
  Growth growth(place);
  int part = std::max(1, part_of(kRuns) / kTimesLookedAt);
  double ms = 0;
  for (int i = 1; i <= kTimesLookedAt; ++i) {
    Clock clock;
    place.many(
        part,
        [&](int n) {
          return std::vector<std::string>{"run", "--bundle", bundle.path(), "r" + std::to_string(n)};
        },
        [&](int, const Outcome& outcome) {
          bool good = outcome.code == 0 && outcome.out == "words\n" && outcome.err.empty();
          figure.count(good ? "" : describe(outcome));
        });
    ms += clock.milliseconds();
    growth.look(figure, part * i);
  }
  growth.judge_memory(figure);
  figure.note = fmt::format("{:.1f} ms each", ms / (part * kTimesLookedAt));
  figures.push_back(figure);
}

void life_cycles(Figures& figures) {
  Bundle bundle;
  write_bundles(Kind::user, bundle);
  bundle.payload({"pause"});
  bundle.write();
  Figure figure{"cycles of create, start, exec, pause, resume, kill and delete, nothing left and nothing grown"};
  Place place;
  figure.fail(live(place, bundle));
  Growth growth(place);
  int part = std::max(1, part_of(kLives) / kTimesLookedAt);
  double ms = 0;
  for (int i = 1; i <= kTimesLookedAt; ++i) {
    Clock clock;
    for (int n = 0; n < part; ++n) figure.count(live(place, bundle));
    ms += clock.milliseconds();
    growth.look(figure, part * i);
  }
  growth.judge_memory(figure);
  figure.note = fmt::format("{:.1f} ms each", ms / (part * kTimesLookedAt));
  figures.push_back(figure);
}

}  // namespace minirun::testing
