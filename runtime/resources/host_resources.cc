// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/host_resources.h"

#include <fcntl.h>
#include <fmt/format.h>

#include "runtime/resources/net_devices.h"
#include "sys/file.h"

namespace minirun {

Result<RdtRecord> survey_host_side(const oci::Spec& spec, const std::string& id) {
  if (!spec.linux_.intel_rdt) return RdtRecord{};
  UniqueFd root = TRY(open_resctrl());
  return survey_rdt(root.get(), *spec.linux_.intel_rdt, id);
}

Result<HostSide> HostSide::make(const oci::Spec& spec, const RdtRecord& record) {
  if (!record.group.empty() && spec.linux_.intel_rdt) {
    UniqueFd root = TRY(open_resctrl());
    TRY(make_rdt(root.get(), *spec.linux_.intel_rdt, record));
  }
  return HostSide(record);
}

Result<void> HostSide::apply(const oci::Spec& spec, pid_t pid) const {
  TRY(join_host_side(record_, pid));
  if (spec.linux_.net_devices.empty()) return {};
  UniqueFd network = TRY(open_at(AT_FDCWD, fmt::format("/proc/{}/ns/net", pid), O_RDONLY));
  return move_net_devices(spec.linux_.net_devices, network.get());
}

Result<void> join_host_side(const RdtRecord& record, pid_t pid) {
  if (record.group.empty()) return {};
  UniqueFd root = TRY(open_resctrl());
  return join_rdt(root.get(), record, pid);
}

// resctrl may have been unmounted with its content, or nothing was made after the intent record.
static Result<void> take_away(const RdtRecord& record, Result<void> (*remove)(int, const RdtRecord&)) {
  if (record.group.empty()) return {};
  UniqueFd root = TRY(find_resctrl());
  return root ? remove(root.get(), record) : Result<void>();
}

HostSide::HostSide(HostSide&& other) noexcept
    : record_(std::move(other.record_)), owned_(std::exchange(other.owned_, false)) {}

HostSide::~HostSide() {
  if (owned_) (void)undo();  // after an error, which is reported
}

Result<void> HostSide::remove() {
  owned_ = false;
  return take_away(record_, remove_rdt);
}

Result<void> HostSide::undo() {
  owned_ = false;
  return take_away(record_, undo_rdt);
}

}  // namespace minirun
