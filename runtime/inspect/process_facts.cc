// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/process_facts.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "runtime/text/shown.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/kernel_text.h"

namespace minirun {
namespace {

template <class T>
bool read_number(std::string_view text, T* number, int base = 10) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return std::from_chars(text.data(), text.data() + text.size(), *number, base).ec == std::errc();
}

std::string_view last_word(std::string_view line) {
  size_t end = line.find_last_not_of(" \t");
  if (end == line.npos) return {};
  line = line.substr(0, end + 1);
  return line.substr(line.find_last_of(" \t") + 1);
}

// Linux 6.2 has their number as the size of the directory.
bool counts_descriptors() {
  static const bool kCounts = [] {
    struct stat own {};
    return stat("/proc/self/fd", &own) == 0 && own.st_size > 0;
  }();
  return kCounts;
}

void note_kind(int fds, const char* name, OpenFiles* files) {
  std::array<char, 64> target;
  ssize_t length = readlinkat(fds, name, target.data(), target.size());
  std::string_view text(target.data(), length > 0 ? static_cast<size_t>(length) : 0);
  if (text.starts_with("socket:[")) ++files->sockets;
  if (text.starts_with("pipe:[")) ++files->pipes;
  if (text == "anon_inode:[eventpoll]") files->waits_by_epoll = true;
}

// Reads the files of one process, and notes what cannot be read.
class Reader {
 public:
  Reader(int process, ProcessFacts* facts) : process_(process), facts_(facts) {}

  void read_files(Detail detail);
  void read_status();
  void read_wait_channel();

 private:
  std::optional<std::string> read(const char* file);
  // Counts them where the kernel did not, and reads their names.
  void list_files(bool counted, OpenFiles* files);

  int process_;
  ProcessFacts* facts_;
};

bool is_gone_process(const Error& error) {
  return error.code == ESRCH || error.code == ENOENT;
}

std::optional<std::string> Reader::read(const char* file) {
  auto text = read_file(process_, file, 65536);
  if (text.ok()) return std::move(text).value();
  if (!is_gone_process(text.error())) facts_->partly = true;
  return std::nullopt;
}

void Reader::list_files(bool counted, OpenFiles* files) {
  size_t listed = 0;
  auto fds = open_at(process_, "fd", O_RDONLY | O_DIRECTORY);
  auto read = fds.ok() ? for_each_entry(fds->get(), ".",
                                        [&](const dirent& entry) -> Result<bool> {
                                          if (listed == kMostDescriptors) facts_->cut = true;
                                          if (facts_->cut) return false;
                                          ++listed;
                                          note_kind(fds->get(), entry.d_name, files);
                                          return true;
                                        })
                       : Result<void>(fds.error());
  if (!read.ok() && !is_gone_process(read.error())) facts_->partly = true;
  if (!counted && read.ok()) files->open = listed;
}

void Reader::read_files(Detail detail) {
  OpenFiles files;
  if (auto limits = read("limits")) files.limit = parse_open_files_limit(*limits);
  struct stat directory {};
  const bool counted = counts_descriptors() && fstatat(process_, "fd", &directory, 0) == 0;
  files.open = counted ? static_cast<uint64_t>(directory.st_size) : 0;
  const bool before = facts_->partly;
  if (!counted || detail == Detail::all) list_files(counted, &files);
  if (counted || facts_->partly == before) facts_->files = files;
}

void Reader::read_status() {
  auto text = read("status");
  if (text) facts_->status = parse_process_status(*text);
}

void Reader::read_wait_channel() {
  auto channel = read("wchan");
  if (channel && *channel != "0") facts_->wait_channel = shown_line(*channel);
}

}  // namespace

std::optional<ProcessStat> parse_process_stat(std::string_view text) {
  size_t open = text.find('(');
  size_t close = text.rfind(')');  // the name may contain others
  if (open == text.npos || close == text.npos || close < open || close + 2 >= text.size()) return std::nullopt;
  ProcessStat stat;
  stat.name = text.substr(open + 1, close - open - 1);
  stat.state = text[close + 2];
  std::array<uint64_t, 25> fields{};  // by the numbers of the man page
  std::string_view rest = text.substr(close + 3);
  for (size_t number = 4; number < fields.size(); ++number) {
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    int64_t value = 0;
    auto read = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (read.ec != std::errc()) {
      if (number <= 22) return std::nullopt;  // a limit beyond int64 comes later
    }
    fields[number] = static_cast<uint64_t>(value);
    rest.remove_prefix(std::min(rest.find(' '), rest.size()));
  }
  stat.parent = static_cast<pid_t>(fields[4]);
  stat.cpu_ticks = fields[14] + fields[15];
  stat.threads = fields[20];
  stat.start_ticks = fields[22];
  stat.resident_bytes = fields[24] * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  return stat;
}

std::optional<ProcessStatus> parse_process_status(std::string_view text) {
  ProcessStatus status;
  bool known = false;
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    size_t colon = line.find(':');
    if (colon == line.npos) continue;
    std::string_view key = line.substr(0, colon);
    std::string_view value = line.substr(colon + 1);
    if (key == "Uid") known = read_number(value, &status.uid);
    if (key == "TracerPid") (void)read_number(value, &status.tracer);
    if (key == "NSpid") (void)read_number(last_word(value), &status.innermost_pid);
    if (key == "SigBlk") (void)read_number(value, &status.blocked, 16);
    if (key == "SigIgn") (void)read_number(value, &status.ignored, 16);
    if (key == "SigCgt") (void)read_number(value, &status.caught, 16);
    if (key == "voluntary_ctxt_switches") (void)read_number(value, &status.sleeps);
  }
  if (!known) return std::nullopt;
  return status;
}

std::optional<uint64_t> parse_open_files_limit(std::string_view text) {
  constexpr std::string_view kName = "Max open files";
  while (!text.empty()) {
    std::string_view line = take_line(&text);
    uint64_t limit = 0;
    if (line.starts_with(kName) && read_number(line.substr(kName.size()), &limit)) return limit;
  }
  return std::nullopt;
}

Result<ProcessFacts> look_at_process(pid_t pid, Detail detail) {
  // The directory stays that of this process, also when another one gets its number.
  UniqueFd process = TRY(open_at(AT_FDCWD, fmt::format("/proc/{}", pid), O_PATH | O_DIRECTORY));
  std::string text = TRY(read_file(process.get(), "stat", 8192));
  auto stat = parse_process_stat(text);
  if (!stat) return fail(ErrorKind::host, "read /proc/{}/stat: found {:.200}", pid, shown_line(text));
  ProcessFacts facts{pid, std::move(*stat)};
  Reader reader(process.get(), &facts);
  const bool zombie = facts.stat.state == 'Z' || facts.stat.state == 'X';
  if (!zombie) reader.read_files(detail);
  if (detail == Detail::counts) return facts;
  reader.read_status();
  reader.read_wait_channel();
  return facts;
}

Result<void> add_children(const ProcessFacts& process, std::vector<pid_t>* children) {
  UniqueFd tasks = TRY(open_at(AT_FDCWD, fmt::format("/proc/{}/task", process.pid), O_RDONLY | O_DIRECTORY));
  auto add_of = [&](const std::string& thread) -> Result<void> {
    std::string text = TRY(read_file(tasks.get(), thread + "/children"));
    for (std::string_view rest = text; !rest.empty();) {
      std::string_view word = rest.substr(0, rest.find(' '));
      rest.remove_prefix(std::min(rest.size(), word.size() + 1));
      pid_t pid = 0;
      if (read_number(word, &pid)) children->push_back(pid);
    }
    return {};
  };
  if (process.stat.threads == 1) return add_of(std::to_string(process.pid));
  size_t left = kMostThreads;
  return for_each_entry(tasks.get(), ".", [&](const dirent& entry) -> Result<bool> {
    auto added = add_of(static_cast<const char*>(entry.d_name));
    if (!added.ok() && !is_gone_process(added.error())) return added.error();  // one thread may have ended
    return --left > 0;
  });
}

std::string shown_process(const ProcessFacts& process) {
  return fmt::format("{} ({})", shown_line(process.stat.name), process.pid);
}

}  // namespace minirun
