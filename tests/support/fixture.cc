// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "sys/file.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

constexpr unsigned kSecondsPerTest = 90;
const std::string kCgroups = "/sys/fs/cgroup";

std::vector<std::string> entries(const std::string& path) {
  std::vector<std::string> names;
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = readdir(dir)) {
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  closedir(dir);
  return names;
}

bool is_folder(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

void add_cgroups(const std::string& path, Traces& traces) {
  for (const std::string& name : entries(path)) {
    std::string child = path + "/" + name;
    if (!is_folder(child)) continue;
    traces.insert("cgroup " + child.substr(kCgroups.size()));
    add_cgroups(child, traces);
  }
}

void add_files(const std::string& path, Traces& traces) {
  for (const std::string& name : entries(path)) {
    std::string child = path + "/" + name;
    // Bundles of the tests come and go; a cache of compiled seccomp filters is meant to stay.
    if (child.rfind("/run/tests/bundle-", 0) == 0 || name == ".cache") continue;
    traces.insert("file " + child);
    if (is_folder(child)) add_files(child, traces);
  }
}

void add_processes(Traces& traces) {
  for (const std::string& name : entries("/proc")) {
    if (name[0] < '0' || name[0] > '9') continue;
    auto stat = read_file(AT_FDCWD, "/proc/" + name + "/stat");
    if (!stat) continue;  // gone meanwhile
    size_t name_end = stat->rfind(')');
    traces.insert("process " + stat->substr(0, name_end + 1));
  }
}

void add_mounts(Traces& traces) {
  auto table = read_file(AT_FDCWD, "/proc/self/mountinfo", 1 << 24);
  std::istringstream lines(table.ok() ? *table : "");
  for (std::string line; std::getline(lines, line);) traces.insert("mount " + line);
}

Traces difference(const Traces& a, const Traces& b) {
  Traces more;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::inserter(more, more.end()));
  return more;
}

std::string join(const Traces& traces) {
  std::string text;
  for (const std::string& trace : traces) text += "\n  " + trace;
  return text;
}

}  // namespace

void remove_traces(const Traces& traces) {
  for (const std::string& trace : traces) {
    if (trace.rfind("process ", 0) == 0) kill(atoi(trace.c_str() + 8), SIGKILL);
    if (trace.rfind("cgroup ", 0) == 0) {
      std::string path = kCgroups + trace.substr(7);
      (void)write_control(AT_FDCWD, path + "/cgroup.freeze", "0");
      (void)write_control(AT_FDCWD, path + "/cgroup.kill", "1");
    }
    if (trace.rfind("file ", 0) == 0) remove_tree(trace.substr(5));
  }
  // Deepest first.
  for (auto trace = traces.rbegin(); trace != traces.rend(); ++trace) {
    if (trace->rfind("cgroup ", 0) == 0) {
      (void)eventually([&] { return rmdir((kCgroups + trace->substr(7)).c_str()) == 0; }, 1000);
    }
    if (trace->rfind("mount ", 0) == 0) {
      std::istringstream fields(*trace);
      std::string word;
      for (int i = 0; i < 6; ++i) fields >> word;
      (void)umount2(word.c_str(), MNT_DETACH);
    }
  }
}

Traces take_traces() {
  Traces traces;
  add_cgroups(kCgroups, traces);
  add_mounts(traces);
  add_processes(traces);
  add_files("/run", traces);
  return traces;
}

void MinirunTest::SetUp() {
  static int count = 0;
  id_ = "t" + std::to_string(++count);
  alarm(kSecondsPerTest * static_cast<unsigned>(slowness()));
  make_folders(kState);
  before_ = take_traces();
}

void MinirunTest::TearDown() {
  (void)unlink(kPidFile);  // where the test made one
  Traces now;
  // A process that was killed a moment ago may not be reaped yet.
  (void)eventually([&] { return (now = take_traces()) == before_; }, 2000);
  Traces more = difference(now, before_);
  Traces fewer = difference(before_, now);
  EXPECT_TRUE(more.empty()) << "left behind:" << join(more);
  EXPECT_TRUE(fewer.empty()) << "taken away:" << join(fewer);
  remove_traces(more);
  alarm(0);
}

void MinirunTest::expect_as_before(const Traces& before, const std::string& after) {
  Traces now;
  bool clean = eventually([&] { return (now = take_traces()) == before; }, 3000);
  ASSERT_TRUE(clean) << "left behind " << after << ":" << join(difference(now, before));
}

std::vector<std::string> MinirunTest::minirun(const std::vector<std::string>& args) const {
  std::vector<std::string> argv = {program("MINIRUN", "minirun"), "--root", kState};
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

Outcome MinirunTest::call(const std::vector<std::string>& args, const StartOptions& options) const {
  return Running(minirun(args), options).finish();
}

std::vector<std::string> MinirunTest::run_command(const Bundle& bundle, const std::vector<std::string>& flags) const {
  bundle.write();
  std::vector<std::string> args = {"run"};
  args.insert(args.end(), flags.begin(), flags.end());
  args.insert(args.end(), {"--bundle", bundle.path(), id_});
  return minirun(args);
}

Outcome MinirunTest::run(const Bundle& bundle, const std::vector<std::string>& flags,
                         const StartOptions& options) const {
  return Running(run_command(bundle, flags), options).finish();
}

Outcome MinirunTest::detach(const Bundle& bundle, std::vector<std::string> flags) const {
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  flags.push_back("--detach");
  return run(bundle, flags, options);
}

nlohmann::json MinirunTest::report(Bundle& bundle, const std::vector<std::string>& flags,
                                   const StartOptions& options) const {
  bundle.payload({"report"});
  Outcome outcome = run(bundle, flags, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  auto seen = nlohmann::json::parse(outcome.out, nullptr, false);
  EXPECT_TRUE(seen.is_object()) << describe(outcome);
  return seen.is_object() ? seen : nlohmann::json::object();
}

pid_t MinirunTest::container_pid() {
  pid_t pid = 0;
  if (!eventually([&] { return (pid = atoi(content(kPidFile).c_str())) > 1; })) {
    (void)fprintf(stderr, "integration_tests: no pid in %s\n", kPidFile);
    abort();
  }
  return pid;
}

void MinirunTest::expect_refused(const Outcome& outcome, const std::vector<std::string>& texts) {
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_EQ(outcome.out, "");
  for (const std::string& text : texts) {
    EXPECT_NE(outcome.err.find(text), std::string::npos) << "no \"" << text << "\" in:\n"
                                                         << outcome.err.substr(0, 4096);
  }
}

bool has_controller(const std::string& name) {
  return (" " + content(kCgroups + "/cgroup.controllers") + " ").find(" " + name + " ") != std::string::npos;
}

bool has_capability(int number) {
  return prctl(PR_CAPBSET_READ, number, 0, 0, 0) == 1;
}

std::string content(const std::string& path) {
  auto text = read_file(AT_FDCWD, path);
  if (!text) return "(none)";
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

std::string link_target(const std::string& path) {
  std::array<char, 4096> target{};
  ssize_t n = readlink(path.c_str(), target.data(), target.size());
  return n < 0 ? "(none)" : std::string(target.data(), static_cast<size_t>(n));
}

std::vector<std::string> new_cgroups(const Traces& before) {
  Traces now;
  add_cgroups(kCgroups, now);
  std::vector<std::string> folders;
  for (const std::string& trace : difference(now, before)) folders.push_back(kCgroups + trace.substr(7));
  return folders;
}

}  // namespace minirun::testing
