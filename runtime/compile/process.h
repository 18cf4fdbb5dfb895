// SPDX-License-Identifier: Apache-2.0
// What process.cc and birth.cc share.
#pragma once

#include <cstdint>

#include "runtime/compile/parts.h"

namespace minirun {

constexpr uint64_t bit(unsigned capability) {
  return uint64_t{1} << capability;
}

// last: RLIMIT_NPROC, by the process that executes the workload: minirun's own processes are the same user's, and the
// kernel counts them at their clone (setrlimit(2)). It is raised early, as the right to that goes.
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

// What waits for start is there for an exec with CAP_SYS_PTRACE to trace. So the filter is loaded, and what was on loan
// for it is dropped, before the wait, where the filter allows the calls of the wait. (A listener goes to its agent at
// start.) Else the container waits without its filter: docs/security.md has these cases.
enum class Wait { none, before_filter, with_init, alone };

// compile/waits.cc
Wait start_wait(const Compilation& c);
// Whether the wait for start is the first process's, before it goes on to what only the workload does.
bool waits_at_gate(const Compilation& c);
// Returns the first step behind it.
uint32_t emit_hooks_gate(Compilation& c);
struct StartSlots {
  Slot socket;
  Slot gate;  // held, not used: see container/start_socket.h
};
StartSlots make_start_slots(Compilation& c);
// Before others' code may trace what waits. keeps_proc: for labels that are written after the wait.
StartSlots close_for_wait(Compilation& c, bool keeps_proc);
// What waits under its filter gets its handlers before that, and has no signal blocked by then.
enum class Heeds { now, already };
// Returns the first step behind the wait.
uint32_t emit_await_start(Compilation& c, const StartSlots& slots, Heeds heeds);

// compile/birth.cc: return the first step behind the wait for start, if it is in there.
uint32_t emit_entry(Compilation& c, const CapabilitySets& sets);
// Of a container that has no process to execute.
uint32_t emit_empty_entry(Compilation& c);

}  // namespace minirun
