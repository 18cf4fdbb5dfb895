// SPDX-License-Identifier: Apache-2.0
// What a figure is, and the place where its containers live. A figure counts what it tried and what passed; whatever is
// left behind afterwards makes it fail.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/bundle.h"
#include "tests/support/command.h"
#include "tests/support/fixture.h"

namespace minirun::testing {

struct Figure {
  // As it is printed: "containers at once, started".
  explicit Figure(std::string text) : name(std::move(text)) {}

  std::string name;
  int tried = 0;
  int passed = 0;
  std::string note;  // "" or what was measured besides: "3.1 ms each"
  std::vector<std::string> problems;

  // One more tried; it passed when the problem is "".
  void count(const std::string& problem);
  // Something that belongs to no single one of those tried; nothing when it is "".
  void fail(const std::string& problem) {
    if (!problem.empty()) problems.push_back(problem);
  }
  bool good() const { return tried > 0 && tried == passed && problems.empty(); }
};

// The number itself, or a part of it when $MINIRUN_LOAD_PART says so (10: a tenth).
int part_of(int count);

// In the private world: a state root, and what was there before.
class Place {
 public:
  Place();

  std::vector<std::string> minirun(const std::vector<std::string>& args) const;
  Outcome call(const std::vector<std::string>& args) const;

  // Starts command number 0 to count - 1 and passes each one's outcome on, in this order. Some of them run at the same
  // time.
  void many(int count, const std::function<std::vector<std::string>(int)>& args,
            const std::function<void(int, const Outcome&)>& done, const StartOptions& options = {}) const;

  // For processes that outlive the command: its output has no reader.
  StartOptions quiet() const;
  // minirun run --detach of the bundle; "" or what is wrong.
  std::string start(const std::string& bundle, const std::string& id) const;

  // "", or a list of what exists (processes, cgroups, mounts, sockets, network devices, files, descriptors of this
  // program) and was not before, or the other way round. Waits for what still goes away.
  std::string left(int milliseconds = 5000) const;

 private:
  UniqueFd nowhere_;
  Traces before_;
  size_t descriptors_;
};

// "status 1, ..." when the code is another, else "".
std::string unless(int code, const Outcome& outcome);

// Since its making.
class Clock {
 public:
  Clock();
  double milliseconds() const;
  // "3.1 ms each"
  std::string each(int count) const;

 private:
  long long start_us_;
};

// The figures, each in a private world of its own. Each function adds one or more to the list.
using Figures = std::vector<Figure>;
void containers_at_once(Figures& figures);  // containers.cc
void run_cycles(Figures& figures);          // cycles.cc
void life_cycles(Figures& figures);
void creates_of_one_id(Figures& figures);  // one_id.cc
void commands_of_one_id(Figures& figures);
void orphans_of_an_init(Figures& figures);       // init.cc
void bursts_of_signals(Figures& figures);        // signals.cc
void terminals_of_the_killed(Figures& figures);  // terminal.cc

}  // namespace minirun::testing
