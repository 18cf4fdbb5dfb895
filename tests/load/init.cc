// SPDX-License-Identifier: Apache-2.0
// What the init in the container has to do.
#include <cstdio>

#include "tests/load/figure.h"

namespace minirun::testing {
namespace {

constexpr int kOrphans = 100000;
constexpr int kPatienceMs = 300000;

}  // namespace

void orphans_of_an_init(Figures& figures) {
  Bundle bundle;
  int count = part_of(kOrphans);
  bundle.payload({"orphans", std::to_string(count)});
  bundle.write();
  Place place;
  Figure figure{"orphans reaped by the init"};
  Clock clock;
  Outcome outcome = Running(place.minirun({"run", "--bundle", bundle.path(), "orphanage"}), {}).finish(kPatienceMs);
  int zombies = -1;
  if (outcome.code != 0 || sscanf(outcome.out.c_str(), "zombies %d\n", &zombies) != 1) figure.fail(describe(outcome));
  figure.tried = count;
  figure.passed = zombies < 0 ? 0 : count - zombies;
  figure.fail(place.left());
  figure.note = std::to_string(static_cast<int>(clock.milliseconds() * 1000 / count)) + " us each";
  figures.push_back(figure);
}

}  // namespace minirun::testing
