// SPDX-License-Identifier: Apache-2.0
// The plan: a flat program that the parent compiles and the child obeys.
//
// A plan is one block of memory (an "image"): a header, a table of steps, a table of descriptor slots, a table of
// pointers and a data area. Everything in it is addressed by offsets from its start, so that it means the same in the
// parent and in the init program, which map it at different addresses. The child has no heap, no libc and takes no
// decision about the configuration: whatever depends on config.json is a step, or is not there.
//
// This header is shared with the freestanding init program: integers and nothing else.
#pragma once

#include <stdint.h>

namespace minirun {

// One line an operation: its name and how a person reads it. The text is made from the arguments themselves, so that
// what `minirun plan` prints is what the child does. In the text {0} is argument 0; the letter says of which kind:
//   s string   d decimal   o octal   x hexadecimal   f descriptor slot (its label)   l list of strings
//   n namespace flags   a mount attributes set   A mount attributes cleared   p propagation   v device number
// Steps of the child side of clone, in namespaces/executor.h; the manual pages are named there.
#define MINIRUN_OPS(X)                                          \
  X(die_with_parent, "be killed when the parent dies")          \
  X(join_namespace, "join {1n} namespace {0f}")                 \
  X(new_namespaces, "unshare {0n}")                             \
  X(become_root, "become root of the user namespace")           \
  X(await_id_maps, "have the ids of the user namespace mapped") \
  X(birth, "clone the process{1s} ({0n})")                      \
  X(await_commit, "wait until minirun knows the process id")    \
  X(close_descriptors, "close descriptors from {0d} on{1s}")    \
  X(lend_proc, "open {0d} procfs of its pid namespace")         \
  X(place_root, "place {0f} on {1s}")                           \
  X(pivot, "pivot into it")                                     \
  X(enter, "enter the mount namespace made from {0f}")          \
  X(cover_root, "move it on top of the host's root")            \
  X(hide, "hide the host's {0s}")                               \
  X(take_root, "take {0f} as its root")                         \
  X(change_root, "change root into it")                         \
  X(open_root, "look from the root of the container")           \
  X(open_proc, "open {1s} procfs")                              \
  X(mount_new, "mount {0s} on {1s} ({2a}{3l}{5p})")             \
  X(mount_proc, "mount {0f} on {1s} ({2a}{3l}{5p})")            \
  X(attach, "bind {0f} on {1s} ({2a}{3A}{4p})")                 \
  X(bind_own, "bind its own {0s} on {1s} ({2a}{3A}{4p})")       \
  X(take_sources, "have the next {1d} sources opened")          \
  X(set_attributes, "change {0s} ({1a}{2A}{3p})")               \
  X(reconfigure, "reconfigure the filesystem of {0s} ({1l})")   \
  X(directory, "in {0s}:")                                      \
  X(device, "device {0s} {2v} mode {1o} owner {3d}:{4d}")       \
  X(symlink, "symlink {1s} -> {0s}")                            \
  X(mask, "mask {0s}")                                          \
  X(make_readonly, "make {0s} read-only")                       \
  X(write_proc, "write {1s} to /proc/{0s}")                     \
  X(loopback, "bring the loopback interface up")                \
  X(hostname, "set the hostname to {0s}")                       \
  X(domainname, "set the domainname to {0s}")                   \
  X(terminal, "open a terminal in {0s} and send it to minirun") \
  X(keep_line_ends, "leave its line ends as they are written")  \
  X(bind_console, "bind the terminal on {0s}")                  \
  X(take_terminal, "read from and write to the terminal")       \
  X(own_stdio, "give stdio to uid {0d}")                        \
  X(raise_limit, "raise {3s} to soft {1d}, hard {2d}")          \
  X(rlimit, "limit {3s}: soft {1d}, hard {2d}")                 \
  X(personality, "set the personality to {0x}")                 \
  X(scheduler, "set the scheduler: {1s}")                       \
  X(memory_policy, "set the memory policy: {3s}")               \
  X(io_priority, "set the I/O priority: {1s}")                  \
  X(umask, "set the umask to {0o}")                             \
  X(groups, "set the additional groups: {2s}")                  \
  X(identity, "become uid {0d}, gid {1d}")                      \
  X(bounding, "keep {1s} in the bounding set")                  \
  X(capabilities, "set capabilities: {4s}")                     \
  X(no_new_privileges, "set no_new_privs")                      \
  X(working_directory, "change directory to {0s}")              \
  X(seccomp, "load a seccomp filter of {1d} instructions")      \
  X(gate, "wait for minirun: {0s}")                             \
  X(outlive, "outlive minirun")                                 \
  X(heed_signals, "end by SIGHUP, SIGINT, SIGQUIT and SIGTERM") \
  X(await_start, "wait for start on {0f}")                      \
  X(redirect, "make {0f} descriptor {1d}")                      \
  X(keyring, "start the session keyring {0s}")                  \
  X(cpu_affinity, "run on {2s}")                                \
  X(supervise, "start the workload; stay as its init")          \
  X(session, "start a session{0s}")                             \
  X(close_on_exec, "close descriptors from {0d} on at exec")    \
  X(own_pid, "give the workload its process id: {2s}")          \
  X(hold, "wait with the init for start")                       \
  X(execute, "execute {2s}")

enum class Op : uint16_t {
#define MINIRUN_OP_ENUM(name, text) name,
  MINIRUN_OPS(MINIRUN_OP_ENUM)
#undef MINIRUN_OP_ENUM
};

constexpr unsigned kStepArguments = 6;
constexpr uint64_t kNoText = 0;  // offset 0 is the header: "no string"
constexpr uint32_t kNoSlot = 0xffffffff;
constexpr uint32_t kNoStep = 0xffffffff;  // a failure before the first step

// What an init waits for before it lets its workload execute: a[4] of supervise.
enum InitWait : uint64_t { kForNothing = 0, kForStart = 1, kForHooks = 2 };

// The procfs that open_proc opens.
enum ProcfsKind : uint64_t {
  kPrivateProcfs = 0,     // a new one of our own
  kHostsProcfs = 1,       // at /proc of the tree that minirun is in
  kContainersProcfs = 2,  // at /proc of the container's root
  kProcessProcfs = 3,     // a new one with the processes alone: proc(5), "subset=pid", Linux 5.8
};

// Step flags: which failures the step tolerates. Anything else stops the launch.
enum StepFlag : uint16_t {
  kTolerateMissing = 1,  // ENOENT and ENOTDIR: a path that the image or this kernel does not have
  kOnlyIfTarget = 2,     // symlink: only if what it points to exists (runtime-linux.md, dev symbolic links)
  kReplace = 4,          // symlink: in place of what is there
  kRealDirectory = 8,    // mount_new: no symbolic link on the way to the target (CVE-2019-19921: /proc, /sys)
  kModeOfTarget = 32,    // mount_new: a tmpfs takes on the mode of the directory that it is put on
  kTargetItself = 64,    // attach: a target that is a symbolic link is covered itself
  kNotProcfs = 128,      // what is mounted on: a link of the image must not lead it into /proc (CVE-2019-16884)
  kTolerateDenied = 16,  // working_directory: EACCES and EPERM, to be tried again as the container's user
  kOwnMount = 1024,      // attach: it is the container's alone; what a link leads into it may be made there
  kMakeMissing = 256,    // working_directory: made, with what is missing above it
  kWithBelow = 16384,    // bind_own: with the mounts below the source
  kKeep = 1024,          // mount_new, mount_proc, bind_own: a later step changes this mount (kOfKept)
  kOfSlot = 2048,        // set_attributes, reconfigure, bind_own: the mount that an `attach` of this slot has placed
  kOfKept = 4096,        // the same of the mount_new that was the n-th to have kKeep
  kLast = 8192,          // attach: no later step asks for its slot, which is closed
  kAsOwner = 512,        // write_proc: a file of this process that only the owner may write (proc(5), dumpable)
};

// Where the child waits at a `gate`; the number that comes with Message::ready.
enum class Gate : uint32_t {
  setup = 1,     // namespaces and mounts are there: hooks, network devices and what else is the parent's to do
  commit = 2,    // about to outlive minirun: the state must be written first
  listener = 3,  // about to load a filter that notifies: the one that gets the listener must be there (SeccompListener)
  hooks = 4,  // startContainer hooks: the workload's filter is loaded and what was on loan is dropped, where it can be
};

struct Step {
  Op op;
  uint16_t flags;
  uint32_t pad;
  uint64_t arg[kStepArguments];
};

// How the init program and the parent meet. The report is in memory that both map (a memfd), so that a workload's
// failure reaches the parent even when its seccomp filter forbids every system call that could carry it.
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
// A plan with a `birth` step is begun by a process that stands outside of the container: see Birth.
//
// A filter that notifies (seccomp_unotify(2)) may stop any system call from its loading on until the listener is with
// its agent. So the loading task writes the descriptor's number to PlanHeader::listener and polls there for the
// answer: a few tens of microseconds. The parent takes the descriptor with pidfd_getfd(2).
//
// End of file with neither is the death of init (the memory limit, a signal): never success.
//
// A container that waits for start may have been created by another release. What its `start` reads, says and hears is
// one format with one number: the messages and gates by their values, the listener, the report, and the plan's memory
// up to PlanHeader::report. A change of one of them raises the number and teaches PlanMemory to read the one before
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
  int32_t status;  // exited: the wait status, as waitpid(2) gives it; ready: the Gate; plan: kPlanFormat; sources: the
                   // turn, or sources_again()
};

// What minirun opens for the container's side before the clone, and at each take_sources: so many of its sources, of
// 253 that one message can bring (SCM_MAX_FD). A config may list more than a process may have open (RLIMIT_NOFILE).
constexpr uint32_t kSourcesOfATurn = 64;
// What is asked for in place of a turn: the source of a slot once more, without mounts that keep mount namespaces.
constexpr int32_t sources_again(int32_t slot) {
  return -1 - slot;
}
// What is in a slot until its turn, which counts from 1.
constexpr int32_t waiting_slot(uint32_t turn) {
  return -1 - static_cast<int32_t>(turn);
}

enum SeccompListener : uint32_t {
  kNoListener = 0,
  kListenerTaken = 1,    // go on to exec
  kListenerRefused = 2,  // no process takes it: the launch has failed
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

// What joins namespaces is born outside of them, and executes the init program there: its memory then belongs to the
// outer user namespace, and no tracer of an inner one gets at it (__ptrace_may_access() in the kernel). That outer
// process joins what is joined and clones the container's process as minirun's child (CLONE_PARENT). Who can be in the
// pid namespace decides when:
enum BirthWay : uint32_t {
  kBirthEarly = 0,  // right after the joins; the child does everything else
  kBirthLast = 1,   // as the very last act: the child holds nothing of minirun's and executes the program. The outer
                    // process ends when it has (CLONE_VFORK, without CLONE_VM)
  kBirthHeld = 2,   // the same of a container's process: it waits until its number is in the state (Birth::word)
  kBirthAlone = 3,  // the same of one that waits for start then: the outer process ends at once (no CLONE_VFORK)
};

enum BirthWord : uint32_t { kNotBorn = 0, kBornWaits = 1, kBornCommitted = 2 };

struct Birth {
  int32_t child;   // the kernel's answer: its pid as minirun sees it, 0 until then
  int32_t parent;  // minirun's own, of which the outer process is a child
  uint32_t word;   // BirthWord, a futex; of a process that lends a procfs: kBornWaits when it has it
  uint32_t pad;
};

struct PlanHeader {
  // What `start` reads, at these places in every plan of this format.
  uint64_t magic;
  uint32_t format;
  uint32_t total_bytes;
  uint32_t step_count;
  uint32_t told;     // offset of uint32_t[step_count]: of each step's text, for a `start` that has no other copy of the
                     // plan; kNoText: not one of its steps
  uint32_t execute;  // the step that executes the workload; kNoStep: none does
  uint32_t listener;  // SeccompListener
  Report report;
  // For the init program alone, which is of the build that wrote it.
  uint32_t steps;  // offset of Step[step_count]
  uint32_t slot_count;
  uint32_t slots;          // offset of int32_t[slot_count]: descriptor numbers, filled in by the parent before clone
  int32_t control;         // this side of the SOCK_SEQPACKET pair
  int32_t memory;          // the memfd of this image
  uint32_t first_kept_fd;  // descriptors from here on are closed in the workload (3, or more with preserved ones)
  uint32_t own_text;       // 1: the init leaves the file that it was executed from (namespaces/init/init.cc)
  uint32_t pad;
  Birth birth;
};

constexpr uint64_t kPlanMagic = 0x4e414c505552494dULL;  // "MIRUPLAN"
constexpr uint32_t kPlanFormat = 4;
// 65916da has no number: a magic of its own, and no status with Message::plan. It was the second; a third was never
// released.
constexpr uint32_t kUnnumberedPlanFormat = 2;
static_assert(__builtin_offsetof(PlanHeader, report) == 32 && sizeof(Report) == 264, "a new format: docs/upgrades.md");

}  // namespace minirun
