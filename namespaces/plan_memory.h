// The plan where minirun and the child both see it, and what the child reports there.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "namespaces/plan_builder.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// The plan's image in memory that the child maps too: its report is read from here. Owns the mapping and the memfd.
class PlanMemory {
 public:
  static Result<PlanMemory> create(const std::string& image);
  // That of a container that waits for start, as its init sends it. EPROTO: it is no plan.
  static Result<PlanMemory> map(UniqueFd fd);
  PlanMemory(PlanMemory&& other) noexcept;
  PlanMemory& operator=(PlanMemory&&) = delete;
  PlanMemory(const PlanMemory&) = delete;
  PlanMemory& operator=(const PlanMemory&) = delete;
  ~PlanMemory();

  int fd() const { return fd_.get(); }
  void close_fd() { fd_.reset(); }
  // Written by the child at any time: copied out, and what is copied is checked before it is used as an index.
  Report report() const;
  // The operation and the text of a step that was told (Step::told); nothing for another.
  std::optional<std::pair<Op, std::string>> told(uint32_t step) const;
  uint32_t step_count() const;
  // The seccomp listener that the child offers: a number in its table of descriptors.
  std::optional<int> offered_listener() const;
  void answer_listener(SeccompListener answer);
  // Birth::child: written by the kernel, but where a tracer of the child can write too.
  int32_t born() const { return __atomic_load_n(&header_->birth.child, __ATOMIC_ACQUIRE); }
  PlanHeader* header() { return header_; }

 private:
  // The places of the header are read once, here: whoever traces the child can change them later.
  PlanMemory(UniqueFd fd, PlanHeader* header, size_t bytes)
      : fd_(std::move(fd)), header_(header), bytes_(bytes), steps_(header->steps), step_count_(header->step_count) {}
  UniqueFd fd_;
  PlanHeader* header_ = nullptr;
  size_t bytes_ = 0;
  uint32_t steps_ = 0;
  uint32_t step_count_ = 0;
};

// The report of a failed step as one line: "/mounts/3: mount tmpfs on /dev/shm (nosuid): fsconfig: tmpfs: Bad value
// for 'size': invalid argument [step 9 of 31]".
Error step_error(const Plan& plan, const Report& report);
// The same where only the plan's memory is there.
Error step_error(const PlanMemory& memory);

}  // namespace minirun
