// Many containers at the same time.
#include <nlohmann/json.hpp>

#include "tests/faults/bundles.h"
#include "tests/load/figure.h"

namespace minirun::testing {
namespace {

constexpr int kContainers = 1000;

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

Figure exec(const Place& place, int count) {
  Figure figure{"containers at once, executed a process in"};
  Clock clock;
  place.many(
      count,
      [&](int i) {
        return std::vector<std::string>{"exec", id(i), "/bin/payload", "print", id(i)};
      },
      [&](int i, const Outcome& outcome) {
        bool good = outcome.code == 0 && outcome.out == id(i) + "\n" && outcome.err.empty();
        figure.count(good ? "" : id(i) + ": " + describe(outcome));
      });
  figure.note = clock.each(count);
  for (int i = 0; i < count; ++i) figure.fail(check_alive(i));
  return figure;
}

Figure remove(const Place& place, int count) {
  Figure figure{"containers at once, deleted with nothing left"};
  Clock clock;
  place.many(
      count,
      [&](int i) {
        return std::vector<std::string>{"delete", "--force", id(i)};
      },
      [&](int i, const Outcome& outcome) {
        bool good = outcome.code == 0 && outcome.err.empty() && outcome.out.empty();
        figure.count(good ? "" : id(i) + ": " + describe(outcome));
      });
  figure.note = clock.each(count);
  figure.fail(place.left());
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
}

}  // namespace minirun::testing
