// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/sweeps.h"

#include <algorithm>
#include <regex>
#include <set>

#include "tests/faults/calls.h"

namespace minirun::testing {
namespace {

constexpr uint64_t kMore = 6;  // points after those of the first run

// The other kinds' commands have up to 1,000 calls and more, mostly those of the first: without --all every k-th.
constexpr size_t kStride = 8;

class Maker {
 public:
  explicit Maker(const SweepOptions& options) : options_(options) {}

  void add(Kind kind, Command command, const std::vector<long>& calls) {
    for (auto [victim, whom] : {std::pair(Victim::command, "minirun"), std::pair(Victim::caller, "the calling process"),
                                std::pair(Victim::all, "all its processes")})
      add_signals(kind, command, calls, Fault::Kind::kill, victim, std::string("kill -9 of ") + whom);
    if (command == Command::run || command == Command::run_explained ||
        (command == Command::exec && kind != Kind::attached))  // others are not in charge of it
      add_signals(kind, command, calls, Fault::Kind::ask, Victim::command, "SIGTERM to minirun");
    add_failures(kind, command, calls);
    add_missing(kind, command, calls);
  }

  void add_damages(size_t bytes) {
    for (auto [damage, what] :
         {std::pair(Fault::Kind::cut_record, "delete --force with the record cut off at every byte"),
          std::pair(Fault::Kind::flip_record,
                    "delete --force with a bit flipped in every byte of the "
                    "record")}) {
      Sweep sweep{what, Kind::privileged, Command::remove, {}};
      for (uint64_t at = 1; at <= bytes; ++at) {
        Fault fault;
        fault.kind = damage;
        fault.at = at;
        sweep.faults.push_back(fault);
      }
      keep(std::move(sweep));
    }
  }

  std::vector<Sweep> sweeps;

 private:
  void add_signals(Kind kind, Command command, const std::vector<long>& calls, Fault::Kind what, Victim victim,
                   const std::string& words) {
    Sweep sweep = named(kind, command, words + " at every system call of ");
    for (uint64_t at = 1; at <= calls.size() + kMore; ++at) {
      Fault fault;
      fault.kind = what;
      fault.at = at;
      fault.victim = victim;
      sweep.faults.push_back(fault);
    }
    keep(std::move(sweep));
  }

  void add_failures(Kind kind, Command command, const std::vector<long>& calls) {
    Sweep sweep = named(kind, command, "one failing call at every system call of ");
    for (uint64_t at = 1; at <= calls.size() + kMore; ++at) {
      size_t errors = at <= calls.size() ? call_of(calls[at - 1]).errors.size() : 1;
      for (size_t error = 0; error < errors; ++error) {
        Fault fault;
        fault.kind = Fault::Kind::fail;
        fault.at = at;
        fault.error = error;
        sweep.faults.push_back(fault);
      }
    }
    keep(std::move(sweep));
  }

  void add_missing(Kind kind, Command command, const std::vector<long>& calls) {
    Sweep sweep = named(kind, command, "one kind of call missing (ENOSYS) in ");
    for (long number : std::set<long>(calls.begin(), calls.end())) {
      if (!call_of(number).may_be_missing) continue;
      Fault fault;
      fault.kind = Fault::Kind::missing;
      fault.number = number;
      fault.at = static_cast<uint64_t>(number);  // for --at
      sweep.faults.push_back(fault);
    }
    if (!sweep.faults.empty()) keep(std::move(sweep));
  }

  static Sweep named(Kind kind, Command command, const std::string& what) {
    return {what + name_of(command) + name_of(kind), kind, command, {}};
  }

  void keep(Sweep sweep) {
    if (!std::regex_search(sweep.name, std::regex(options_.only))) return;
    bool others = sweep.kind != Kind::privileged || sweep.command == Command::run_kept;
    if (others && !options_.all && !options_.at && sweep.faults.size() > 10 * kStride) {
      std::vector<Fault> some;
      for (size_t i = 0; i < sweep.faults.size(); i += kStride) some.push_back(sweep.faults[i]);
      sweep.faults = std::move(some);
      sweep.name += " (each " + std::to_string(kStride) + "th point)";
    }
    if (options_.at) std::erase_if(sweep.faults, [&](const Fault& fault) { return fault.at != *options_.at; });
    sweeps.push_back(std::move(sweep));
  }

  const SweepOptions& options_;
};

// The commands that have to do with a terminal that is sent, or with a device.
bool is_attached(Command command) {
  return command == Command::create || command == Command::run_detached || command == Command::exec;
}

bool concerns(Kind kind, Command command) {
  if (command == Command::run_kept) return kind == Kind::privileged;
  if (command == Command::run_explained) return kind == Kind::user || kind == Kind::joined;
  if (command == Command::check) return kind == Kind::privileged || kind == Kind::user;
  if (kind == Kind::joined) return makes_container(command) || command == Command::start;
  if (kind == Kind::overlay || kind == Kind::kept)
    return command == Command::create || command == Command::run || command == Command::remove;
  return kind != Kind::attached || is_attached(command);
}

}  // namespace

std::vector<Sweep> make_sweeps(const SweepOptions& options) {
  Maker maker(options);
  for (Kind kind : {Kind::privileged, Kind::user, Kind::attached, Kind::joined, Kind::overlay, Kind::kept}) {
    Scene scene(kind);
    if (kind == Kind::privileged) maker.add_damages(scene.record_bytes());
    for (int i = 0; i < kCommands; ++i) {
      auto command = static_cast<Command>(i);
      if (concerns(kind, command)) maker.add(kind, command, scene.calls(command));
    }
  }
  return std::move(maker.sweeps);
}

}  // namespace minirun::testing
