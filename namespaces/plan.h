// SPDX-License-Identifier: Apache-2.0
// The plan: a flat program that the parent compiles and the child obeys.
//
// A plan is one block of memory (an "image"): a header, a table of steps, a table of descriptor slots, a table of
// pointers and a data area. Everything in it is addressed by offsets from its start, so that it means the same in the
// parent and in the init program, which map it at different addresses. The child has no heap, no libc and decides
// nothing about the configuration: whatever depends on config.json is a step, or absent.
//
// This header is shared with the freestanding init program: integers and nothing else. The steps are in
// namespaces/steps.h.
#pragma once

#include "namespaces/steps.h"

namespace minirun {

constexpr uint32_t kNoStep = 0xffffffff;  // a failure before the first step

// A step in the table: namespaces/steps.h has the types of the fields.
struct Step {
  static constexpr unsigned kBytes = 44;  // room for the fields of any of them
  Op op;
  alignas(uint32_t) unsigned char fields[kBytes];
};

// The fields of a step; nullptr: the step has another type.
template <class Type>
const Type* get_if(const Step& step) {
  return step.op == op_of<Type> ? reinterpret_cast<const Type*>(step.fields) : nullptr;
}

// Calls visitor(steps::Numbered<N>, fields) for the step's type, which this build must know.
template <uint32_t kFirst = 0, uint32_t kEnd = steps::kCount, class Visitor>
auto visit(const Step& step, Visitor&& visitor) {
  if constexpr (kEnd - kFirst == 1) {
    using Numbered = steps::Numbered<kFirst>;
    return visitor(Numbered{}, *reinterpret_cast<const typename Numbered::Fields*>(step.fields));
  } else {
    constexpr uint32_t kMiddle = kFirst + (kEnd - kFirst) / 2;
    return static_cast<uint32_t>(step.op) < kMiddle ? visit<kFirst, kMiddle>(step, visitor)
                                                    : visit<kMiddle, kEnd>(step, visitor);
  }
}

// Where the child waits at a `gate`; the number that comes with Message::ready.
enum class Gate : uint32_t {
  setup = 1,     // namespaces and mounts are made: the parent runs hooks, moves network devices and the like
  commit = 2,    // about to outlive minirun: the state must be written first
  listener = 3,  // about to load a filter that notifies: minirun must be ready to take the listener (SeccompListener)
  hooks = 4,     // startContainer hooks: the workload's filter is loaded and loans are dropped, if possible
};

// The protocol between the init program and the parent. The report is in memory that both map (a memfd), so a
// workload's failure reaches the parent even if its seccomp filter forbids every system call that could carry it.
//
//   parent                                   init (the child)
//     | clone3 ------------------------------> walks the steps
//     | <------------------ terminal + fd ---- (only with a terminal)
//     | mapped ------------------------------> (only with a new user namespace) its id maps are written: before exec
//     | <------------------- sources + turn --- take_sources: what is bound comes in turns, as descriptors are few
//     | sources + descriptors ---------------> go on
//     | <-------------------- ready + gate --- gate: the parent does what belongs here (hooks, committing the state)
//     | release -----------------------------> go on
//     | <--------------------------- created - await_start: minirun create is done; the socket is closed. Later
//     |                                        `minirun start` connects to the socket in the state directory:
//     | <---------------- plan + its memory --- so that start sees the report
//     | release -----------------------------> go on: from here as above
//     | <------------------------- running --- the workload's exec succeeded         \ supervise: both are sent by
//     | <----------------- exited + status --- the workload ended; then init ends    / the init that stays
//     | <------------------------ end of file  without supervise: exec succeeded (close-on-exec)
//     | <-------------------------- failed --- a step failed: the report says which; init waits until the parent
//     |                                        hangs up (it may still look into the container), then ends
// A process outside the container begins a plan with a `birth` step: see Birth.
//
// A filter that notifies (seccomp_unotify(2)) may block any system call after its loading until the agent has the
// listener. So the loading task writes the descriptor's number to PlanHeader::listener and polls there for the answer:
// a few tens of microseconds. The parent takes the descriptor with pidfd_getfd(2).
//
// An end of file without either is the death of init (the memory limit, a signal), never success.
//
// Another release may have created a container that waits for start. One format with one number covers all that `start`
// reads and exchanges: the values of messages and gates, the listener, the report, and the plan's memory up to
// PlanHeader::report. A change to one of them raises the number and teaches PlanMemory to read the previous format
// (docs/upgrades.md).
enum class Message : uint32_t {
  terminal = 1,
  ready = 2,
  release = 3,
  running = 4,
  exited = 5,
  failed = 6,
  mapped = 7,
  created = 8,
  plan = 9,
  unmapped = 10,
  sources = 11,  // before `created` alone: no `start` of another release hears it
};

struct Envelope {  // one SOCK_SEQPACKET message; with terminal, plan and sources descriptors ride along as SCM_RIGHTS
  Message message;
  int32_t status;  // exited: the wait status, as waitpid(2) gives it, and the last signal above it; ready: the Gate;
                   // plan: kPlanFormat; sources: the turn, or sources_again()
};

// How many sources minirun opens before the clone and at each take_sources; one message can carry 253 (SCM_MAX_FD). A
// config may list more than a process may have open (RLIMIT_NOFILE).
constexpr uint32_t kSourcesOfATurn = 64;
// Asks, in place of a turn, for the source of a slot again, without mounts that keep mount namespaces.
constexpr int32_t sources_again(int32_t slot) {
  return -1 - slot;
}
// The content of a slot before its turn, which counts from 1.
constexpr int32_t waiting_slot(uint32_t turn) {
  return -1 - static_cast<int32_t>(turn);
}

// `exited` also says which signal the init passed on last; 0: none. A wait status has 16 bits.
constexpr int32_t kWaitStatusBits = 0xffff, kLastSignalShift = 16, kLastSignalBits = 0x7f;

enum SeccompListener : uint32_t {
  kNoListener = 0,
  kListenerTaken = 1,    // go on to exec
  kListenerRefused = 2,  // the listener is not taken: the launch has failed
  kListenerOffered = 3,  // plus the descriptor's number in the init's table of descriptors
};

constexpr unsigned kDetailBytes = 248;

struct Report {
  uint32_t state;             // ReportState
  uint32_t step;              // index of the failed step
  int32_t error;              // errno value
  uint32_t syscall;           // number of the failed call, for its name
  char detail[kDetailBytes];  // what the kernel said beside errno (fscontext log, the executable tried), NUL-terminated
};

enum ReportState : uint32_t { kWalking = 0, kExecuting = 1, kFailed = 2 };

enum BirthWord : uint32_t { kNotBorn = 0, kProcLent = 1, kBornCommitted = 2 };

struct Birth {
  int32_t child;   // the kernel's answer: its pid as minirun sees it, 0 until then
  int32_t parent;  // minirun's own, of which the outer process is a child
  uint32_t word;   // BirthWord, a futex with one writer: minirun, or the process that lends a procfs
  uint32_t pad;
};

// When a step of the table began and ended, for --timing. Written by the process that makes the step. 0: it did not
// come to that, or a seccomp filter might have refused the clock.
struct Stamp {
  uint64_t begun, ended;          // kStampClock, ns
  uint64_t cpu_before, cpu_used;  // kStampCpuClock, ns, at both
};
// CLOCK_TAI: a time namespace shifts CLOCK_MONOTONIC, but not this one (time_namespaces(7)).
constexpr uint32_t kStampClock = 11;
constexpr uint32_t kStampCpuClock = 3;  // CLOCK_THREAD_CPUTIME_ID

struct PlanHeader {
  // `start` reads these at the same offsets in every plan of this format.
  uint64_t magic;
  uint32_t format;
  uint32_t total_bytes;
  uint32_t step_count;
  uint32_t texts;     // offset of uint32_t[step_count], the offsets of the steps' texts, for a `start` without another
                      // copy of the plan; kNoText: the step has none
  uint32_t execute;   // the step that executes the workload; kNoStep: none does
  uint32_t listener;  // SeccompListener
  Report report;
  // For the init program alone, which comes from the same build.
  uint32_t steps;  // offset of Step[step_count]
  uint32_t slot_count;
  uint32_t slots;            // offset of int32_t[slot_count]: descriptor numbers, filled in by the parent before clone
  int32_t control;           // this side of the SOCK_SEQPACKET pair
  int32_t memory;            // the memfd of this image
  uint32_t first_kept_fd;    // the workload's descriptors from here on are closed (3, or more with preserved ones)
  uint32_t own_text;         // 1: the init leaves the file that it was executed from (namespaces/init/init.cc)
  uint32_t stamps;           // offset of Stamp[step_count]; 0: without --timing, no clock is read
  uint32_t stamps_filtered;  // 1: also after the workload's filter is loaded, which allows both clocks
  uint32_t end_page;         // the slot of the file with the EndPage; kNoSlot: none
  Birth birth;
};

constexpr uint64_t kPlanMagic = 0x4e414c505552494dULL;  // "MIRUPLAN"
constexpr uint32_t kPlanFormat = 5;
constexpr uint32_t kOldestNumberedPlanFormat = 4;  // of 0.2.0, whose head is that of 5
// 65916da has no number: it has its own magic, and no status with Message::plan. It was the second format; the third
// was never released.
constexpr uint32_t kUnnumberedPlanFormat = 2;
static_assert(__builtin_offsetof(PlanHeader, report) == 32 && sizeof(Report) == 264, "a new format: docs/upgrades.md");

}  // namespace minirun
