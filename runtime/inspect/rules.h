// SPDX-License-Identifier: Apache-2.0
// What can be wrong with a live container: a table of rules, each a pure function from facts to findings.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/inspect/sample.h"

namespace minirun {

struct Facts {
  Sample before{};
  Sample after{};
  int stop_signal = 15;
  // Of the whole machine, between both samples.
  std::optional<uint64_t> host_cpu_wait_us{};
  uint64_t host_cpus = 1;
};

enum class Severity : uint8_t {
  note,      // worth to know
  warning,   // it will fail, or is slower than it could be
  critical,  // it fails now
};

struct Finding {
  std::string_view rule{};
  Severity severity = Severity::warning;
  std::string text{};    // what is wrong, with numbers; safe to print
  std::string remedy{};  // what to do about it
  pid_t pid = 0;         // of the process that it is about; 0: the container
  std::vector<std::pair<std::string_view, double>> numbers{};
};

struct Rule {
  std::string_view name;
  std::string_view about;  // when it finds something
  void (*look)(const Facts& facts, std::vector<Finding>* findings);
};

std::span<const Rule> doctor_rules();

// Of all rules, the worst first, otherwise in the order of the table.
std::vector<Finding> findings_of(const Facts& facts);

const char* severity_name(Severity severity);

// The process that a stop signal is meant for: the first process, or the workload below minirun's init. Null: it is not
// among the processes that were seen.
const ProcessFacts* main_process(const Sample& sample);

// The rules. docs/explain.md has their thresholds.
void find_frozen(const Facts& facts, std::vector<Finding>* findings);
void find_uninterruptible(const Facts& facts, std::vector<Finding>* findings);
void find_stopped(const Facts& facts, std::vector<Finding>* findings);
void find_memory_limit(const Facts& facts, std::vector<Finding>* findings);
void find_memory_pressure(const Facts& facts, std::vector<Finding>* findings);
void find_swap(const Facts& facts, std::vector<Finding>* findings);
void find_pids_limit(const Facts& facts, std::vector<Finding>* findings);
void find_descriptors(const Facts& facts, std::vector<Finding>* findings);
void find_cpu_quota(const Facts& facts, std::vector<Finding>* findings);
void find_cpu_host(const Facts& facts, std::vector<Finding>* findings);
void find_event_loop(const Facts& facts, std::vector<Finding>* findings);
void find_zombies(const Facts& facts, std::vector<Finding>* findings);
void find_stop_signal(const Facts& facts, std::vector<Finding>* findings);

}  // namespace minirun
