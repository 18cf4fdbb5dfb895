// SPDX-License-Identifier: Apache-2.0
#include "tests/attacks/file_trace.h"

#include <regex>
#include <sstream>

namespace minirun::testing {
namespace {

using Words = std::set<std::string>;

// They return the type of a file, never its content, and change nothing.
const Words kTellOnly = {"stat",       "lstat",  "newfstatat", "statx",      "statfs", "readlink",
                         "readlinkat", "access", "faccessat",  "faccessat2", "getcwd"};
const Words kOpen = {"open", "openat", "openat2", "creat"};
// Followed for what descriptors stand for.
const Words kNoFiles = {"close", "fork", "vfork", "clone", "clone3"};
const Words kSockets = {"bind", "connect", "sendto", "sendmsg", "sendmmsg"};

bool has(const std::string& text, const char* word) {
  return text.find(word) != std::string::npos;
}

std::string verb_of(const std::string& name, const std::string& call) {
  if (kOpen.count(name) == 0) return name;
  if (has(call, "O_PATH")) return "path";
  return has(call, "O_RDONLY") ? "read" : "write";
}

// Without the words of the program that is executed.
std::string arguments_of(const std::string& name, const std::string& call) {
  return name == "execve" || name == "execveat" ? call.substr(0, call.find(", [")) : call;
}

}  // namespace

std::vector<std::string> FileTrace::strace(const std::string& output) {
  // What takes a path, as strace(1) knows it, and what reaches files or mounts in another way.
  std::string calls =
      "trace=%file,fsopen,fsconfig,fsmount,move_mount,mount_setattr,open_tree,fspick,setns,io_uring_setup,";
  calls += "open_by_handle_at,name_to_handle_at,bind,connect,sendto,sendmsg,sendmmsg,close,fork,vfork,clone,clone3";
  return {"/usr/bin/strace", "-f", "-y", "-q", "-s", "4096", "-e", "signal=none", "-e", calls, "-o", output};
}

bool FileTrace::first_ended(const std::string& text) {
  std::string first = text.substr(0, text.find(' '));
  return std::regex_search(text, std::regex("(^|\n)" + first + " +\\+\\+\\+ "));
}

std::string FileTrace::neutral(std::string text) const {
  for (const auto& [what, name] : names_)
    for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += name.size())
      text.replace(at, what.size(), name);
  static const std::regex kProcess("/proc/[0-9]+"), kDescriptor("/proc/self/fd/(?![012]\\b)[0-9]+"),
      kKey("[0-9a-f]{16}");
  text = std::regex_replace(text, kProcess, "/proc/N");
  text = std::regex_replace(text, kDescriptor, "/proc/self/fd/N");
  return std::regex_replace(text, kKey, "KEY");
}

std::string FileTrace::place(const Process& process, const std::string& descriptor, const std::string& shown,
                             const std::string& path, bool in_root) {
  auto label = process.labels.find(descriptor);
  bool labelled = label != process.labels.end() && shown[0] == '/';
  std::string directory = labelled ? label->second : shown;
  if (in_root) return (directory == "/" ? "" : directory) + (path[0] == '/' ? "/" : "//") + path;
  if (descriptor.empty() || descriptor == "AT_FDCWD" || path[0] == '/') return path;
  return path.empty() ? directory : directory + " " + path;
}

// What the call does, and where; no places when it is of no interest.
std::vector<std::string> FileTrace::places(const Process& process, const std::string& name, const std::string& call) {
  // A descriptor with what it is, or a string; behind a descriptor may come the path that starts there.
  static const std::regex kPlace(R"re((?:(AT_FDCWD|-?\b\d+)(?:<([^>]*)>(?:\(deleted\))?)?, )?(?:"([^"]*)"|NULL))re");
  static const std::regex kSocket(R"re(sun_path=@?"([^"]*)")re");
  std::smatch match;
  if (kSockets.count(name) != 0)
    return std::regex_search(call, match, kSocket) ? std::vector<std::string>{match[1]} : std::vector<std::string>{};
  std::string arguments = arguments_of(name, call);
  std::vector<std::string> found;
  for (std::sregex_iterator at(arguments.begin(), arguments.end(), kPlace), end; at != end; ++at) {
    std::string descriptor = (*at)[1], shown = (*at)[2].matched ? (*at)[2].str() : descriptor, path = (*at)[3];
    if (descriptor.empty() && path.empty()) continue;
    found.push_back(place(process, descriptor, shown, path, has(call, "RESOLVE_IN_ROOT")));
  }
  return found;
}

// Remembers what a new descriptor is, where its path does not say it.
void FileTrace::label_result(Process& process, const std::string& name, const std::string& call,
                             const std::vector<std::string>& places) {
  static const std::regex kResult(R"re( = (\d+)<([^>]*)>$)re"), kFirst(R"re(^\w+\((\d+)<)re");
  std::smatch result, first;
  if (!std::regex_search(call, result, kResult)) return;
  std::string label;
  if (name == "fsopen") label = "[new " + places.at(0) + "]";
  if (name == "fsmount" && std::regex_search(call, first, kFirst)) label = process.labels[first[1]];
  if (name == "open_tree") label = "[clone of " + places.at(0) + "]";
  if (kOpen.count(name) != 0 && (result[2] == "/" || has(places.at(0), "[") || has(places.at(0), "//")))
    label = std::regex_replace(places.at(0), std::regex(" \\.$"), "");
  process.labels.erase(result[1]);
  if (!label.empty()) process.labels[result[1]] = label;
}

void FileTrace::take(Process& process, const std::string& call) {
  static const std::regex kClosed(R"re(^close\((\d+))re");
  std::string name = call.substr(0, call.find('('));
  std::smatch closed;
  if (std::regex_search(call, closed, kClosed)) process.labels.erase(closed[1]);
  if (kTellOnly.count(name) != 0 || kNoFiles.count(name) != 0) return;
  if (name == "setns") {
    process.inside = process.inside || has(call, "CLONE_NEWNS");
    return;
  }
  std::vector<std::string> where = places(process, name, call);
  std::string line = verb_of(name, call);
  for (const std::string& one : where) line += " " + one;
  bool is_word = name == "fsmount" || (name == "fsconfig" && !has(call, "SET_FD") && !has(line, "/"));
  bool is_no_file = where.empty() && kSockets.count(name) != 0;
  if (!is_word && !is_no_file) (process.inside ? files_.inside : files_.outside).insert(neutral(line));
  label_result(process, name, call, where);
  process.inside = process.inside || name == "pivot_root" || name == "chroot";
}

TouchedFiles FileTrace::read(const std::string& text) {
  static const std::regex kLine(R"re(^(\d+) +(?:<\.\.\. \w+ resumed>)?(.*?)( <unfinished \.\.\.>)?$)re");
  static const std::regex kStart("^(fork|vfork|clone|clone3)\\("), kStarted(R"re( = (\d+)$)re");
  files_ = {};
  std::map<std::string, Process> processes;
  Process parent;  // of the next that is new: it has its descriptors
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match, started;
    if (!std::regex_match(line, match, kLine)) continue;
    Process& process = processes.try_emplace(match[1], parent).first->second;
    process.unfinished += match[2];
    bool starts = std::regex_search(process.unfinished, kStart);
    if (starts) parent = {process.inside, process.labels, ""};
    if (match[3].matched) continue;
    std::string call = std::exchange(process.unfinished, "");
    if (starts && std::regex_search(call, started, kStarted)) processes.try_emplace(started[1], parent);
    if (!starts && call.find("+++") == std::string::npos && call.find('(') != std::string::npos) take(process, call);
  }
  for (auto& [pid, process] : processes)  // killed in the middle of it
    if (process.unfinished.find('(') != std::string::npos) take(process, process.unfinished);
  return files_;
}

}  // namespace minirun::testing
