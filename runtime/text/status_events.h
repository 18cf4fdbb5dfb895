// SPDX-License-Identifier: Apache-2.0
// --status-fd: the events of a launch, for a program that watches it. One JSON object a line: docs/schema/status.json,
// docs/explain.md. Without the option these calls do nothing.
//
// A reader cannot disturb the launch: one that is gone, or that reads nothing for kReaderPatience (patient_write.h),
// gets no further event.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "runtime/text/json_writer.h"
#include "sys/result.h"

namespace minirun {

// The names of all events, for `features`.
inline constexpr const char* kStatusEvents = "created running exited error";

// Call it before minirun opens anything, while every open descriptor is the caller's. handed_on: how many after stdio
// the container gets. ErrorKind::usage: not open, not writable, or one that the workload gets.
Result<void> set_status_fd(uint64_t fd, uint64_t handed_on);

// The events are over, though minirun goes on: the reader sees the end of the file.
void close_status_fd();

// The container is complete.
void status_created(const std::string& id, pid_t pid);
// Its program has been executed.
void status_running(const std::string& id, pid_t pid);
using ReportWriter = std::function<void(JsonWriter&)>;
// wait_status: as of waitpid(2). exit_status: of the command. cause: of an end that the workload has not chosen; "":
// none is known. report: writes the exit report as one value, if one is asked for.
void status_exited(const std::string& id, int wait_status, int exit_status, std::string_view cause = "",
                   const ReportWriter& report = {});
// The command fails.
void status_error(const Error& error);
// The same without allocating memory.
void status_out_of_memory();

}  // namespace minirun
