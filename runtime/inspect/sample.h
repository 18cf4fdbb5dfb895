// SPDX-License-Identifier: Apache-2.0
// One look at a container. Two of them give rates.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "runtime/container/container.h"
#include "runtime/inspect/cgroup_facts.h"
#include "runtime/inspect/process_facts.h"
#include "sys/result.h"

namespace minirun {

// The most that is looked at of one container, since it may have made more to keep its observer busy.
inline constexpr size_t kMostProcessesSeen = 4096;
inline constexpr size_t kMostCgroupsSeen = 512;

struct Sample {
  std::chrono::steady_clock::time_point time{};
  std::string id{};
  std::string status{};
  pid_t first = 0;             // its first process
  bool resident_init = false;  // which is minirun's init
  std::optional<CgroupFacts> cgroup{};
  std::vector<ProcessFacts> processes{};  // by rising pid
  std::vector<std::string> unseen{};      // what could not be looked at, and why
};

// Asked again and again while a look takes long. False: give it up.
using GoOn = std::function<bool()>;

// Errors: the container does not run, or ended meanwhile (ErrorKind::state); its cgroup or processes cannot be read;
// ErrorKind::aborted when `go_on` says so.
Result<Sample> look_at(const Container& container, Detail detail, const GoOn& go_on);

// The same process in another sample; null if it has ended or is a new one.
const ProcessFacts* find_process(const Sample& sample, const ProcessFacts& process);
const ProcessFacts* find_process(const Sample& sample, pid_t pid);

// Microseconds between both.
double elapsed_us(const Sample& before, const Sample& after);

// How much a counter has grown; absent if either is. A counter that went back counts as unchanged.
std::optional<uint64_t> growth(const std::optional<uint64_t>& before, const std::optional<uint64_t>& after);

}  // namespace minirun
