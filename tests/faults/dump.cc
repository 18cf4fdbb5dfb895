// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/dump.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

// Of /proc/PID/status: what differs between two processes that were started the same.
bool varies(const std::string& line) {
  constexpr std::array kKeys = {
      "Pid:",    "Tgid:", "PPid:",  "NStgid:",      "NSpid:",    "NSpgid:", "NSsid:",
      "Vm",      "Rss",   "SigQ:",  "voluntary",    "nonvolunt", "State:",  "FDSize:",
      "Hugetlb", "Ngid:", "Shared", "CoreDumping:", "THP_",      "untag",   "Seccomp_filters"};
  return std::any_of(kKeys.begin(), kKeys.end(), [&](const char* key) { return line.rfind(key, 0) == 0; });
}

std::string without_digits(const std::string& text) {
  std::string out;
  for (char c : text)
    if (c < '0' || c > '9') out += c;
  return out;
}

// proc_pid_mountinfo(5): "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG:N]... - TYPE SOURCE OPTIONS".
std::string mount_line(const std::string& line) {
  std::istringstream fields(line);
  std::string word, out;
  bool in_tags = false;
  for (int i = 0; fields >> word; ++i) {
    if (i < 3) continue;
    if (i == 6) in_tags = true;
    if (word == "-") in_tags = false;
    out.append(" ").append(in_tags ? without_digits(word) : word);
  }
  return out;
}

void add_report(const json& report, Dump& dump) {
  for (const auto& [key, value] : report.items()) {
    if (key == "pid" || key == "ppid" || key == "pgid" || key == "sid" || key == "status" || key == "mounts" ||
        key == "fds" || key == "namespaces")
      continue;
    json sorted = value;
    if (key == "interfaces") std::sort(sorted.begin(), sorted.end());  // the kernel has them in no order
    dump.insert(key + ": " + sorted.dump());
  }
  for (const json& line : report["status"])
    if (!varies(line.get<std::string>())) dump.insert("status " + line.get<std::string>());
  int number = 0;
  for (const json& line : report["mounts"])
    dump.insert("mount " + std::to_string(++number) + ":" + mount_line(line.get<std::string>()));
  for (const auto& [fd, target] : report["fds"].items()) {
    std::string file = without_digits(target.get<std::string>());
    bool ours = file == "pipe:[]" || file.rfind("/memfd:out", 0) == 0 || file.rfind("/memfd:err", 0) == 0;
    dump.insert("fd " + fd + ": " + (ours ? "of the caller" : file));
  }
  for (const auto& [name, link] : report["namespaces"].items()) {
    bool own = link_target("/proc/self/ns/" + name) != link.get<std::string>();
    dump.insert("namespace " + name + (own ? ": its own" : ": the host's"));
  }
}

}  // namespace

std::optional<Dump> parse_dump(const std::string& text) {
  size_t report_end = text.find("\n/proc/kcore ");
  if (report_end == std::string::npos || text.find("\n--end--\n") == std::string::npos) return std::nullopt;
  // The cgroup of an exec with a deadline has a random name.
  const std::string said =
      std::regex_replace(text.substr(0, report_end), std::regex("minirun-exec-[0-9a-f]+"), "(exec)");
  json report = json::parse(said, nullptr, false);
  if (!report.is_object()) return std::nullopt;
  Dump dump;
  add_report(report, dump);
  std::istringstream rest(text.substr(report_end + 1));
  int number = 0;
  for (std::string line; std::getline(rest, line);) dump.insert("line " + std::to_string(++number) + ": " + line);
  return dump;
}

Dump cgroup_dump(const std::string& path) {
  Dump dump;
  for (const char* name : {"cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze", "cgroup.subtree_control",
                           "pids.max", "memory.max", "memory.swap.max", "cpu.max", "cpu.weight"})
    dump.insert(std::string(name) + ": " + content(path + "/" + name));
  return dump;
}

std::string difference(const Dump& wanted, const Dump& found) {
  std::set<std::string> lost, gained;
  std::set_difference(wanted.begin(), wanted.end(), found.begin(), found.end(), std::inserter(lost, lost.end()));
  std::set_difference(found.begin(), found.end(), wanted.begin(), wanted.end(), std::inserter(gained, gained.end()));
  std::string text;
  for (const std::string& line : lost) text.append("\n      - ").append(line);
  for (const std::string& line : gained) text.append("\n      + ").append(line);
  return text;
}

}  // namespace minirun::testing
