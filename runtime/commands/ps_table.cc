// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/ps_table.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <optional>

#include "runtime/text/json.h"
#include "sys/memory_file.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

constexpr size_t kMostOutput = 16 << 20;
constexpr std::chrono::seconds kPsTime{10};

// A ps(1) at work; killed when it is not waited for.
class Ps {
 public:
  static Result<Ps> start(const std::vector<std::string>& arguments);
  Ps(Ps&& other) noexcept
      : pid_(std::exchange(other.pid_, -1)), output_(std::move(other.output_)), errors_(std::move(other.errors_)) {}
  Ps(const Ps&) = delete;
  Ps& operator=(const Ps&) = delete;
  Ps& operator=(Ps&&) = delete;
  ~Ps() {
    if (pid_ < 0) return;
    (void)kill(pid_, SIGKILL);
    (void)wait();
  }

  Result<std::string> read_output();
  int wait() {
    int status = 0;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }
  std::string errors();

 private:
  Ps(pid_t pid, UniqueFd output, UniqueFd errors) : pid_(pid), output_(std::move(output)), errors_(std::move(errors)) {}

  pid_t pid_;
  UniqueFd output_;
  UniqueFd errors_;  // a memfd: what is written there can wait until the end
};

// Whatever the caller's signal mask and dispositions are, ps(1) has the ordinary ones.
int spawn_ps(const std::vector<std::string>& arguments, int output, int errors, pid_t* pid) {
  std::vector<char*> argv = {const_cast<char*>("ps")};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  int code = posix_spawnp(pid, "ps", &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  return code;
}

Result<Ps> Ps::start(const std::vector<std::string>& arguments) {
  Pipe output = TRY(make_pipe());
  UniqueFd errors = TRY(memory_file("ps-stderr"));
  pid_t pid = -1;
  int code = spawn_ps(arguments, output.writer.get(), errors.get(), &pid);
  if (code == ENOENT) return fail(ErrorKind::host, "ps(1) is not in PATH: no such file or directory");
  if (code != 0) return fail(code, "run ps(1)");
  return Ps(pid, std::move(output.reader), std::move(errors));
}

Result<std::string> Ps::read_output() {
  auto deadline = std::chrono::steady_clock::now() + kPsTime;
  std::string text;
  char buffer[16384];
  for (;;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd wait{output_.get(), POLLIN, 0};
    int ready = poll(&wait, 1, static_cast<int>(std::max<int64_t>(left.count(), 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail(errno, "poll");
    if (ready == 0) return fail(ETIMEDOUT, "ps(1) does not end");
    ssize_t n = read(output_.get(), buffer, sizeof buffer);
    if (n < 0) return fail(errno, "read what ps(1) prints");
    if (n == 0) return text;
    text.append(buffer, static_cast<size_t>(n));
    if (text.size() > kMostOutput) return fail(EFBIG, "ps(1) prints more than {} bytes", kMostOutput);
  }
}

std::string Ps::errors() {
  char buffer[1024];
  ssize_t n = pread(errors_.get(), buffer, sizeof buffer, 0);
  std::string text(buffer, static_cast<size_t>(std::max<ssize_t>(n, 0)));
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> out;
  while (true) {
    size_t start = line.find_first_not_of(" \t");
    if (start == line.npos) return out;
    line.remove_prefix(start);
    std::string_view word = line.substr(0, line.find_first_of(" \t"));
    out.push_back(word);
    line.remove_prefix(word.size());
  }
}

Result<pid_t> pid_in(std::string_view line, size_t column) {
  std::vector<std::string_view> fields = words(line);
  pid_t pid = 0;
  if (column < fields.size()) {
    std::string_view field = fields[column];
    auto parsed = std::from_chars(field.data(), field.data() + field.size(), pid);
    if (parsed.ec == std::errc() && parsed.ptr == field.data() + field.size()) return pid;
  }
  return fail(ErrorKind::host, "ps(1) printed no pid in the column PID of {}", quoted(line));
}

}  // namespace

Result<std::string> run_ps(const std::vector<std::string>& arguments) {
  Ps ps = TRY(Ps::start(arguments));
  std::string text = TRY(ps.read_output());
  int status = ps.wait();
  if (status == 0) return text;
  std::string why = ps.errors();
  return fail(ErrorKind::host, "ps(1) failed ({} {}){}{}", WIFSIGNALED(status) ? "signal" : "exit status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), why.empty() ? "" : ": ", why);
}

Result<std::string> select_processes(std::string_view table, const std::vector<pid_t>& pids) {
  std::string_view header = table.substr(0, table.find('\n'));
  std::vector<std::string_view> titles = words(header);
  auto column = std::find(titles.begin(), titles.end(), "PID");
  if (column == titles.end())
    return fail(ErrorKind::host, "ps(1) printed no column PID to select the processes by: {}", quoted(header));
  std::string out = std::string(header) + "\n";
  for (std::string_view rest = table.substr(std::min(table.size(), header.size() + 1)); !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.empty()) continue;
    pid_t pid = TRY(pid_in(line, static_cast<size_t>(column - titles.begin())));
    if (std::binary_search(pids.begin(), pids.end(), pid)) out.append(line).append("\n");
  }
  return out;
}

}  // namespace minirun
