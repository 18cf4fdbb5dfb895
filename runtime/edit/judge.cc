// SPDX-License-Identifier: Apache-2.0
#include "runtime/edit/judge.h"

#include <fmt/format.h>
#include <linux/sched.h>

#include <algorithm>
#include <optional>

#include "runtime/oci/bundle.h"
#include "runtime/oci/spec_facts.h"

namespace minirun {
namespace {

struct Line {
  Problem problem;
  std::string text;
};

// The problem as it was before the change, if it was there.
std::optional<Problem> old_problem(const JsonEdit& config, const Problem& problem, const Problems& before) {
  auto place = config.original(problem.pointer);
  if (!place) return std::nullopt;
  bool was = std::any_of(before.begin(), before.end(),
                         [&](const Problem& old) { return old.pointer == *place && old.message == problem.message; });
  return was ? std::optional(Problem{*place, problem.message}) : std::nullopt;
}

Line line_for(const JsonEdit& config, const Problem& problem, const Problems& before, const std::string& file) {
  auto in_file = [&](const Problem& where) {
    return fmt::format("{}: {}{}{}", file, where.pointer, where.pointer.empty() ? "" : ": ", where.message);
  };
  if (auto old = old_problem(config, problem, before)) return {*old, in_file(*old)};
  const std::string label = config.label_of(problem.pointer);
  if (!label.empty()) return {problem, fmt::format("{}: {}: {}", label, problem.pointer, problem.message)};
  return {problem, in_file(problem) + " (after the change)"};
}

Error as_error(const std::vector<Line>& lines) {
  std::string text;
  for (const Line& line : lines) text += (text.empty() ? "" : "\n") + line.text;
  Error error{0, std::move(text), ErrorKind::config};
  ErrorDetail& detail = error.change_details();
  for (const Line& line : lines) detail.problems.push_back(line.problem);
  detail.pointer = detail.problems.front().pointer;
  return error;
}

// A process with an id that the container's own user namespace does not have cannot start.
Result<void> check_mapped(const oci::Spec& spec) {
  if (!spec.process || !oci::makes_namespace(spec, CLONE_NEWUSER)) return {};
  auto check = [](const char* pointer, const std::vector<oci::IdMapping>& mappings, uint32_t id) -> Result<void> {
    if (oci::maps_id(mappings, id)) return {};
    return fail(ErrorKind::usage, "--user: must be an id that {} has: found {}", pointer, id);
  };
  TRY(check("/linux/uidMappings", spec.linux_.uid_mappings, spec.process->user.uid));
  return check("/linux/gidMappings", spec.linux_.gid_mappings, spec.process->user.gid);
}

}  // namespace

Result<std::string> judged_text(const JsonEdit& config, const SpecChanges& changes, std::string_view before,
                                const std::string& file) {
  std::string text = config.text();
  auto parsed = parse_config(text);
  if (parsed.ok()) {
    if (changes.user) TRY(check_mapped(*parsed->spec));
    return text;
  }
  const Problems& problems = parsed.error().details().problems;
  if (problems.empty()) return parsed.error();
  auto old = parse_config(before);
  const Problems old_problems = old.ok() ? Problems() : old.error().details().problems;
  std::vector<Line> lines;
  for (const Problem& problem : problems) lines.push_back(line_for(config, problem, old_problems, file));
  return as_error(lines);
}

}  // namespace minirun
