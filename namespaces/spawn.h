// spawn(): from a plan to a process on the far side of clone.
#pragma once

#include <sys/types.h>

#include <optional>
#include <utility>
#include <vector>

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
  PlanMemory& operator=(PlanMemory&& other) noexcept;
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

struct SpawnRequest {
  const Plan* plan = nullptr;
  std::vector<UniqueFd> sources;  // open_sources(): closed here as soon as the child has its own
  UniqueFd init_program;          // open_init_program()
  int cgroup_fd = -1;             // the child is born in it (CLONE_INTO_CGROUP, Linux 5.7); -1: in the caller's
};

struct Child {
  pid_t pid = -1;
  UniqueFd pidfd;
  UniqueFd control;  // SOCK_SEQPACKET, Envelope in namespaces/plan.h; hanging up lets a failed child end
  PlanMemory memory;
};

// Starts the init program with the plan. With a new user namespace its id maps are written here (namespaces/id_map.h).
// The child dies with this process (PR_SET_PDEATHSIG) until the plan says otherwise. All signals are to be blocked by
// the caller. Errors are those of clone3(2) and of what comes before it; whatever happens in the child is told by its
// messages and its report.
Result<Child> spawn(SpawnRequest request);

// The report of a failed step as one line: "/mounts/3: mount tmpfs on /dev/shm (nosuid): fsconfig: tmpfs: Bad value
// for 'size': invalid argument [step 9 of 31]".
Error step_error(const Plan& plan, const Report& report);
// The same where only the plan's memory is there.
Error step_error(const PlanMemory& memory);

}  // namespace minirun
