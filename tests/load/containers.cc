// SPDX-License-Identifier: Apache-2.0
// Many containers at the same time.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/load/figure.h"
#include "tests/support/fault_bundles.h"

namespace minirun::testing {
namespace {

constexpr int kContainers = 1000;
constexpr int kDeletes = 200;

std::string id(int number) {
  return "c" + std::to_string(number);
}

// The ids that `list` has, with their statuses.
std::map<std::string, std::string> listed(const Place& place) {
  std::map<std::string, std::string> found;
  auto list = nlohmann::json::parse(place.call({"list", "--format", "json"}).out, nullptr, false);
  if (!list.is_array()) return found;
  for (const auto& one : list) found[one.value("id", "")] = one.value("status", "");
  return found;
}

// Init and workload, in the container's cgroup.
std::string check_alive(int number) {
  std::string processes = content("/sys/fs/cgroup/minirun-" + id(number) + "/cgroup.procs");
  size_t count = 1;
  for (char c : processes) count += c == '\n' ? 1 : 0;
  return count == 2 ? "" : id(number) + " has the processes " + processes;
}

Figure start(const Place& place, const std::string& bundle, int count) {
  Figure figure{"containers at once, started"};
  Clock clock;
  place.many(
      count,
      [&](int i) {
        return std::vector<std::string>{"run", "--detach", "--bundle", bundle, id(i)};
      },
      [&](int, const Outcome& outcome) { figure.count(unless(0, outcome)); }, place.quiet());
  figure.note = clock.each(count);
  for (int i = 0; i < count; ++i) figure.fail(check_alive(i));
  return figure;
}

Figure list(const Place& place, int count) {
  Figure figure{"containers at once, listed as running"};
  Clock clock;
  auto found = listed(place);
  figure.note = clock.each(1) + " for all";
  for (int i = 0; i < count; ++i)
    figure.count(found[id(i)] == "running" ? "" : id(i) + " is listed as " + found[id(i)]);
  return figure;
}

// The command for each of them, in crowds; good: whether its outcome is as it should be.
Figure each(const char* name, const Place& place, int count,
            const std::function<std::vector<std::string>(int)>& command,
            const std::function<bool(int, const Outcome&)>& good) {
  Figure figure{name};
  Clock clock;
  place.many(count, command, [&](int i, const Outcome& outcome) {
    figure.count(good(i, outcome) ? "" : id(i) + ": " + describe(outcome));
  });
  figure.note = clock.each(count);
  return figure;
}

using Words = std::vector<std::string>;

Figure exec(const Place& place, int count) {
  Figure figure = each(
      "containers at once, executed a process in", place, count,
      [](int i) {
        return Words{"exec", id(i), "/bin/payload", "print", id(i)};
      },
      [](int i, const Outcome& outcome) {
        return outcome.code == 0 && outcome.out == id(i) + "\n" && outcome.err.empty();
      });
  for (int i = 0; i < count; ++i) figure.fail(check_alive(i));
  return figure;
}

Figure remove(const Place& place, int count) {
  Figure figure = each(
      "containers at once, deleted with nothing left", place, count,
      [](int i) {
        return Words{"delete", "--force", id(i)};
      },
      [](int, const Outcome& outcome) { return outcome.code == 0 && outcome.err.empty() && outcome.out.empty(); });
  figure.fail(place.left());
  return figure;
}

// One after the other, while it runs; with what delete --force takes, its own start included.
Figure remove_running(const Place& place, const std::string& bundle, int count) {
  Figure figure{"delete --force of a running container, nothing left"};
  std::vector<double> took;
  for (int i = 0; i < count; ++i) {
    std::string problem = place.start(bundle, id(i));
    Clock clock;
    problem += unless(0, place.call({"delete", "--force", id(i)}));
    took.push_back(clock.milliseconds());
    figure.count(problem + place.left());
  }
  std::sort(took.begin(), took.end());
  figure.note = fmt::format("median {:.1f} ms, longest {:.1f} ms", took.at(took.size() / 2), took.back());
  return figure;
}

}  // namespace

void containers_at_once(Figures& figures) {
  Bundle bundle;
  write_bundles(Kind::privileged, bundle);
  bundle.payload({"pause"});
  bundle.write();
  Place place;
  int count = part_of(kContainers);
  figures.push_back(start(place, bundle.path(), count));
  figures.push_back(list(place, count));
  figures.push_back(exec(place, count));
  figures.push_back(remove(place, count));
  figures.push_back(remove_running(place, bundle.path(), part_of(kDeletes)));
}

}  // namespace minirun::testing
