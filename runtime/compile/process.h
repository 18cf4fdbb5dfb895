// SPDX-License-Identifier: Apache-2.0
// Shared by process.cc, birth.cc and waits.cc.
#pragma once

#include <cstdint>

#include "runtime/compile/parts.h"

namespace minirun {

constexpr uint64_t bit(unsigned capability) {
  return uint64_t{1} << capability;
}

// last: RLIMIT_NPROC, set by the process that executes the workload: the kernel counts minirun's own processes, which
// belong to the same user, at their clone (setrlimit(2)). Raising it comes early, before the right to do so is lost.
enum class RlimitTime { early, last };
void emit_rlimits(Compilation& c, RlimitTime time);
void emit_scheduler(Compilation& c);
void emit_labels(Compilation& c);
void emit_capabilities(Compilation& c, const CapabilitySets& sets);
bool is_lost_in_fork(const Compilation& c);
uint64_t borrowed_capabilities(const Compilation& c);
CapabilitySets with_borrowed(const CapabilitySets& sets, uint64_t borrowed);
// closes_listener: before the exec.
void emit_filter(Compilation& c, bool closes_listener);
void emit_listener_gate(Compilation& c);

// An exec with CAP_SYS_PTRACE can trace the process that waits for start. So, if the filter allows the calls of the
// wait, the filter is loaded and its loan dropped before the wait. (A listener goes to its agent at start.) Otherwise
// the container waits without its filter: docs/security.md lists these cases.
enum class Wait { none, before_filter, with_init, alone };

// compile/waits.cc
Wait start_wait(const Compilation& c);
// Whether the first process itself waits for start, before the steps that only the workload performs.
bool waits_at_gate(const Compilation& c);
// Returns the first step after it.
uint32_t emit_hooks_gate(Compilation& c);
struct StartSlots {
  Slot socket;
  Slot gate;  // held, not used: see container/start_socket.h
};
StartSlots make_start_slots(Compilation& c);
// Closes everything before other code may trace the waiting process. keeps_proc: for labels that are written after the
// wait.
StartSlots close_for_wait(Compilation& c, bool keeps_proc);
// already: a process that waits under its filter installed its handlers and unblocked signals before loading it.
enum class Heeds { now, already };
// Returns the first step after the wait.
uint32_t emit_await_start(Compilation& c, const StartSlots& slots, Heeds heeds);

// compile/birth.cc: return the first step after the wait for start, if they contain it.
uint32_t emit_entry(Compilation& c, const CapabilitySets& sets);
// For a container without a process to execute.
uint32_t emit_empty_entry(Compilation& c);

}  // namespace minirun
