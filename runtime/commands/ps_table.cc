// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/ps_table.h"

#include <sys/wait.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>

#include "runtime/text/json.h"
#include "sys/child_program.h"

namespace minirun {
namespace {

constexpr size_t kMostOutput = 16 << 20;
constexpr std::chrono::seconds kPsTime{10};

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
  const char* directories = getenv("PATH");
  ProgramStart ps;
  ps.path = find_program("ps", directories != nullptr ? directories : "/bin:/usr/bin");
  if (ps.path.empty()) return fail(ErrorKind::host, "ps(1) is not in PATH: no such file or directory");
  ps.name = "ps(1)";
  ps.arguments = arguments;
  ps.arguments.insert(ps.arguments.begin(), "ps");
  ps.environment = inherited_environment();
  ProgramOutcome ended = TRY(run_program(ps, kPsTime, kMostOutput));
  int status = ended.status;
  if (status == 0) return std::move(ended.output);
  return fail(ErrorKind::host, "ps(1) failed ({} {}){}{}", WIFSIGNALED(status) ? "signal" : "exit status",
              WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), ended.errors.empty() ? "" : ": ",
              ended.errors);
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
