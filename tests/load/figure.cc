// SPDX-License-Identifier: Apache-2.0
#include "tests/load/figure.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <memory>

#include "tests/support/fault_traces.h"

namespace minirun::testing {
namespace {

constexpr const char* kState = "/run/tests/state";
constexpr size_t kAtATime = 4;  // on two processors
constexpr int kCommandMs = 60000;

size_t count_descriptors() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}

long long now_us() {
  auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

void list(const char* what, const Traces& these, const Traces& others, std::string& text) {
  constexpr int kMost = 20;
  int count = 0;
  for (const std::string& trace : these) {
    if (others.contains(trace) || ++count > kMost) continue;
    text.append("\n      ").append(what).append(": ").append(trace);
  }
  if (count > kMost) text.append(fmt::format("\n      {}: {} more", what, count - kMost));
}

}  // namespace

void Figure::count(const std::string& problem) {
  ++tried;
  if (problem.empty())
    ++passed;
  else
    problems.push_back(problem);
}

int part_of(int count) {
  const char* text = getenv("MINIRUN_LOAD_PART");
  int part = text == nullptr ? 1 : atoi(text);
  return part > 1 ? (count + part - 1) / part : count;
}

Place::Place() : nowhere_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {
  make_folders(kState);
  before_ = take_all_traces();
  descriptors_ = count_descriptors();
}

std::vector<std::string> Place::minirun(const std::vector<std::string>& args) const {
  std::vector<std::string> argv = {program("MINIRUN", "minirun"), "--root", kState};
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

Outcome Place::call(const std::vector<std::string>& args) const {
  return Running(minirun(args), {}).finish(kCommandMs);
}

void Place::many(int count, const std::function<std::vector<std::string>(int)>& args,
                 const std::function<void(int, const Outcome&)>& done, const StartOptions& options) const {
  std::deque<std::unique_ptr<Running>> running;
  for (int started = 0, ended = 0; ended < count; ++ended) {
    for (; started < count && running.size() < kAtATime; ++started)
      running.push_back(std::make_unique<Running>(minirun(args(started)), options));
    done(ended, running.front()->finish(kCommandMs));
    running.pop_front();
  }
}

StartOptions Place::quiet() const {
  StartOptions options;
  options.stdout_fd = nowhere_.get();
  return options;
}

std::string Place::start(const std::string& bundle, const std::string& id) const {
  return unless(0, Running(minirun({"run", "--detach", "--bundle", bundle, id}), quiet()).finish(kCommandMs));
}

std::string Place::left(int milliseconds) const {
  Traces now;
  std::string text;
  if (!eventually([&] { return (now = take_all_traces()) == before_; }, milliseconds)) {
    list("left behind", now, before_, text);
    list("taken away", before_, now, text);
  }
  size_t descriptors = count_descriptors();
  if (descriptors != descriptors_) text += fmt::format("\n      descriptors: {}, were {}", descriptors, descriptors_);
  return text;
}

std::string unless(int code, const Outcome& outcome) {
  return outcome.code == code ? "" : describe(outcome);
}

Clock::Clock() : start_us_(now_us()) {}

double Clock::milliseconds() const {
  return static_cast<double>(now_us() - start_us_) / 1000;
}

std::string Clock::each(int count) const {
  return fmt::format("{:.1f} ms each", milliseconds() / count);
}

}  // namespace minirun::testing
