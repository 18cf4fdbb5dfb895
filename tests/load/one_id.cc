// SPDX-License-Identifier: Apache-2.0
// Many commands want the same id at the same moment.
#include <unistd.h>

#include <memory>

#include "sys/fd.h"
#include "tests/load/figure.h"

namespace minirun::testing {
namespace {

constexpr int kRounds = 1000;
constexpr int kCreates = 12;
constexpr int kRoundsOfAll = 300;
constexpr const char* kId = "wanted";

struct Barrier {
  UniqueFd wait, open;
  Barrier() {
    int ends[2];
    if (pipe(ends) != 0) abort();
    wait.reset(ends[0]);
    open.reset(ends[1]);
  }
};

// What is wrong with the outcomes: one is 0, all others are refusals for the right reason.
std::string judge(const std::vector<Outcome>& outcomes) {
  int winners = 0;
  for (const Outcome& outcome : outcomes) {
    if (outcome.code == 0 && outcome.err.empty()) {
      ++winners;
      continue;
    }
    if (outcome.code != 1 || outcome.err.find("container with given ID already exists") == std::string::npos)
      return describe(outcome);
  }
  return winners == 1 ? "" : std::to_string(winners) + " of them won";
}

// The outcomes of commands that start at the same moment, in their order.
std::vector<Outcome> at_once(const Place& place, const std::vector<std::vector<std::string>>& commands) {
  Barrier barrier;
  StartOptions options;
  // Closing the writing end in each leaves this program's as the last.
  options.in_child = [&] {
    (void)close(barrier.open.get());
    char byte = 0;
    if (read(barrier.wait.get(), &byte, 1) != 0) _exit(97);
    (void)close(barrier.wait.get());
  };
  std::vector<std::unique_ptr<Running>> all;
  for (const auto& command : commands) all.push_back(std::make_unique<Running>(place.minirun(command), options));
  barrier.open.reset();
  std::vector<Outcome> outcomes;
  for (auto& one : all) outcomes.push_back(one->finish());
  return outcomes;
}

std::string round_of_creates(const Place& place, const Bundle& bundle) {
  std::vector<std::vector<std::string>> commands(kCreates, {"create", "--bundle", bundle.path(), kId});
  std::string problem = judge(at_once(place, commands));
  // The one that won has a whole container.
  if (problem.empty()) problem = unless(0, place.call({"start", kId}));
  std::string removed = unless(0, place.call({"delete", "--force", kId}));
  return problem + removed + place.left();
}

// In any order, each does its work or says why not; and nothing is left of the container.
std::string round_of_all(const Place& place, const Bundle& bundle) {
  const std::vector<std::vector<std::string>> commands = {
      {"start", kId}, {"state", kId},  {"exec", kId, "/bin/payload", "true"},
      {"pause", kId}, {"resume", kId}, {"kill", kId, "KILL"},
      {"list"},       {"ps", kId},     {"delete", "--force", kId}};
  Outcome created = Running(place.minirun({"create", "--bundle", bundle.path(), kId}), place.quiet()).finish();
  std::string problem = unless(0, created);
  std::vector<Outcome> outcomes = at_once(place, commands);
  for (size_t i = 0; i < commands.size(); ++i) {
    bool reported = outcomes[i].code == 0 || !outcomes[i].err.empty() || outcomes[i].code > 128;
    if (outcomes[i].code < 0 || !reported) problem += commands[i][0] + ": " + describe(outcomes[i]);
  }
  if (outcomes.back().code != 0) problem += "delete --force: " + describe(outcomes.back());
  return problem + place.left();
}

Figure count_rounds(const std::string& name, int rounds, std::string (*round)(const Place&, const Bundle&)) {
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.write();
  Place place;
  Figure figure{name};
  Clock clock;
  for (int i = 0; i < rounds; ++i) figure.count(round(place, bundle));
  figure.note = clock.each(rounds);
  return figure;
}

}  // namespace

void creates_of_one_id(Figures& figures) {
  figures.push_back(
      count_rounds("rounds of 12 creates of one id at once, exactly one wins", part_of(kRounds), round_of_creates));
}

void commands_of_one_id(Figures& figures) {
  figures.push_back(
      count_rounds("rounds of start, state, exec, pause, resume, kill, list, ps and delete --force of one id at once",
                   part_of(kRoundsOfAll), round_of_all));
}

}  // namespace minirun::testing
