// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/status_events.h"

#include <sys/wait.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "runtime/text/error_json.h"
#include "runtime/text/log.h"
#include "runtime/text/patient_write.h"
#include "runtime/text/timestamp.h"

namespace minirun {
namespace {

struct StatusReader {
  int fd = -1;  // borrowed from the caller; -1: no option, or minirun has given up on the reader
};

StatusReader& status_reader() {
  static StatusReader reader;
  return reader;
}

// Events after a lost one would mislead, so the reader sees the end of file instead.
void write_event(std::string_view line) {
  StatusReader& reader = status_reader();
  if (reader.fd < 0 || write_patiently(reader.fd, line) == 0) return;
  reader.fd = -1;
  log_debug("--status-fd: the reader is gone, or does not read");
}

JsonWriter begin_event(const char* name) {
  JsonWriter json;
  json.begin_object().key("event").string(name).key("time").string(now_rfc3339(kMicroseconds));
  return json;
}

void end_event(JsonWriter& json) {
  write_event(json.end_object().take() + "\n");
}

void write_of_process(const char* name, const std::string& id, pid_t pid) {
  if (status_reader().fd < 0) return;
  JsonWriter json = begin_event(name);
  json.key("id").string(id).key("pid").number(pid);
  end_event(json);
}

}  // namespace

Result<void> set_status_fd(uint64_t fd, uint64_t handed_on) {
  TRY(check_caller_descriptor("--status-fd " + std::to_string(fd), fd, "the workload has stdin, stdout and stderr",
                              handed_on));
  status_reader().fd = static_cast<int>(fd);
  return {};
}

void close_status_fd() {
  int fd = std::exchange(status_reader().fd, -1);
  if (fd >= 0) (void)close(fd);
}

void status_created(const std::string& id, pid_t pid) {
  write_of_process("created", id, pid);
}

void status_running(const std::string& id, pid_t pid) {
  write_of_process("running", id, pid);
}

void status_exited(const std::string& id, int wait_status, int exit_status, std::string_view cause,
                   const ReportWriter& report) {
  if (status_reader().fd < 0) return;
  JsonWriter json = begin_event("exited");
  json.key("id").string(id).key("exit_status").number(exit_status);
  if (WIFSIGNALED(wait_status)) json.key("signal").number(WTERMSIG(wait_status));
  json.known("cause", cause);
  if (report) report(json.key("report"));
  end_event(json);
}

void status_error(const Error& error) {
  if (status_reader().fd < 0) return;
  JsonWriter json = begin_event("error");
  json.key("msg").string(error.text());
  write_error_keys(json, error);
  end_event(json);
}

void status_out_of_memory() {
  write_event("{\"event\":\"error\",\"msg\":\"out of memory\",\"kind\":\"host\",\"exit_status\":1}\n");
}

}  // namespace minirun
