// SPDX-License-Identifier: Apache-2.0
// minirun's own messages. main prints an error once; everything below logs only at debug level.
#pragma once

#include <fmt/core.h>

#include <string>
#include <string_view>

#include "sys/result.h"

namespace minirun {

struct LogOptions {
  bool debug = false;
  bool json = false;  // --log-format json
  std::string file;   // --log: in addition to stderr; empty: none
};

// Creates a missing log file, but writes nothing: without --debug a successful run leaves it empty, since podman
// rejects a log file with more than one object (it decodes the whole file as one). An error leaves stderr as the only
// log.
Result<void> set_log_options(LogOptions options);

// Of a process that goes on without its caller: nothing is logged from here on.
void close_log();

bool debug_enabled();
void log_debug_text(std::string_view text);

template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  if (debug_enabled()) log_debug_text(fmt::vformat(format, fmt::make_format_args(args...)));
}

// A debug line about what was done, and when: "+1.234 ms: text", counted from the start of the command.
void log_progress_text(std::string_view text);
template <class... Args>
void log_progress(fmt::format_string<Args...> format, Args&&... args) {
  if (debug_enabled()) log_progress_text(fmt::vformat(format, fmt::make_format_args(args...)));
}

// "minirun: text" on stderr with one write(2), so that a reader of a pipe gets it whole, and in the log file as
// {"level":"error","msg":"text","kind":"host","exit_status":1,"time":"2026-01-02T15:04:05Z"}: containerd and podman
// read level, msg and time; docs/schema/error.json has the other keys.
void report_error(const Error& error);

// A line that is no failure of minirun ("why it died"): stderr only.
void report_line(std::string_view line);

}  // namespace minirun
