// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <iterator>

#include "runtime/oci/config_error.h"
#include "runtime/oci/validate.h"
#include "runtime/text/json.h"
#include "runtime/text/json_position.h"
#include "sys/file.h"

namespace minirun {

static const char* const kConfig = "config.json";

static Result<std::string> read_config(int dir) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  UniqueFd fd = TRY(open_at(dir, kConfig, O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat info = {};
  if (fstat(fd.get(), &info) < 0) return fail(errno, "stat {}", kConfig);
  if (!S_ISREG(info.st_mode)) return fail(ErrorKind::config, "{}: not a regular file", kConfig);
  if (static_cast<uint64_t>(info.st_size) > kMaxJsonBytes)
    return fail(ErrorKind::config, "{}: {} bytes, more than the {} that minirun reads", kConfig, info.st_size,
                kMaxJsonBytes);
  return read_all(fd.get(), kMaxJsonBytes, kConfig);
}

// Whether a is b or contains it.
static bool covers(std::string_view a, std::string_view b) {
  return b.substr(0, a.size()) == a && (b.size() == a.size() || b[a.size()] == '/');
}

// Values that could not be read have their default, so rules that fail on them report nothing new.
static Problems all_problems(Problems parsed, Problems validated) {
  size_t count = parsed.size();
  for (Problem& problem : validated) {
    auto end = parsed.begin() + static_cast<ptrdiff_t>(count);
    if (std::none_of(parsed.begin(), end, [&](const Problem& p) { return covers(p.pointer, problem.pointer); }))
      parsed.push_back(std::move(problem));
  }
  return parsed;
}

static constexpr std::string_view kPrefix = "config.json: ";

static std::string at_place(uint32_t line, uint32_t column) {
  return fmt::format("{}:{}:{}: ", kConfig, line, column);
}

// A problem and its place in the file. unknown: a property that --strict makes one; its name is the place.
struct PlacedProblem {
  JsonPlace place;
  Problem problem;
};

static std::vector<PlacedProblem> in_order(const JsonDocument& document, const Problems& problems,
                                           const std::vector<UnknownProperty>& unknown) {
  std::vector<PlacedProblem> placed;
  for (const Problem& problem : problems) placed.push_back({{document.nearest(problem.pointer).order()}, problem});
  for (const UnknownProperty& property : unknown)
    placed.push_back({{property.order, true}, {property.pointer, describe(property)}});
  std::stable_sort(placed.begin(), placed.end(),
                   [](const PlacedProblem& a, const PlacedProblem& b) { return a.place.order < b.place.order; });
  return placed;
}

// Only the problems of the error get a line and a column.
static Error as_error(std::string_view config, const std::vector<PlacedProblem>& problems) {
  constexpr size_t kMaxLines = 100;
  std::vector<JsonPlace> places;
  for (const PlacedProblem& placed : problems) places.push_back(placed.place);
  const std::vector<JsonPosition> positions = find_positions(config, places);
  Error error{0, "", ErrorKind::config};
  ErrorDetail& detail = error.change_details();
  std::string& text = error.message;
  for (size_t i = 0; i < problems.size(); ++i) {
    Problem& problem = detail.problems.emplace_back(problems[i].problem);
    problem.line = positions[i].line;
    problem.column = positions[i].column;
    if (i >= kMaxLines) continue;
    if (i > 0) text += '\n';
    text.append(at_place(problem.line, problem.column)).append(problem.pointer);
    if (!problem.pointer.empty()) text += ": ";
    text += problem.message;
  }
  if (problems.size() > kMaxLines) text += fmt::format("\n{}: {} more problems", kConfig, problems.size() - kMaxLines);
  const Problem& first = detail.problems.front();
  detail.pointer = first.pointer;
  detail.line = first.line;
  detail.column = first.column;
  return error;
}

// Opens the root filesystem here, so that its problem is reported with the others of config.json.
static UniqueFd judge_rootfs(int dir, const oci::Spec& spec, Problems* problems) {
  bool reported =
      std::any_of(problems->begin(), problems->end(), [](const Problem& p) { return covers("/root", p.pointer); });
  if (dir < 0 || !spec.root || reported) return UniqueFd();
  auto rootfs = open_rootfs(dir, *spec.root);
  if (rootfs.ok()) return std::move(rootfs).value();
  problems->push_back({"/root/path", rootfs.error().text()});
  return UniqueFd();
}

static Result<Bundle> judge(std::string_view text, int dir, Unknown unknown) {
  auto document = JsonDocument::parse(text);
  if (!document.ok()) return fail(ErrorKind::config, "{}:{}", kConfig, document.error().message);
  ParseOutcome parsed = parse_spec(**document);
  Findings findings = validate(parsed.spec);
  Problems problems = all_problems(std::move(parsed.problems), std::move(findings.problems));
  Bundle bundle;
  bundle.rootfs = judge_rootfs(dir, parsed.spec, &problems);
  const bool refused = unknown == Unknown::refused && !parsed.unknown.empty();
  if (!problems.empty() || refused)
    return as_error(text, in_order(**document, problems, refused ? parsed.unknown : std::vector<UnknownProperty>()));
  bundle.spec = std::make_unique<const oci::Spec>(std::move(parsed.spec));
  bundle.unknown = std::move(parsed.unknown);
  bundle.warnings = std::move(findings.warnings);
  return bundle;
}

Result<Bundle> parse_config(std::string_view text, Unknown unknown) {
  return judge(text, -1, unknown);
}

Result<Bundle> load_bundle(const std::string& path, Unknown unknown) {
  UniqueFd dir = TRY(open_at(AT_FDCWD, path, O_PATH | O_DIRECTORY));
  char absolute[PATH_MAX];
  if (realpath(path.c_str(), absolute) == nullptr) return fail(errno, "resolve {}", path);
  auto text = read_config(dir.get());
  if (!text.ok()) return wrap(text.error(), path);
  Bundle bundle = TRY(judge(*text, dir.get(), unknown));
  bundle.text = std::move(text).value();
  bundle.path = absolute;
  return bundle;
}

void find_unknown(Bundle* bundle) {
  std::vector<JsonPlace> places;
  for (const UnknownProperty& property : bundle->unknown) places.push_back({property.order, true});
  const std::vector<JsonPosition> positions = find_positions(bundle->text, places);
  for (size_t i = 0; i < positions.size(); ++i) {
    bundle->unknown[i].line = positions[i].line;
    bundle->unknown[i].column = positions[i].column;
  }
}

Error with_position(Error error, std::string_view config) {
  if (error.details().line != 0 || config.empty()) return error;
  const bool named = !error.details().pointer.empty();
  const std::string pointer = named ? error.details().pointer : error.message.substr(0, error.message.find(": "));
  if (!named && !pointer.starts_with('/')) return error;
  auto document = JsonDocument::parse(config);
  if (!document.ok()) return error;
  const JsonValue value = (*document)->nearest(pointer);
  if (!named && value.pointer() != pointer) return error;
  const JsonPosition position = find_positions(config, {{value.order()}}).front();
  if (position.line == 0) return error;
  ErrorDetail& detail = error.change_details();
  detail.pointer = pointer;
  detail.line = position.line;
  detail.column = position.column;
  for (Problem& problem : detail.problems)
    if (problem.pointer == pointer) problem.line = position.line, problem.column = position.column;
  if (error.message.starts_with(std::string(kPrefix) + pointer))
    error.message.replace(0, kPrefix.size(), at_place(position.line, position.column));
  return error;
}

Result<void> reopen_rootfs(Bundle* bundle) {
  UniqueFd dir = TRY(open_at(AT_FDCWD, bundle->path, O_PATH | O_DIRECTORY));
  auto rootfs = open_rootfs(dir.get(), *bundle->spec->root);
  if (!rootfs.ok()) return config_error("/root/path", rootfs.error().text());
  bundle->rootfs = std::move(rootfs).value();
  return {};
}

std::string rootfs_path(const Bundle& bundle) {
  const std::string& path = bundle.spec->root->path;
  return path.starts_with('/') ? path : bundle.path + "/" + path;
}

Result<UniqueFd> open_rootfs(int bundle_dir, const oci::Root& root) {
  // With a trailing slash the kernel would follow a symbolic link despite O_NOFOLLOW.
  std::string path = root.path;
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  auto fd = open_at(bundle_dir, path, O_PATH | O_DIRECTORY | O_NOFOLLOW);
  if (fd.ok()) return fd;
  struct stat info = {};
  if (fd.error().code != ENOTDIR || fstatat(bundle_dir, path.c_str(), &info, AT_SYMLINK_NOFOLLOW) < 0)
    return fd.error();
  return fail(ErrorKind::config, "must be a directory: {} is {}", quoted(root.path),
              S_ISLNK(info.st_mode) ? "a symbolic link" : "not a directory");
}

}  // namespace minirun
