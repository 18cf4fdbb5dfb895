// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/limited_cgroup.h"

#include <utility>

#include "cgroups/device_filter.h"
#include "cgroups/hierarchy.h"
#include "runtime/compile/compile.h"
#include "runtime/text/log.h"

namespace minirun {

Result<LimitedCgroup> LimitedCgroup::make(const Hierarchy& hierarchy, const Compiled& compiled,
                                          const std::string& path) {
  if (path.empty()) return none();
  LimitedCgroup made(TRY(Cgroup::create(hierarchy, path, compiled.limits.needed)));
  TRY(made.enable_offered(""));
  TRY(made.limit(compiled, compiled.limits.writes));
  return made;
}

LimitedCgroup LimitedCgroup::adopt(Cgroup cgroup, std::function<Result<void>()> last) {
  LimitedCgroup adopted(std::move(cgroup));
  adopted.last_ = std::move(last);
  return adopted;
}

Result<void> LimitedCgroup::enable_offered(const std::string& top) const {
  for (const std::string& refused : TRY(cgroup_.enable_offered(top))) log_debug("controller not enabled: {}", refused);
  return {};
}

Result<void> LimitedCgroup::limit(const Compiled& compiled, const std::vector<Write>& writes) const {
  TRY(cgroup_.apply(writes));
  if (compiled.cgroup_owner) TRY(cgroup_.give_to(*compiled.cgroup_owner));
  if (!compiled.device_filter.empty()) TRY(attach_device_filter(cgroup_.fd(), compiled.device_filter));
  return {};
}

LimitedCgroup::LimitedCgroup(LimitedCgroup&& other) noexcept
    : cgroup_(std::move(other.cgroup_)), last_(std::move(other.last_)), owned_(std::exchange(other.owned_, false)) {}

LimitedCgroup::~LimitedCgroup() {
  if (owned_) (void)remove();  // after an error, which is reported
}

Result<void> LimitedCgroup::remove() {
  owned_ = false;
  TRY(cgroup_.remove(Cgroup::Processes::kill, std::chrono::steady_clock::now() + kRemovalTime));
  return last_ ? last_() : Result<void>();
}

}  // namespace minirun
