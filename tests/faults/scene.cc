// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/scene.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "sys/file.h"
#include "tests/support/fault_traces.h"
#include "tests/support/net_device.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

const std::string kState = "/run/tests/state";
constexpr const char* kRecord = "/run/tests/state/faulty/state.json";
constexpr int kEnd = 7;  // of the payload's surroundings

UniqueFd make_output(const char* name) {
  UniqueFd fd(memfd_create(name, MFD_CLOEXEC));
  if (!fd) abort();
  return fd;
}

std::string text_of(int fd) {
  std::string text(1 << 18, '\0');
  ssize_t n = pread(fd, text.data(), text.size(), 0);
  text.resize(n < 0 ? 0 : static_cast<size_t>(n));
  return text;
}

}  // namespace

Scene::Scene(Kind kind) : kind_(kind) {
  make_folders(kState);
  write_bundles(kind, bundle_);
  if (kind == Kind::attached) console_.emplace();
  // The first one fills minirun's cache of compiled filters, which is meant to stay.
  for (Command command : {Command::create, Command::run_detached, Command::create}) {
    std::string problem = prepare(command);
    before_ = traces();
    Outcome made = Running(arguments(command), output_to(container_out_)).finish();
    if (!problem.empty() || made.code != 0) give_up("cannot make a container: " + problem + made.err);
    if (command == Command::create) (void)call({"start", kSceneId});
    (void)eventually([&] { return parse_dump(said()).has_value(); });
    inside_[static_cast<size_t>(command)] = parse_dump(said()).value_or(Dump());
    limits_ = cgroup_dump(cgroup());
    if (command == Command::run_detached) learn();
    problem = remove_and_check();
    if (!problem.empty()) give_up(problem);
  }
  inside_[static_cast<size_t>(Command::run_kept)] = inside_[static_cast<size_t>(Command::run_detached)];
  inside_[static_cast<size_t>(Command::start)] = inside_[static_cast<size_t>(Command::create)];
  bool runs = !console_;  // in the foreground minirun holds the terminal itself
  if (runs)
    inside_[static_cast<size_t>(Command::run)] = parse_dump(call(arguments_of(Command::run)).out).value_or(Dump());
  inside_[static_cast<size_t>(Command::run_explained)] = inside_[static_cast<size_t>(Command::run)];
  if (inside_[0].empty() || (runs && inside_[static_cast<size_t>(Command::run)].empty()) || exec_inside_.empty() ||
      stats_.empty())
    give_up("the container does not report");
}

// What exec and update do to the existing container.
void Scene::learn() {
  if (console_) console_->listen_anew();
  Outcome executed = call(arguments_of(Command::exec));
  if (console_) (void)eventually([&] { return parse_dump(said()).has_value(); });
  exec_inside_ = parse_dump(console_ ? said() : executed.out).value_or(Dump());
  stats_ = call(arguments_of(Command::stats)).out;
  (void)call(arguments_of(Command::update));
  updated_limits_ = cgroup_dump(cgroup());
}

// Exit status of the command when all is well.
bool Scene::is_good(Command command, int code) const {
  if (command == Command::doctor || command == Command::check) return code == 0 || code == 2;
  if (command == Command::wait) return code == 128 + SIGKILL;  // by `stop`
  bool waits = command == Command::run || command == Command::run_explained || (command == Command::exec && !console_);
  return code == (waits ? kEnd : 0);
}

// Of the container, or in a terminal of the last command.
std::string Scene::said() {
  return console_ ? console_->text() : text_of(container_out_.get());
}

// The device that a container takes along is gone with it, some time later: the next scene may see it go.
Traces Scene::traces() const {
  Traces all = take_all_traces();
  std::erase_if(all, [](const std::string& trace) {
    return trace.starts_with("network device ") && (trace.ends_with(kDevice) || trace.ends_with(kOtherEnd));
  });
  return all;
}

void Scene::give_up(const std::string& why) {
  (void)fprintf(stderr, "fault_sweep: %s\n", why.c_str());
  exit(2);
}

StartOptions Scene::output_to(UniqueFd& fd) {
  fd = make_output("out");
  StartOptions options;
  options.stdout_fd = fd.get();
  return options;
}

Outcome Scene::call(const std::vector<std::string>& args) const {
  std::vector<std::string> argv = {minirun_, "--root", kState};
  argv.insert(argv.end(), args.begin(), args.end());
  return Running(argv, {}).finish(20000);
}

std::vector<std::string> Scene::arguments(Command command) const {
  std::vector<std::string> argv = {minirun_, "--root", kState};
  std::vector<std::string> rest = arguments_of(command);
  argv.insert(argv.end(), rest.begin(), rest.end());
  return argv;
}

std::string Scene::cgroup() const {
  return std::string("/sys/fs/cgroup/minirun-") + kSceneId;
}

std::string Scene::status() const {
  json state = json::parse(call({"state", kSceneId}).out, nullptr, false);
  return state.is_object() ? state.value("status", "none") : "none";
}

// What the command finds.
std::string Scene::prepare(Command command) {
  if (console_) console_->forget();
  remove_tree(bundle_.path() + "/kept");
  if (bundle_.config["linux"].contains("netDevices")) {
    auto provided = provide_device();
    if (!provided.ok()) return provided.error().text();
  }
  if (makes_container(command) || command == Command::check) return "";
  Command maker = command == Command::start ? Command::create : Command::run_detached;
  Outcome made = Running(arguments(maker), output_to(container_out_)).finish(20000);
  if (made.code == 0 && command == Command::resume) made = call({"pause", kSceneId});
  if (made.code == 0 && command == Command::wait) made = call({"stop", "--signal", "KILL", kSceneId});
  (void)unlink(report_file().c_str());
  return made.code == 0 ? "" : "cannot prepare: " + describe(made);
}

Scene::Attempt Scene::perform(Command command, const Fault& fault) {
  if (console_) console_->listen_anew();
  UniqueFd out = make_output("out"), err = make_output("err");
  UniqueFd events = make_output("events");
  TracedCommand traced{arguments(command), out.get(), err.get()};
  if (watches(command)) {
    traced.argv.insert(traced.argv.begin() + 4, {"--status-fd", std::to_string(kStatusFd)});
    traced.status_fd = events.get();
  }
  if (times(command)) traced.argv.insert(traced.argv.begin() + 4, "--timing-json");
  Attempt attempt{command, run_traced(traced, fault), "", text_of(err.get()), text_of(events.get())};
  if (auto begin = attempt.err.find("{\"command\":"); begin != std::string::npos) {
    auto end = std::min(attempt.err.find('\n', begin), attempt.err.size() - 1);
    attempt.timing = attempt.err.substr(begin, end + 1 - begin);
    attempt.err.erase(begin, end + 1 - begin);
  }
  if (makes_container(command)) container_out_ = std::move(out);
  attempt.out = out && !console_ ? text_of(out.get()) : said();
  return attempt;
}

std::vector<long> Scene::calls(Command command) {
  std::string problem = prepare(command);
  Attempt attempt = perform(command, {});
  if (!is_good(command, attempt.traced.code)) problem = "status " + std::to_string(attempt.traced.code) + attempt.err;
  if (problem.empty()) problem = check_success(attempt);
  if (!problem.empty()) give_up(std::string(name_of(command)) + ": " + problem);
  return attempt.traced.calls;
}

size_t Scene::record_bytes() {
  std::string problem = prepare(Command::remove);
  size_t bytes = read_file(AT_FDCWD, kRecord).value().size();
  problem += remove_and_check();
  if (!problem.empty()) give_up(problem);
  return bytes;
}

// delete --force must do with what is left of the record.
Verdict Scene::attempt_damaged(const Fault& fault) {
  Verdict verdict{false, prepare(Command::remove)};
  std::string text = read_file(AT_FDCWD, kRecord).value();
  if (fault.at > text.size()) {
    verdict.problem += remove_and_check();
    return verdict;
  }
  verdict.tried = true;
  size_t at = fault.at - 1;
  if (fault.kind == Fault::Kind::cut_record)
    text.resize(at);
  else
    text[at] = static_cast<char>(text[at] ^ (1 << at % 7));
  if (unlink(kRecord) != 0) give_up("cannot damage the record");
  write_new_file(kRecord, text, 0600);
  verdict.problem += remove_and_check();
  if (!verdict.problem.empty()) clear();
  return verdict;
}

// So that the next attempt starts as this one did.
void Scene::clear() {
  if (console_) console_->forget();
  Traces more;
  for (const std::string& trace : traces())
    if (!before_.contains(trace)) more.insert(trace);
  remove_traces(more);
}

Verdict Scene::attempt(Command command, const Fault& fault) {
  if (fault.kind == Fault::Kind::cut_record || fault.kind == Fault::Kind::flip_record) return attempt_damaged(fault);
  std::string problem = prepare(command);
  if (!problem.empty()) return {true, problem};
  Attempt attempt = perform(command, fault);
  Verdict verdict{attempt.traced.faulted, ""};
  if (attempt.traced.code == kTimedOut) verdict.problem = "hangs";
  bool unfinished = access((kState + "/" + kSceneId + "/unfinished").c_str(), F_OK) == 0;
  if (fault.kind == Fault::Kind::kill || !verdict.problem.empty()) {
    if (command == Command::run_kept) verdict.problem += check_kept();
    verdict.problem += remove_and_check();
  } else if (fault.kind == Fault::Kind::ask) {
    verdict.problem = check_asked(attempt);
  } else {
    verdict.problem = check_outcome(attempt);
  }
  if (kind_ == Kind::kept) verdict.problem += check_changes(unfinished && makes_container(command));
  if (watches(command) && fault.kind != Fault::Kind::kill) verdict.problem += check_events(attempt);
  if (times(command) && fault.kind != Fault::Kind::kill) verdict.problem += check_timing(attempt);
  if (reports(command)) verdict.problem += check_report(attempt);
  if (!verdict.problem.empty()) {
    clear();
    std::string code = "; status " + std::to_string(attempt.traced.code);
    verdict.problem = attempt.traced.where + code + ", \"" + attempt.err + "\": " + verdict.problem;
  }
  return verdict;
}

}  // namespace minirun::testing
