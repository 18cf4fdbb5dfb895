// SPDX-License-Identifier: Apache-2.0
// What --explain-seccomp has found: which calls the profile refused, and to which programs. Pure: facts in, sentences
// and JSON out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/seccomp/explain.h"
#include "runtime/text/json_writer.h"

namespace minirun {

constexpr size_t kMostRefusals = 128;  // rows; the calls of all others are one number
constexpr size_t kMostPrograms = 8;    // rows of one call that differ only in the program; further ones share a row

// For `features`.
inline constexpr const char* kExplainedActions = "SCMP_ACT_ERRNO SCMP_ACT_KILL_PROCESS SCMP_ACT_KILL_THREAD";

struct Refusal {
  CallId call;
  Refused refused;
  char program[16] = {};  // comm of the notifying thread, which it chooses itself; ends with NUL (TASK_COMM_LEN)
  bool several = false;   // the programs that share a row
  uint64_t count = 0;
};

struct Refusals {
  std::vector<Refusal> rows{};
  uint64_t others = 0;       // calls in no row
  bool main_killed = false;  // the workload's first process was killed for a SCMP_ACT_KILL*
  bool lost = false;         // the process that counted was killed: nothing is known
};

// Counts one.
void add_refusal(const Refusal& refusal, Refusals* refusals);

// A line for each of the most frequent rows, without line ends; the container's id is in front of each.
std::vector<std::string> refusal_lines(const std::string& id, const Refusals& refusals);

// As an object. Not for lost ones.
void write_refusals(JsonWriter& json, const Refusals& refusals);

}  // namespace minirun
