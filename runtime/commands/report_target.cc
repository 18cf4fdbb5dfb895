// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/report_target.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>
#include <vector>

#include "runtime/container/state_directory.h"
#include "runtime/oci/annotations.h"
#include "runtime/text/log.h"
#include "runtime/text/patient_write.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr std::string_view kDescriptorPrefix = "fd:";
constexpr std::string_view kSuffix = ".json";

// The number of "fd:N"; nothing for another target.
Result<std::optional<uint64_t>> report_descriptor(const std::string& option) {
  if (!option.starts_with(kDescriptorPrefix)) return std::optional<uint64_t>();
  std::string_view digits = std::string_view(option).substr(kDescriptorPrefix.size());
  uint64_t fd = 0;
  auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
  if (parsed.ec != std::errc() || parsed.ptr != digits.data() + digits.size())
    return fail(ErrorKind::usage, "--report {}: must be fd: and a number, such as fd:3", option);
  return std::optional(fd);
}

const char* kind_of_file(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return "a directory";
    case S_IFLNK:
      return "a symbolic link";
    case S_IFIFO:
      return "a FIFO (--report fd:N writes to one that is open)";
    case S_IFSOCK:
      return "a socket";
    default:
      return "a device";
  }
}

void warn_of_report(const std::string& id, const std::string& why) {
  report_line(fmt::format("minirun: warning: {}: no report: {}", id, why));
}

// Names and times of the reports in a directory; others' files are left alone.
Result<std::vector<std::pair<int64_t, std::string>>> list_reports(int directory) {
  std::vector<std::pair<int64_t, std::string>> reports;
  TRY(for_each_entry(directory, ".", [&](const dirent& entry) -> Result<bool> {
    std::string name = static_cast<const char*>(entry.d_name);
    if (name.ends_with(kSuffix)) reports.emplace_back(0, std::move(name));
    return true;
  }));
  return reports;
}

// So that one more has room.
Result<void> remove_oldest(int directory) {
  auto reports = TRY(list_reports(directory));
  if (reports.size() < kMostReports) return {};
  constexpr int64_t kNanoseconds = 1'000'000'000;
  for (auto& [time, name] : reports) {
    struct stat info {};
    if (fstatat(directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0)
      time = info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec;
  }
  std::sort(reports.begin(), reports.end());
  for (size_t i = 0; i + kMostReports <= reports.size(); i++)
    if (unlinkat(directory, reports[i].second.c_str(), 0) < 0 && errno != ENOENT)
      return fail(errno, "remove the oldest report, {}", reports[i].second);
  return {};
}

}  // namespace

void describe_report(Options& options, ReportOption& place) {
  options.value("--report", "FILE", place,
                "write a report of the end to FILE, \"-\" (stderr) or \"fd:N\" (a descriptor)");
}

Result<void> check_report_descriptor(const ReportOption& given, const Descriptors& descriptors) {
  if (!given) return {};
  const std::string& option = *given;
  auto fd = TRY(report_descriptor(option));
  if (!fd) return {};
  TRY(check_caller_descriptor("--report " + option, *fd, "\"-\" is stderr, and the workload has the others",
                              descriptors.handed_on));
  if (descriptors.status == fd)
    return fail(ErrorKind::usage, "--report {}: is the descriptor of --status-fd, whose last event has the report",
                option);
  return {};
}

Result<ReportTarget> ReportTarget::open(const ReportOption& given) {
  ReportTarget target;
  if (!given) return target;
  const std::string& option = *given;
  if (option.empty()) return fail(ErrorKind::usage, "--report: must name a file, \"-\" or fd:N: found \"\"");
  target.option_ = option;
  target.kind_ = Kind::descriptor;
  target.fd_ = STDERR_FILENO;
  if (option == "-") return target;
  if (auto fd = TRY(report_descriptor(option))) {
    target.fd_ = static_cast<int>(*fd);
    return target;
  }
  target.kind_ = Kind::file;
  size_t slash = option.rfind('/');
  std::string folder = slash == std::string::npos ? "." : option.substr(0, std::max<size_t>(slash, 1));
  target.name_ = slash == std::string::npos ? option : option.substr(slash + 1);
  if (target.name_.empty() || target.name_ == "." || target.name_ == "..")
    return fail(ErrorKind::usage, "--report {}: must be a regular file, or none yet: found a directory", option);
  auto directory = open_at(AT_FDCWD, folder, O_PATH | O_DIRECTORY);
  if (!directory.ok()) return fail(ErrorKind::usage, directory.error().code, "--report {}: open {}", option, folder);
  target.directory_ = std::move(directory).value();
  struct stat info {};
  bool exists = fstatat(target.directory_.get(), target.name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0;
  if (!exists && errno != ENOENT) return fail(ErrorKind::usage, errno, "--report {}", option);
  if (exists && !S_ISREG(info.st_mode))
    return fail(ErrorKind::usage, "--report {}: must be a regular file, or none yet: found {}", option,
                kind_of_file(info.st_mode));
  if (faccessat(target.directory_.get(), ".", W_OK | X_OK, AT_EACCESS) < 0)
    return fail(ErrorKind::usage, errno, "--report {}: write in {}", option, folder);
  return target;
}

Result<void> ReportTarget::write(const std::string& line) const {
  if (kind_ == Kind::file) {
    constexpr unsigned kOwnerOnly = 0600;
    auto written = replace_file(directory_.get(), name_, line, kOwnerOnly);
    return written.ok() ? written : wrap(written.error(), "--report " + option_);
  }
  if (int error = write_patiently(fd_, line); error != 0) return fail(error, "--report {}: write", option_);
  return {};
}

Result<void> write_to_report_directory(const std::string& directory, const std::string& id, const std::string& line) {
  if (line.size() > kMostReportBytes) return fail(EFBIG, "more than {} bytes", kMostReportBytes);
  auto folder = open_state_root(directory, true);
  if (!folder.ok()) return wrap(folder.error(), "--report-dir " + directory);
  auto removed = remove_oldest(folder->get());
  if (!removed.ok()) return wrap(removed.error(), "--report-dir " + directory);
  constexpr unsigned kOwnerOnly = 0600;
  auto written = replace_file(folder->get(), fmt::format("{}{}", id, kSuffix), line, kOwnerOnly);
  return written.ok() ? written : wrap(written.error(), "--report-dir " + directory);
}

Result<Reporting> Reporting::begin(const GlobalOptions& global, const ReportOption& option) {
  Reporting reporting;
  reporting.target_ = TRY(ReportTarget::open(option));
  reporting.directory_ = global.report_dir.empty() ? global.root + "/.reports" : global.report_dir;
  return reporting;
}

bool Reporting::wanted(const oci::StringMap& annotations) const {
  return is_asked() || asks_for_report(annotations);
}

void Reporting::miss(const std::string& id, const std::string& why) const {
  if (target_) warn_of_report(id, why);
}

void Reporting::write(const ExitReport& report, const oci::StringMap& annotations) const {
  auto written = target_ ? target_.write(report_line_of(report)) : Result<void>();
  if (!written.ok()) warn_of_report(report.death.id, written.error().text());
  if (!asks_for_report(annotations)) return;
  ExitReport kept = report;
  kept.timing.reset();  // of many steps it is long, and only --timing asks for it
  written = write_to_report_directory(directory_, report.death.id, report_line_of(kept));
  if (!written.ok()) warn_of_report(report.death.id, written.error().text());
}

}  // namespace minirun
