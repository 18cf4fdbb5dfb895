// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/log.h"

#include <fcntl.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <chrono>
#include <memory>

#include "runtime/text/error_json.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/shown.h"
#include "sys/fd.h"
#include "sys/file.h"

namespace minirun {
namespace {

LogOptions& current_options() {
  static LogOptions options;
  return options;
}

std::chrono::steady_clock::time_point& start_of_command() {
  static std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
  return start;
}

// Escapes ids, paths and names of processes, which may be anything. Appends a "\n".
void write_stderr(std::string_view text) {
  const std::string line = shown_lines(text);
  // The only channel for failures; if it is closed, they have no reader.
  (void)!write(STDERR_FILENO, line.data(), line.size());
}

std::shared_ptr<spdlog::logger> make_logger(const LogOptions& options) {
  spdlog::sink_ptr sink;
  if (options.file.empty())
    sink = std::make_shared<spdlog::sinks::stderr_sink_st>();
  else
    sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(options.file);
  auto logger = std::make_shared<spdlog::logger>("minirun", std::move(sink));
  const char* pattern =
      options.json ? R"({"level":"%l",%v,"time":"%Y-%m-%dT%H:%M:%SZ"})" : R"(time="%Y-%m-%dT%H:%M:%SZ" level=%l %v)";
  logger->set_pattern(pattern, spdlog::pattern_time_type::utc);
  logger->set_level(spdlog::level::debug);
  logger->flush_on(spdlog::level::debug);
  return logger;
}

// Made at the first record, with the options at that time.
std::shared_ptr<spdlog::logger>& current_logger() {
  static std::shared_ptr<spdlog::logger> logger;
  return logger;
}

// The record's own part of its line. error: nullptr if it is not about one.
std::string log_record(std::string_view text, const Error* error) {
  if (!current_options().json) {
    std::string record = "msg=";
    append_json_string(record, text);
    return record;
  }
  JsonWriter json;
  json.begin_object().key("msg").string(text);
  if (error != nullptr) write_error_keys(json, *error);
  json.end_object();
  return json.text().substr(1, json.text().size() - 2);  // the pattern has the brackets
}

// A failure of the log must not change what minirun does; it is reported once on stderr.
void log(spdlog::level::level_enum level, std::string_view text, const Error* error = nullptr) {
  static bool broken = false;
  if (broken) return;
  try {
    if (!current_logger()) current_logger() = make_logger(current_options());
    const std::string record = log_record(text, error);
    current_logger()->log(level, record);
  } catch (const std::exception& failure) {
    broken = true;
    write_stderr(fmt::format("minirun: log: {}\n", failure.what()));
  }
}

// Stays open to the end: the reader of a named pipe takes a close for the end of the log.
UniqueFd& held_log() {
  static UniqueFd file;
  return file;
}

}  // namespace

Result<void> set_log_options(LogOptions options) {
  current_options() = std::move(options);
  start_of_command() = std::chrono::steady_clock::now();
  current_logger().reset();
  std::string& path = current_options().file;
  if (path.empty()) return {};
  auto opened = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_NOCTTY, 0644);
  if (opened.ok()) {
    held_log() = std::move(opened).value();
    return {};
  }
  path.clear();
  return wrap(opened.error(), "--log");
}

void close_log() {
  current_options() = {};
  current_logger().reset();
  held_log().reset();
}

bool debug_enabled() {
  return current_options().debug;
}
void log_debug_text(std::string_view text) {
  log(spdlog::level::debug, text);
}

void log_progress_text(std::string_view text) {
  std::chrono::duration<double, std::milli> since = std::chrono::steady_clock::now() - start_of_command();
  log_debug_text(fmt::format("+{:.3f} ms: {}", since.count(), text));
}

void report_error(std::string_view text) {
  if (!current_options().file.empty()) log(spdlog::level::err, text);
  write_stderr(fmt::format("minirun: {}\n", text));
}

void report_error(const Error& error) {
  std::string text = error.text();
  if (!current_options().file.empty()) log(spdlog::level::err, text, &error);
  write_stderr(fmt::format("minirun: {}\n", text));
}

void report_line(std::string_view line) {
  write_stderr(fmt::format("{}\n", line));
}

}  // namespace minirun
