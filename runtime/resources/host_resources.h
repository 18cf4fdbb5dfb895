// SPDX-License-Identifier: Apache-2.0
// What the parent does on the host for one container, beside its cgroup: its network devices and its class of service
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

// All that can be known to be wrong before anything is made. An empty record when the config asks for nothing.
Result<RdtRecord> survey_host_side(const oci::Spec& spec, const std::string& id);

// What a launch has made on the host. Undone on destruction unless kept; network devices go with their namespace.
class HostSide {
 public:
  static Result<HostSide> make(const oci::Spec& spec, const RdtRecord& record);
  // That of a container that another minirun has made.
  static HostSide adopt(const RdtRecord& record) { return HostSide(record); }
  HostSide(HostSide&& other) noexcept;
  HostSide& operator=(HostSide&&) = delete;
  HostSide(const HostSide&) = delete;
  HostSide& operator=(const HostSide&) = delete;
  ~HostSide();

  // pid: the container's first process, which has not forked yet and is in its network namespace; not reaped meanwhile,
  // so that the number cannot be reused. The caller has one thread.
  Result<void> apply(const oci::Spec& spec, pid_t pid) const;
  // It lives on with the container, or another command removes it.
  void detach() { owned_ = false; }
  // What is gone already, be it the resctrl itself, is no error.
  Result<void> remove();
  // The same after a failed launch, as on destruction: a shared class goes too, where this launch has made it.
  Result<void> undo();

 private:
  explicit HostSide(RdtRecord record) : record_(std::move(record)) {}
  RdtRecord record_;
  bool owned_ = true;
};

// A process of exec: into the container's class too, before it runs anything of its own.
Result<void> join_host_side(const RdtRecord& record, pid_t pid);

}  // namespace minirun
