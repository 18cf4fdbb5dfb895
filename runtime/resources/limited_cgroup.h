// SPDX-License-Identifier: Apache-2.0
// A cgroup in use by a launch: whatever fails, it is taken away again.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "sys/result.h"

namespace minirun {

struct Compiled;
struct Hierarchy;

// The container's cgroup with its limits and device filter set. Killed and removed on destruction.
class LimitedCgroup {
 public:
  // path: Compiled::cgroup_path, or where else the container's is to be; "": it has none.
  static Result<LimitedCgroup> make(const Hierarchy& hierarchy, const Compiled& compiled, const std::string& path);
  // One that is there already. last: what is to be done once it is removed.
  static LimitedCgroup adopt(Cgroup cgroup, std::function<Result<void>()> last);
  // Of a container that has no cgroup, or none yet.
  static LimitedCgroup none() { return LimitedCgroup(Cgroup::none()); }
  // Passes on to it whatever `top` (see Cgroup) has to offer; what the kernel refuses is a debug line.
  Result<void> enable_offered(const std::string& top) const;
  // Limits, owner and device filter.
  Result<void> limit(const Compiled& compiled, const std::vector<Write>& writes) const;
  LimitedCgroup(LimitedCgroup&& other) noexcept;
  LimitedCgroup& operator=(LimitedCgroup&&) = delete;
  LimitedCgroup(const LimitedCgroup&) = delete;
  LimitedCgroup& operator=(const LimitedCgroup&) = delete;
  ~LimitedCgroup();

  Cgroup& cgroup() { return cgroup_; }
  const Cgroup& cgroup() const { return cgroup_; }
  // It lives on: a detached container.
  void detach() { owned_ = false; }
  // Kills what is left inside and removes it, within kRemovalTime; the error names who would not go.
  Result<void> remove();

 private:
  explicit LimitedCgroup(Cgroup cgroup) : cgroup_(std::move(cgroup)) {}
  Cgroup cgroup_;
  std::function<Result<void>()> last_{};
  bool owned_ = true;
};

constexpr std::chrono::seconds kRemovalTime{10};

}  // namespace minirun
