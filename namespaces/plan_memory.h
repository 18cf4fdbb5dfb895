// SPDX-License-Identifier: Apache-2.0
// The plan in memory that minirun and the child share, and the child's report there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The offsets in a plan's memory of what `start` reads; text_stride: the distance from one text's offset to the next.
struct PlanPlaces {
  uint32_t step_count, texts, text_stride, execute, listener, report;
  uint32_t stamps = 0;  // of a plan that was created here with them
};

// Finds them in an image of a format that this minirun knows. Nothing: the image has another format, or is damaged.
std::optional<PlanPlaces> find_places(const char* image, size_t bytes, uint32_t format);

// The plan's image in memory that the child maps too, with its report. Owns the mapping and the memfd.
class PlanMemory {
 public:
  // For a process without a plan: it reports nothing.
  PlanMemory() = default;
  static Result<PlanMemory> create(const std::string& image);
  // Maps the plan that the init of a container that waits for start sends. EPROTO: not a plan of this format.
  static Result<PlanMemory> map(UniqueFd fd, uint32_t format = kPlanFormat);
  PlanMemory(PlanMemory&& other) noexcept;
  PlanMemory& operator=(PlanMemory&&) = delete;
  PlanMemory(const PlanMemory&) = delete;
  PlanMemory& operator=(const PlanMemory&) = delete;
  ~PlanMemory();

  int fd() const { return fd_.get(); }
  void close_fd() { fd_.reset(); }
  // A copy, since the child may write at any time; indices in it are checked before use.
  Report report() const;
  // The text of a step, if it carries one.
  std::optional<std::string> step_text(uint32_t step) const;
  bool executes(uint32_t step) const { return step != kNoStep && step == places_.execute; }
  uint32_t step_count() const { return places_.step_count; }
  // The seccomp listener that the child offers, as a number in its descriptor table.
  std::optional<int> offered_listener() const;
  // One for each step, copied; none without SpawnRequest::stamping. A tracer of the child can write any value.
  std::vector<Stamp> stamps() const;
  void answer_listener(SeccompListener answer);
  // Birth::child of a plan that was created here: the kernel writes it, but a tracer of the child can too.
  int32_t born() const { return __atomic_load_n(&header()->birth.child, __ATOMIC_ACQUIRE); }
  // Of a plan that was created here.
  PlanHeader* header() const { return reinterpret_cast<PlanHeader*>(base_); }

 private:
  // The offsets are found once, since a tracer of the child can change the header later.
  PlanMemory(UniqueFd fd, char* base, size_t bytes, PlanPlaces places)
      : fd_(std::move(fd)), base_(base), bytes_(bytes), places_(places) {}
  uint32_t* listener() const { return reinterpret_cast<uint32_t*>(base_ + places_.listener); }
  UniqueFd fd_;
  char* base_ = nullptr;
  size_t bytes_ = 0;
  PlanPlaces places_{};
};

// The report of a failed step as one line: "/mounts/3: mount tmpfs on /dev/shm (nosuid): fsconfig: tmpfs: Bad value
// for 'size': invalid argument [step 9 of 31]".
Error step_error(const Plan& plan, const Report& report);
// The same from the plan's memory alone.
Error step_error(const PlanMemory& memory);

}  // namespace minirun
