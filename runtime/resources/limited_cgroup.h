// SPDX-License-Identifier: Apache-2.0
// A launch's cgroup, removed again whatever fails.
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

// The container's cgroup with its limits and device filter. The destructor kills and removes it.
class LimitedCgroup {
 public:
  // path: Compiled::cgroup_path, or another place; "": the container has none.
  static Result<LimitedCgroup> make(const Hierarchy& hierarchy, const Compiled& compiled, const std::string& path);
  // Takes an existing one. last: called after its removal.
  static LimitedCgroup adopt(Cgroup cgroup, std::function<Result<void>()> last);
  // For a container that has no cgroup, or none yet.
  static LimitedCgroup none() { return LimitedCgroup(Cgroup::none()); }
  // Enables for it all controllers that `top` (see Cgroup) offers; logs refusals as debug lines.
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
  // Leaves it to a detached container.
  void detach() { owned_ = false; }
  // Kills what is left inside and removes it, within kRemovalTime; the error names processes that remain.
  Result<void> remove();

 private:
  explicit LimitedCgroup(Cgroup cgroup) : cgroup_(std::move(cgroup)) {}
  Cgroup cgroup_;
  std::function<Result<void>()> last_{};
  bool owned_ = true;
};

constexpr std::chrono::seconds kRemovalTime{10};

}  // namespace minirun
