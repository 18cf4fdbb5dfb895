// SPDX-License-Identifier: Apache-2.0
// Passes a seccomp listener from the container to its agent (runtime-spec config-linux.md, "Seccomp", listenerPath;
// seccomp_unotify(2)). The container's side: PlanHeader::listener and Gate::listener of namespaces/plan.h.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "namespaces/spawn.h"
#include "runtime/container/state_directory.h"
#include "runtime/container/status.h"
#include "runtime/oci/spec.h"
#include "runtime/supervise/refusal_counter.h"
#include "runtime/supervise/signals.h"

namespace minirun {

// A connected agent, and what it will receive.
class SeccompAgent {
 public:
  // For a profile with a listener. Errors name the path.
  static Result<SeccompAgent> connect(const oci::Seccomp& seccomp);

  // Call it when the container is at Gate::listener: opens the gate, takes the listener as soon as the filter is
  // loaded, and sends it with the spec's "container process state". status: the container's. If the container failed or
  // ended instead, its messages say why, and this returns no error. On an error, and an abort request
  // (Signals::abort_request) is one, it refuses the container's listener.
  Result<void> serve(Child& child, const ContainerRecord& record, ContainerStatus status, Signals& signals);

 private:
  SeccompAgent(const oci::Seccomp& seccomp, UniqueFd socket)
      : path_(seccomp.listener_path), metadata_(seccomp.listener_metadata), socket_(std::move(socket)) {}
  std::string path_;
  std::string metadata_;
  UniqueFd socket_;
};

// The same for --explain-seccomp: gives the listener to minirun's own counter.
Result<void> give_listener(Child& child, RefusalCounter& counter, Signals& signals);

// runtime-spec config-linux.md, "The Container Process State", as JSON.
std::string container_process_state(const std::string& metadata, const ContainerRecord& record, ContainerStatus status,
                                    pid_t pid);

}  // namespace minirun
