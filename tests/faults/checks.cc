// SPDX-License-Identifier: Apache-2.0
// What must be true after a command with a fault in it.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <sstream>

#include "tests/faults/scene.h"
#include "tests/support/fault_traces.h"
#include "tests/support/json_schema.h"

namespace minirun::testing {
namespace {

std::string list(const Traces& before, const Traces& now) {
  std::string text;
  for (const std::string& trace : now)
    if (!before.contains(trace)) text.append("\n      left behind: ").append(trace);
  for (const std::string& trace : before)
    if (!now.contains(trace)) text.append("\n      taken away: ").append(trace);
  return text;
}

// The names of all members of a JSON text, with their places, but for those of a list (devices that were read from);
// "" when it is none.
std::string shape_of(const std::string& text) {
  auto parsed = nlohmann::json::parse(text, nullptr, false);
  if (!parsed.is_object()) return "";
  auto members = parsed.flatten();
  std::string names;
  for (const auto& [name, value] : members.items())
    if (name.find("/blkio/") == std::string::npos) names += name + "\n";
  return names;
}

}  // namespace

// Each line is an event, and the last one says how the command has ended, unless minirun was killed or the fault was in
// a call that events are made with.
std::string Scene::check_events(const Attempt& attempt) {
  std::istringstream lines(attempt.events);
  nlohmann::json last = nlohmann::json::object();
  for (std::string line; std::getline(lines, line) && !lines.eof();) {  // one without its end is none
    last = nlohmann::json::parse(line, nullptr, false);
    std::string problem = schema_problem(status_schema(), last);
    if (!problem.empty()) return "\n      no event: " + line + ": " + problem;
  }
  const std::string& where = attempt.traced.where;
  auto in = [&](const std::string& call) { return where.starts_with(call + " of "); };
  constexpr const char* kCallsOfEvents[] = {"fcntl", "newfstatat", "fstat", "poll", "write", "brk", "mmap"};
  const int code = attempt.traced.code;
  if (attempt.err.starts_with(": error while loading")) return "";  // minirun's main() has not begun
  if (code < 0 || std::any_of(std::begin(kCallsOfEvents), std::end(kCallsOfEvents), in)) return "";
  const std::string name = last.value("event", "none");
  bool stays =
      attempt.command == Command::run || attempt.command == Command::run_explained || attempt.command == Command::exec;
  if (stays && name == "exited" && last.value("exit_status", -1) == code) return "";
  if (code != 0 && name == "error" && last.value("exit_status", -1) == code) return "";
  if (code == 0 && name == (attempt.command == Command::create ? "created" : "running")) return "";
  return "\n      the last event is " + last.dump();
}

// It is whole, and it is there if the command succeeds and could write it.
std::string Scene::check_timing(const Attempt& attempt) const {
  const Traced& traced = attempt.traced;
  if (!attempt.timing.empty()) {
    std::string problem = schema_problem(timing_schema(), nlohmann::json::parse(attempt.timing, nullptr, false));
    return problem.empty() ? "" : "\n      broken times: " + attempt.timing + ": " + problem;
  }
  bool excused = !is_good(attempt.command, traced.code) || traced.where.starts_with("write of ");
  return excused ? "" : "\n      no times, without a word";
}

// It is whole, or it is missing: with a word, if minirun was not killed.
std::string Scene::check_report(const Attempt& attempt) const {
  std::string text = content(report_file());
  (void)unlink(report_file().c_str());
  if (text == "(none)") {
    bool said = !attempt.err.empty() || attempt.traced.code < 0 || attempt.traced.code == kTimedOut;
    return said ? "" : "\n      no report, without a word";
  }
  std::string problem = schema_problem(report_schema(), nlohmann::json::parse(text, nullptr, false));
  return problem.empty() ? "" : "\n      a broken report: " + text + ": " + problem;
}

std::string Scene::check_outcome(const Attempt& attempt) {
  // glibc's malloc gives the program up when it cannot align the end of its heap: before anything was made.
  bool heap = attempt.traced.code == -SIGABRT && attempt.traced.where.rfind("brk of ", 0) == 0;
  if (attempt.traced.code < 0 && !heap)
    return "killed by signal " + std::to_string(-attempt.traced.code) + remove_and_check();
  if (is_good(attempt.command, attempt.traced.code)) return check_success(attempt);
  if (attempt.err.empty()) return "fails without a word" + remove_and_check();
  return check_refusal(attempt);
}

// Of commands in the foreground. Before minirun holds signals back it has made nothing.
std::string Scene::check_asked(const Attempt& attempt) {
  const int code = attempt.traced.code;
  if (is_good(attempt.command, code)) return check_success(attempt);
  std::string problem = code == 128 + SIGTERM || code == -SIGTERM ? "" : "it did not end by the signal";
  if (makes_container(attempt.command)) return problem + check_clean(2000);
  problem += check_unchanged();
  return problem + remove_and_check();
}

std::string Scene::check_inside(Command command, const std::string& text) const {
  auto dump = parse_dump(text);
  if (!dump) return "the container says only: " + text.substr(0, 200);
  const Dump& wanted = command == Command::exec ? exec_inside_ : inside_[static_cast<size_t>(command)];
  std::string differs = difference(wanted, *dump);
  return differs.empty() ? "" : "the container is another:" + differs;
}

// A container that runs, and stays: from inside and from outside.
std::string Scene::check_container(Command command) {
  (void)eventually([&] { return said().find("\n--end--\n") != std::string::npos; });
  std::string problem = check_inside(command, said());
  if (!problem.empty()) return problem;
  std::string differs = difference(limits_, cgroup_dump(cgroup()));
  return differs.empty() ? "" : "the limits are others:" + differs;
}

// No process is left, or both of those that keep its time are.
std::string Scene::check_kept() const {
  auto holds = [&] {
    if (content(cgroup() + "/cgroup.events").find("populated 1") == std::string::npos) return true;
    auto record =
        nlohmann::json::parse(content("/run/tests/state/" + std::string(kSceneId) + "/state.json"), nullptr, false);
    if (!record.is_object() || !record.contains("keepers")) return false;
    const nlohmann::json& keepers = record["keepers"];
    return keepers.size() == 2 && std::all_of(keepers.begin(), keepers.end(), [](const nlohmann::json& keeper) {
             return kill(keeper.value("pid", 0), 0) == 0;
           });
  };
  return eventually(holds) ? "" : "\n      it runs without its deadline";
}

// The container of prepare() is as it was.
std::string Scene::check_unchanged() const {
  std::string now;
  (void)eventually([&] { return (now = status()) == "running"; });
  if (now != "running") return "the container is " + now;
  auto processes = [&] {
    std::string text = content(cgroup() + "/cgroup.procs");
    return std::count(text.begin(), text.end(), '\n') + 1;
  };
  const int init_and_workload = kind_ == Kind::joined ? 1 : 2;
  if (!eventually([&] { return processes() == init_and_workload; }, 2000))
    return "processes in the container: " + content(cgroup() + "/cgroup.procs");
  std::string differs = difference(limits_, cgroup_dump(cgroup()));
  return differs.empty() ? "" : "the limits have changed:" + differs;
}

// Both processes were seen, or it says what was not.
std::string Scene::check_look(const Attempt& attempt) {
  const bool top = attempt.command == Command::top;
  auto seen = nlohmann::json::parse(attempt.out, nullptr, false);
  std::string problem = schema_problem(top ? top_schema() : doctor_schema(), seen);
  if (!problem.empty()) return "its output is wrong: " + problem + ": " + attempt.out;
  const auto& container = top ? seen["containers"][0] : seen;
  // The processors are those of the whole machine, and have much to do now.
  for (const auto& finding : container.value("findings", nlohmann::json::array()))
    if (finding["rule"] != "cpu-host") return "it has found something in a healthy container: " + attempt.out;
  const bool says = container.contains("problem") || !container.value("unseen", nlohmann::json::array()).empty();
  if (says || container.value("processes", 0) == 2) return "";
  return "it has missed something without a word: " + attempt.out;
}

// The bundle runs: check says no only of a fault that it has met, with a reason.
std::string Scene::check_verdict(const Attempt& attempt) {
  auto said = nlohmann::json::parse(attempt.out, nullptr, false);
  std::string problem = schema_problem(check_schema(), said);
  if (!problem.empty()) return "its output is wrong: " + problem + ": " + attempt.out;
  const bool no = said["verdict"] == "no";
  if (no != (attempt.traced.code == 2)) return "its status is not its verdict: " + attempt.out;
  return no && !attempt.traced.faulted ? "it says no to a good bundle: " + attempt.out : "";
}

std::string Scene::start_and_check() {
  Outcome started = call({"start", kSceneId});
  if (started.code != 0) return "cannot be started: " + describe(started);
  return check_container(Command::create);
}

std::string Scene::check_success(const Attempt& attempt) {
  std::string problem;
  switch (attempt.command) {
    case Command::create:
      problem = status() == "created" ? start_and_check() : "the container is " + status();
      break;
    case Command::start:
    case Command::run_detached:
    case Command::run_kept:
      problem = check_container(attempt.command);
      // A timekeeper whose calls fail ends the container, even when the command has succeeded by then.
      if (attempt.command == Command::run_kept && attempt.traced.faulted && !problem.empty() &&
          eventually([&] { return status() == "stopped"; }))
        problem.clear();
      break;
    case Command::run:
    case Command::run_explained:
      problem = check_inside(attempt.command, attempt.out);
      return problem.empty() ? check_clean(2000) : problem;
    case Command::exec:
      if (console_) (void)eventually([&] { return said().find("\n--end--\n") != std::string::npos; });
      problem = check_inside(Command::exec, console_ ? said() : attempt.out);
      if (problem.empty()) problem = check_unchanged();
      break;
    case Command::kill:
      if (!eventually([&] { return status() == "stopped"; })) problem = "the container is " + status();
      break;
    case Command::remove:
      return check_clean(2000);
    case Command::pause:
      if (status() != "paused") problem = "the container is " + status();
      break;
    case Command::update:
      problem = difference(updated_limits_, cgroup_dump(cgroup()));
      break;
    case Command::resume:
      problem = check_unchanged();
      break;
    case Command::stop:
      if (status() != "stopped") problem = "the container is " + status();
      break;
    case Command::wait:  // the status is the workload's, also where the report cannot be written: with a word
      if (attempt.out.empty() && !attempt.err.empty()) break;
      problem = schema_problem(report_schema(), nlohmann::json::parse(attempt.out, nullptr, false));
      break;
    case Command::stats:
      if (shape_of(attempt.out) != shape_of(stats_)) problem = "its output differs: " + attempt.out;
      problem += check_unchanged();
      break;
    case Command::top:
    case Command::doctor:
      problem = check_look(attempt) + check_unchanged();
      break;
    case Command::check:
      problem = check_verdict(attempt);
      return problem.empty() ? check_clean(2000) : problem;
  }
  if (!problem.empty()) problem += "\n     (it said 0)";
  return problem + remove_and_check();
}

std::string Scene::check_refusal(const Attempt& attempt) {
  // Whatever ran must have run as it should.
  std::string problem;
  bool ran = makes_container(attempt.command) || attempt.command == Command::exec;
  if (ran && parse_dump(attempt.out)) problem = check_inside(attempt.command, attempt.out);
  switch (attempt.command) {
    case Command::create:
    case Command::run:
    case Command::run_detached:
    case Command::run_explained:
    case Command::check:
    case Command::run_kept: {
      problem += check_clean(2000);
      return problem.empty() ? "" : problem + remove_and_check();
    }
    case Command::start:
      if (status() == "created") problem += start_and_check();
      break;
    case Command::exec:
    case Command::kill:
    case Command::pause:
    case Command::update:
    case Command::stats:
    case Command::top:
    case Command::doctor:
      problem += check_unchanged();
      break;
    case Command::resume:
      if (status() == "paused" && call({"resume", kSceneId}).code != 0) problem += "it stays paused";
      problem += check_unchanged();
      break;
    case Command::stop:  // it may have ended, and its end not be known
      if (!eventually([&] { return status() == "stopped"; }, 500)) problem += check_unchanged();
      break;
    case Command::remove:
    case Command::wait:
      break;
  }
  return problem + remove_and_check();
}

std::string Scene::remove_and_check() {
  Outcome removed = call({"delete", "--force", kSceneId});
  if (removed.code == 0 && removed.err.empty()) return check_clean(3000);
  return "\n     delete --force: " + describe(removed) + check_clean(100);
}

// When everything else is removed. unfinished: the launch had not ended by then, so the directory was made in vain.
std::string Scene::check_changes(bool unfinished) const {
  std::string problem;
  for (const auto& entry : std::filesystem::directory_iterator(bundle_.path())) {
    const std::string name = entry.path().filename();
    if (name.starts_with(".minirun-work")) problem += "\n      left behind: " + name;
    if (name == "kept" && unfinished) problem += "\n      left behind: the directory of a launch that failed";
  }
  return problem;
}

std::string Scene::check_clean(int milliseconds) const {
  Traces now;
  if (eventually([&] { return (now = traces()) == before_; }, milliseconds)) return "";
  return list(before_, now);
}

}  // namespace minirun::testing
