// SPDX-License-Identifier: Apache-2.0
// Where an exit report goes: --report, and the administrator's directory of reports. A report that cannot be written is
// a warning, and never changes the status of a command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/commands/command.h"
#include "runtime/commands/global_options.h"
#include "runtime/commands/options.h"
#include "runtime/diagnosis/exit_report.h"
#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// --report of run, exec and delete.
using ReportOption = std::optional<std::string>;
void describe_report(Options& options, ReportOption& place);

// Of a --report that names a descriptor. Call it before minirun opens anything, while every open descriptor is the
// caller's. ErrorKind::usage: it is not open or not writable, the container or --status-fd has it.
Result<void> check_report_descriptor(const ReportOption& option, const Descriptors& descriptors);

class ReportTarget {
 public:
  ReportTarget() = default;  // no report
  // option: FILE, "-" or "fd:N". Makes nothing. ErrorKind::usage: FILE is no place for a regular file.
  static Result<ReportTarget> open(const ReportOption& option);
  explicit operator bool() const { return kind_ != Kind::none; }
  Result<void> write(const std::string& line) const;

 private:
  enum class Kind : uint8_t { none, file, descriptor };
  Kind kind_ = Kind::none;
  std::string option_;
  UniqueFd directory_;  // of the file
  std::string name_;
  int fd_ = -1;  // borrowed from the caller
};

// What a command does with a report: nothing, unless it was asked for one.
class Reporting {
 public:
  static Result<Reporting> begin(const GlobalOptions& global, const ReportOption& option);
  bool wanted(const oci::StringMap& annotations) const;
  bool is_asked() const { return static_cast<bool>(target_); }
  void write(const ExitReport& report, const oci::StringMap& annotations) const;
  // With --report: warns that this container has none.
  void miss(const std::string& id, const std::string& why) const;

 private:
  ReportTarget target_;
  std::string directory_;
};

constexpr size_t kMostReports = 1000;
constexpr size_t kMostReportBytes = 64 << 10;

// Writes ID.json into the directory, which is made with mode 0700 and must belong to this user alone. Replaces an older
// report of the id, and removes the oldest beyond kMostReports.
Result<void> write_to_report_directory(const std::string& directory, const std::string& id, const std::string& line);

}  // namespace minirun
