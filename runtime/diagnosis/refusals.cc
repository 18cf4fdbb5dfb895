// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/refusals.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "runtime/text/shown.h"

namespace minirun {
namespace {

constexpr size_t kMostLines = 20;

// The rows with the most calls first.
std::vector<Refusal> sorted(const Refusals& refusals) {
  std::vector<Refusal> rows = refusals.rows;
  std::stable_sort(rows.begin(), rows.end(), [](const Refusal& a, const Refusal& b) { return a.count > b.count; });
  return rows;
}

std::string pointer_of(const Refused& refused) {
  switch (refused.by) {
    case kByDefault:
    case kNewerThanProfile:
      return "/linux/seccomp/defaultAction";
    case kOfAnotherMachine:
      return "/linux/seccomp/architectures";
    case kNotOfTheProfile:
      return "";
    default:
      return fmt::format("/linux/seccomp/syscalls/{}", refused.by);
  }
}

std::string errno_text(const Refused& refused) {
  const int code = static_cast<int>(refused.action & SECCOMP_RET_DATA);
  const char* name = strerrorname_np(code);
  return name != nullptr && code != 0 ? name : std::to_string(code);
}

const char* action_name(const Refused& refused) {
  if (!kills(refused)) return "SCMP_ACT_ERRNO";
  return (refused.action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_KILL_PROCESS ? "SCMP_ACT_KILL_PROCESS"
                                                                                : "SCMP_ACT_KILL_THREAD";
}

std::string program_text(const Refusal& row) {
  if (row.several) return "other programs";
  return row.program[0] == '\0' ? "a program" : fmt::format("\"{}\"", shown_line(row.program));
}

std::string call_text(const CallId& call) {
  auto table = table_of(call);
  std::string name = name_of_call(call);
  return table && *table == own_table() ? name : fmt::format("{} of {}", name, name_of_arch(call));
}

std::string times_text(uint64_t count) {
  return count == 1 ? "once" : fmt::format("{} times", count);
}

std::string line_of(const Refusal& row) {
  const Refused& refused = row.refused;
  std::string text =
      kills(refused) ? fmt::format("killed {} for {} {}", program_text(row), call_text(row.call), times_text(row.count))
                     : fmt::format("refused {} to {} {} with {}", call_text(row.call), program_text(row),
                                   times_text(row.count), errno_text(refused));
  if (refused.by == kNewerThanProfile) text += ", as no rule names a call that is so new";
  if (refused.by == kNotOfTheProfile) text += ", which a filter of the container's own wanted to be notified of";
  const std::string pointer = pointer_of(refused);
  return pointer.empty() ? text : text + "  <- " + pointer;
}

bool same_but_program(const Refusal& a, const Refusal& b) {
  return a.call == b.call && a.refused.action == b.refused.action && a.refused.by == b.refused.by;
}

}  // namespace

void add_refusal(const Refusal& refusal, Refusals* refusals) {
  Refusal row = refusal;
  auto& rows = refusals->rows;
  auto find = [&] {
    return std::find_if(rows.begin(), rows.end(), [&](const Refusal& other) {
      return same_but_program(other, row) && other.several == row.several && strcmp(other.program, row.program) == 0;
    });
  };
  auto found = find();
  if (found == rows.end()) {
    auto alike =
        std::count_if(rows.begin(), rows.end(), [&](const auto& other) { return same_but_program(other, row); });
    if (static_cast<size_t>(alike) >= kMostPrograms) {
      row.several = true;
      row.program[0] = '\0';
      found = find();
    }
  }
  if (found != rows.end()) {
    ++found->count;
  } else if (rows.size() < kMostRefusals) {
    row.count = 1;
    rows.push_back(row);
  } else {
    ++refusals->others;
  }
}

std::vector<std::string> refusal_lines(const std::string& id, const Refusals& refusals) {
  auto line = [&](const std::string& text) { return fmt::format("minirun: {}: seccomp {}", id, text); };
  if (refusals.lost)
    return {line("may have refused calls, but the process that counted them for --explain-seccomp was killed")};
  if (refusals.rows.empty()) return {line("refused no call")};
  std::vector<std::string> lines;
  uint64_t left_out = refusals.others;
  for (const Refusal& row : sorted(refusals)) {
    if (lines.size() < kMostLines)
      lines.push_back(line(line_of(row)));
    else
      left_out += row.count;
  }
  if (left_out > 0) lines.push_back(line(fmt::format("refused {} more calls, of other kinds", left_out)));
  return lines;
}

void write_refusals(JsonWriter& json, const Refusals& refusals) {
  json.begin_object().key("refused").begin_array();
  for (const Refusal& row : sorted(refusals)) {
    json.begin_object().key("call").string(name_of_call(row.call)).key("arch").string(name_of_arch(row.call));
    json.known("program", shown_line(row.program));
    if (row.several) json.key("several").boolean(true);
    json.key("count").unsigned_number(row.count).key("action").string(action_name(row.refused));
    if (!kills(row.refused)) json.key("errno").string(errno_text(row.refused));
    json.known("pointer", pointer_of(row.refused));
    if (row.refused.by == kNewerThanProfile) json.key("newer").boolean(true);
    json.end_object();
  }
  json.end_array().key("others").unsigned_number(refusals.others).end_object();
}

}  // namespace minirun
