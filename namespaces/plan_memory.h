// SPDX-License-Identifier: Apache-2.0
// The plan where minirun and the child both see it, and what the child reports there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Where `start` finds what it reads of a plan, as offsets in its memory; told_stride: from one offset of a text to the
// next.
struct PlanPlaces {
  uint32_t step_count, told, told_stride, execute, listener, report;
};

// Those in the image of a format that this minirun knows. Nothing: the image is of another format, or makes no sense.
std::optional<PlanPlaces> find_places(const char* image, size_t bytes, uint32_t format);

// The plan's image in memory that the child maps too: its report is read from here. Owns the mapping and the memfd.
class PlanMemory {
 public:
  // Of a process that no plan has made: nothing is reported.
  PlanMemory() = default;
  static Result<PlanMemory> create(const std::string& image);
  // That of a container that waits for start, as its init sends it. EPROTO: it is no plan of this format.
  static Result<PlanMemory> map(UniqueFd fd, uint32_t format = kPlanFormat);
  PlanMemory(PlanMemory&& other) noexcept;
  PlanMemory& operator=(PlanMemory&&) = delete;
  PlanMemory(const PlanMemory&) = delete;
  PlanMemory& operator=(const PlanMemory&) = delete;
  ~PlanMemory();

  int fd() const { return fd_.get(); }
  void close_fd() { fd_.reset(); }
  // Written by the child at any time: copied out, and what is copied is checked before it is used as an index.
  Report report() const;
  // The text of a step that carries one; nothing for another.
  std::optional<std::string> told(uint32_t step) const;
  bool executes(uint32_t step) const { return step != kNoStep && step == places_.execute; }
  uint32_t step_count() const { return places_.step_count; }
  // The seccomp listener that the child offers: a number in its table of descriptors.
  std::optional<int> offered_listener() const;
  void answer_listener(SeccompListener answer);
  // Birth::child, of a plan that was created here: written by the kernel, but where a tracer of the child can write
  // too.
  int32_t born() const { return __atomic_load_n(&header()->birth.child, __ATOMIC_ACQUIRE); }
  // Of a plan that was created here.
  PlanHeader* header() const { return reinterpret_cast<PlanHeader*>(base_); }

 private:
  // The places are looked up once: a tracer of the child can change the header later.
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
// The same where only the plan's memory is there.
Error step_error(const PlanMemory& memory);

}  // namespace minirun
