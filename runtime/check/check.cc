// SPDX-License-Identifier: Apache-2.0
#include "runtime/check/check.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "runtime/check/parts.h"
#include "runtime/launch/rootless.h"
#include "runtime/oci/spec_facts.h"
#include "sys/file.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

void check_prepared(const CheckRequest& request, const CheckedBundle& bundle, const Compiled& rehearsal,
                    CheckReport* report) {
  for (const std::string& warning : bundle.prepared.compiled.warnings) {
    const size_t end = std::min(warning.find(": "), warning.size());
    report->warn("config", warning.substr(0, end), warning.substr(std::min(end + 2, warning.size())));
  }
  check_launch(bundle, rehearsal, request.options.has_overlay(), report);
  if (request.options.keep_changes) check_kept_changes(bundle, *request.options.keep_changes, report);
  check_cgroup(bundle, request.driver, report);
  check_host_resources(bundle, report);
  check_filter(bundle, report);
  check_hooks(bundle, report);
  check_state_root(request.state_root, report);
  find_risks(bundle, report);
}

bool is_readonly(int rootfs) {
  struct statvfs info {};
  return fstatvfs(rootfs, &info) == 0 && (info.f_flag & ST_RDONLY) != 0;
}

// The way of Launch::prepare() and of a launch up to its first side effect.
Result<void> look(const CheckRequest& request, const Progress& progress, CheckReport* report) {
  report->bundle = request.options.bundle;
  const Unknown unknown_ones = request.options.strict ? Unknown::refused : Unknown::ignored;
  progress("", request.options.bundle);
  auto loaded = load_bundle(request.options.bundle, unknown_ones);
  if (!loaded.ok() && loaded.error().kind != ErrorKind::config) return loaded.error();
  if (!loaded.ok()) return report->no("config", loaded.error()), Result<void>();
  Bundle bundle = std::move(loaded).value();
  report->bundle = bundle.path;
  find_unknown(&bundle);
  for (const UnknownProperty& unknown : bundle.unknown)
    report->lines.push_back(
        {Verdict::warning, "config", unknown.pointer, describe(unknown), "", unknown.line, unknown.column});
  if (!report->has(Verdict::warning)) report->yes("config", "config.json is valid");
  const std::string config = bundle.text;
  auto entered = enter_user_namespace(&bundle);
  if (!entered.ok()) {
    report->no("namespaces", entered.error());
    place_lines(report, config);
    return {};
  }
  const LaunchRequest launch{.options = request.options, .id = "ID", .init = request.init};
  const bool in_memory = !is_readonly(bundle.rootfs.get()) && has_mount_namespace(*bundle.spec);
  auto checked = prepare_check(launch, std::move(bundle), *entered, in_memory);
  if (!checked.ok()) {
    report->no("config", checked.error());
  } else {
    const Prepared& prepared = checked->prepared;
    const oci::Spec& spec = *prepared.bundle.spec;
    const oci::Namespace* user = oci::find_namespace(spec, CLONE_NEWUSER);
    const bool new_user = user != nullptr && user->path.empty() && !*entered;
    check_prepared(request,
                   {spec, prepared, *entered, user != nullptr || prepared.compiled.ordinary_user, new_user, progress},
                   checked->rehearsal, report);
  }
  place_lines(report, config);
  return {};
}

// A message of the process that looks: what it is, the size of the rest, and the rest.
enum class Note : char {
  stage = 's',   // a packed report, whose last line is what it looks at now
  report = 'r',  // the whole packed report
  error = 'e',   // the text of an error
};

Result<void> write_note(int pipe, Note note, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  std::string whole(1, static_cast<char>(note));
  whole.append(reinterpret_cast<const char*>(&size), sizeof size).append(text);
  return write_all(pipe, whole, "pipe");
}

[[noreturn]] void look_and_write(const CheckRequest& request, int pipe, pid_t parent) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent) _exit(1);
  CheckReport report;
  const Progress progress = [&](const std::string& pointer, const std::string& what) {
    report.unknown("files", pointer, what);
    // A caller that has gone needs no answer.
    if (!write_note(pipe, Note::stage, pack(report)).ok()) _exit(1);
    report.lines.pop_back();
  };
  auto looked = look(request, progress, &report);
  auto written =
      looked.ok() ? write_note(pipe, Note::report, pack(report)) : write_note(pipe, Note::error, looked.error().text());
  _exit(written.ok() ? 0 : 1);
}

// What the process that looks has said.
struct Answer {
  std::optional<Note> note;  // the last whole one
  std::string text;
  bool in_time = true;
};

// Takes the whole messages off the text.
void take_notes(std::string* text, Answer* answer) {
  for (;;) {
    uint32_t size = 0;
    constexpr size_t kHead = 1 + sizeof size;
    if (text->size() < kHead) return;
    std::memcpy(&size, text->data() + 1, sizeof size);
    if (text->size() - kHead < size) return;
    answer->note = static_cast<Note>(text->front());
    answer->text = text->substr(kHead, size);
    text->erase(0, kHead + size);
  }
}

// Everything until the end of file, or until the time is over.
Answer read_until(int pipe, std::chrono::steady_clock::time_point end) {
  Answer answer;
  for (std::string text;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd ready{pipe, POLLIN, 0};
    const int polled = left <= 0 ? 0 : poll(&ready, 1, static_cast<int>(left));
    if (polled < 0 && errno == EINTR) continue;
    answer.in_time = polled > 0;
    if (polled <= 0) return answer;
    char part[4096];
    const ssize_t n = read(pipe, part, sizeof part);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return answer;
    text.append(part, static_cast<size_t>(n));
    take_notes(&text, &answer);
  }
}

// What was found until then, and what it waits for.
CheckReport unfinished(const CheckRequest& request, const Answer& answer) {
  CheckReport report;
  if (answer.note) report = unpack_report(answer.text);
  if (!answer.note) report.unknown("files", "", "the bundle");
  report.bundle = request.options.bundle;
  CheckLine& last = report.lines.back();
  last.message += fmt::format(" did not answer within {} s, and what comes after it was not looked at",
                              request.limit.count() / 1000);
  last.remedy = "look for a filesystem that hangs: a network or FUSE mount";
  return report;
}

}  // namespace

Result<CheckReport> check_bundle(const CheckRequest& request) {
  Pipe pipe = TRY(make_pipe());
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return fail(errno, "fork");
  if (pid == 0) look_and_write(request, pipe.writer.get(), parent);
  pipe.writer.reset();
  const Answer answer = read_until(pipe.reader.get(), std::chrono::steady_clock::now() + request.limit);
  int status = 0;
  // Not waited for: a process in an uninterruptible wait of a filesystem does not end. It dies with its wait.
  if (!answer.in_time) (void)kill(pid, SIGKILL);
  while (answer.in_time && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  const bool halfway = !answer.note || *answer.note == Note::stage;
  if (halfway && !answer.in_time) return unfinished(request, answer);
  if (halfway) return fail(ErrorKind::host, "the process that looks ended with wait status {}", status);
  if (*answer.note == Note::error) return fail(ErrorKind::host, "{}", answer.text);
  return unpack_report(answer.text);
}

}  // namespace minirun
