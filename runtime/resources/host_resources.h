// SPDX-License-Identifier: Apache-2.0
// The parent's work on the host for one container, beside its cgroup: network devices and the class of service
// (linux.netDevices, linux.intelRdt). In the order of a launch:
//
//   survey_host_side    before the intent record is written, which holds the result
//   HostSide::make      before clone
//   HostSide::apply     while the container's first process waits at a gate
//   HostSide::remove    at the container's end, or when it is deleted
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>

#include "runtime/oci/spec.h"
#include "runtime/resources/intel_rdt.h"
#include "sys/result.h"

namespace minirun {

// Finds everything that is certain to fail before anything is made. The record is empty if the config asks for nothing.
Result<RdtRecord> survey_host_side(const oci::Spec& spec, const std::string& id);

// What a launch has made on the host. The destructor undoes it unless it is detached; network devices go with their
// namespace.
class HostSide {
 public:
  static Result<HostSide> make(const oci::Spec& spec, const RdtRecord& record);
  // For a container that another minirun has made.
  static HostSide adopt(const RdtRecord& record) { return HostSide(record); }
  HostSide(HostSide&& other) noexcept;
  HostSide& operator=(HostSide&&) = delete;
  HostSide(const HostSide&) = delete;
  HostSide& operator=(const HostSide&) = delete;
  ~HostSide();

  // pid: the container's first process, which has not forked yet and is in its network namespace; not reaped meanwhile,
  // so that the number cannot be reused. The caller has one thread.
  Result<void> apply(const oci::Spec& spec, pid_t pid) const;
  // Leaves it to the container, or to another command's removal.
  void detach() { owned_ = false; }
  // Ignores what is already gone, even resctrl itself.
  Result<void> remove();
  // The same after a failed launch, as the destructor does: also removes a shared class that this launch made.
  Result<void> undo();

 private:
  explicit HostSide(RdtRecord record) : record_(std::move(record)) {}
  RdtRecord record_;
  bool owned_ = true;
};

// Puts a process of exec into the container's class, before it runs its program.
Result<void> join_host_side(const RdtRecord& record, pid_t pid);

}  // namespace minirun
