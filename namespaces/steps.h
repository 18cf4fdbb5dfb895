// SPDX-License-Identifier: Apache-2.0
// The steps of a plan, each declared once: the executor's function, the type, the fields, and the printed words. The
// number, the executor's dispatch, and what `minirun plan` and an error print follow from it.
//
//   MINIRUN_STEP(hide, Hide, "hide the host's ", step.path) { Path path; };
//
// PlanBuilder::add(steps::Hide{...}, origin) puts it into a plan, and Executor::hide(const steps::Hide&) performs it.
// The functions are in namespaces/*_steps.h, which name the manual pages, and run on the child side of clone. Shared
// with the freestanding init program.
#pragma once

#include "namespaces/step_kinds.h"

namespace minirun {

enum class Op : uint32_t {};  // the number of a step's type; another build's mean other types
enum class Gate : uint32_t;   // namespaces/plan.h

namespace steps {

template <uint32_t kNumber>
struct Numbered;

constexpr int kBeforeSteps = __COUNTER__;

// Words and fields in the printed order. Items in parentheses are joined by commas, and left out when empty.
#define MINIRUN_STEP(name, Type, ...)                                              \
  struct Type;                                                                     \
  constexpr Op number_of(const Type*) {                                            \
    return Op{__COUNTER__ - kBeforeSteps - 1};                                     \
  }                                                                                \
  template <>                                                                      \
  struct Numbered<static_cast<uint32_t>(number_of(static_cast<Type*>(nullptr)))> { \
    using Fields = Type;                                                           \
    static constexpr const char* kName = #name;                                    \
    template <class Step, class Out>                                               \
    static void describe([[maybe_unused]] const Step& step, Out& out) {            \
      out(__VA_ARGS__);                                                            \
    }                                                                              \
    template <class Step, class Executor>                                          \
    static long perform(const Step& step, Executor& executor) {                    \
      if constexpr (__is_empty(Step))                                              \
        return executor.name();                                                    \
      else                                                                         \
        return executor.name(step);                                                \
    }                                                                              \
  };                                                                               \
  struct Type

// A step that fits is on one line.
// clang-format off
MINIRUN_STEP(die_with_parent, DieWithParent, "be killed when the parent dies") {};
MINIRUN_STEP(join_namespace, JoinNamespace, "join ", step.types, " namespace ", step.file) {
  Slot file;
  Namespaces types;
};
MINIRUN_STEP(new_namespaces, NewNamespaces, "unshare ", step.types) { Namespaces types; };
MINIRUN_STEP(become_root, BecomeRoot, "become root of the user namespace") {};
MINIRUN_STEP(await_id_maps, AwaitIdMaps, "have the ids of the user namespace mapped") {};
MINIRUN_STEP(birth, Birth, "clone the process", step.way, " (", step.types, ")") {
  Namespaces types;
  BirthWay way;
  YesNo dies_with_parent{};
};
MINIRUN_STEP(await_commit, AwaitCommit, "wait until minirun knows the process id") {};
MINIRUN_STEP(close_descriptors, CloseDescriptors, "close descriptors from ", step.first, " on", step.left_open) {
  uint32_t first;
  LeftOpen left_open{};
  Slot socket{}, gate{};
  YesNo keeps_proc{};  // for the labels that the process has still to write
};
MINIRUN_STEP(lend_proc, LendProc, "open ", step.count, " procfs of its pid namespace") {
  uint32_t count;
  YesNo moves_root{};  // as in HostFacts
};

MINIRUN_STEP(place_root, PlaceRoot, "place ", step.tree, " on ", step.path) {
  Slot tree;
  Path path;
  Propagation propagation;  // of the host's mounts
};
MINIRUN_STEP(pivot, Pivot, "pivot into it") {};
MINIRUN_STEP(enter, Enter, "enter the mount namespace made from ", step.mount_namespace) { Slot mount_namespace; };
MINIRUN_STEP(cover_root, CoverRoot, "move it on top of the host's root") {};
MINIRUN_STEP(hide, Hide, "hide the host's ", step.path) { Path path; };
MINIRUN_STEP(take_root, TakeRoot, "take ", step.directory, " as its root") { Slot directory; };
MINIRUN_STEP(change_root, ChangeRoot, "change root into it") {};
MINIRUN_STEP(open_root, OpenRoot, "open the container's root") {};
MINIRUN_STEP(open_proc, OpenProc, "open ", step.which, " procfs") { Procfs which; };

MINIRUN_STEP(mount_new, MountNew, "mount ", step.filesystem, " on ", step.mount.target, " (", step.mount.attributes,
             step.mount.parameters, step.mount.propagation, ")") {
  Text filesystem;  // a type of /proc/filesystems
  NewMount mount;
};
MINIRUN_STEP(mount_proc, MountProc, "mount ", step.context, " on ", step.mount.target, " (", step.mount.attributes,
             step.mount.parameters, step.mount.propagation, ")") {
  Slot context;
  NewMount mount;
};
MINIRUN_STEP(attach, Attach, "bind ", step.tree, " on ", step.target, " (", step.change, ")") {
  Slot tree;
  Path target;
  MountChange change{};
  StepFlag flags{};
};
MINIRUN_STEP(bind_own, BindOwn, "bind its own ", step.source, " on ", step.target, " (", step.change, ")") {
  PlacedMount mount;
  Text source;     // a path of the container...
  uint32_t below;  // ...and where in it begins what is below the mount
  Path target;
  MountChange change{};
  StepFlag flags{};
};
MINIRUN_STEP(take_sources, TakeSources, "have the next ", step.count, " sources opened") { uint32_t turn, count; };
MINIRUN_STEP(set_attributes, SetAttributes, "change ", step.path, " (", step.change, ")") {
  Path path;
  PlacedMount mount{};
  MountChange change{};
};
MINIRUN_STEP(reconfigure, Reconfigure, "reconfigure the filesystem of ", step.path, " (", step.parameters, ")") {
  Path path;
  PlacedMount mount;
  ParameterList parameters;
};
MINIRUN_STEP(directory, Directory, "in ", step.path, ":") {  // of the devices and links that follow
  Text path;
};
MINIRUN_STEP(device, Device, "device ", step.name, " ", step.number, " mode ", step.mode, " owner ", step.uid, ":",
             step.gid) {
  Path name;
  NodeNumber number;
  Mode mode;
  uint32_t uid{}, gid{};
};
MINIRUN_STEP(symlink, Symlink, "symlink ", step.name, " -> ", step.target) {
  Text target;
  Path name;
  Text wanted{};  // what must exist with kOnlyIfTarget, if it is not the target
  StepFlag flags{};
};
MINIRUN_STEP(mask, Mask, "mask ", step.path) { Path path; Slot null_device; StepFlag flags{}; };
MINIRUN_STEP(make_readonly, MakeReadonly, "make ", step.path, " read-only") { Path path; StepFlag flags{}; };
MINIRUN_STEP(write_proc, WriteProc, "write ", step.value, " to ", step.file) {
  ProcPath file;
  Text value;
  YesNo as_owner{};  // a file of this process that only the owner may write (proc(5), dumpable)
};

MINIRUN_STEP(loopback, Loopback, "bring the loopback interface up") {};
MINIRUN_STEP(hostname, Hostname, "set the hostname to ", step.name) { Text name; };
MINIRUN_STEP(domainname, Domainname, "set the domainname to ", step.name) { Text name; };
MINIRUN_STEP(terminal, Terminal, "open a terminal in ", step.devpts, " and send it to minirun") {
  Text devpts;
  uint32_t rows{}, columns{}, uid{};
};
MINIRUN_STEP(keep_line_ends, KeepLineEnds, "leave its line ends as they are written") {};
MINIRUN_STEP(bind_console, BindConsole, "bind the terminal on ", step.path) { Path path; };
MINIRUN_STEP(take_terminal, TakeTerminal, "read from and write to the terminal") {};

MINIRUN_STEP(own_stdio, OwnStdio, "give stdio to uid ", step.uid) { uint32_t uid; };
MINIRUN_STEP(raise_limit, RaiseLimit, "raise ", step.name, " to soft ", step.soft, ", hard ", step.hard) {
  uint32_t resource;
  Text name;
  Limit soft, hard;
};
MINIRUN_STEP(rlimit, Rlimit, "limit ", step.name, ": soft ", step.soft, ", hard ", step.hard) {
  uint32_t resource;
  Text name;
  Limit soft, hard;
};
MINIRUN_STEP(personality, SetPersonality, "set the personality to ", step.personality) { Personality personality; };
MINIRUN_STEP(scheduler, Scheduler, "set the scheduler: ", step.policy) {
  Bytes attributes;  // struct sched_attr
  Text policy;
};
MINIRUN_STEP(memory_policy, MemoryPolicy, "set the memory policy: ", step.words) {
  uint32_t mode;
  Bytes nodes;  // bits
  Text words;
};
MINIRUN_STEP(io_priority, IoPriority, "set the I/O priority: ", step.words) { uint32_t value; Text words; };
MINIRUN_STEP(umask, Umask, "set the umask to ", step.mask) { Mode mask; };
MINIRUN_STEP(groups, Groups, "set the additional groups: ", step.words) {
  Bytes ids;  // 32 bits each
  Text words;
};
MINIRUN_STEP(identity, Identity, "become uid ", step.uid, ", gid ", step.gid) { uint32_t uid, gid; };
MINIRUN_STEP(bounding, Bounding, "keep ", step.kept, " in the bounding set") { CapabilitySet dropped; Text kept; };
MINIRUN_STEP(capabilities, Capabilities, "set capabilities: ", step.words) {
  CapabilitySet effective, permitted, inheritable{}, ambient{};
  Text words{};
};
MINIRUN_STEP(no_new_privileges, NoNewPrivileges, "set no_new_privs") {};
MINIRUN_STEP(working_directory, WorkingDirectory, "change directory to ", step.path) { Path path; StepFlag flags{}; };
MINIRUN_STEP(seccomp, Seccomp, "load a seccomp filter of ", step.filter.size / step.kInstruction, " instructions") {
  Bytes filter;  // struct sock_filter
  uint32_t flags;
  YesNo listens{};
  YesNo closes_listener{};  // here, as no exec does
  static constexpr uint32_t kInstruction = 8;
};
MINIRUN_STEP(gate, WaitAtGate, "wait for minirun: ", step.what) { Gate gate; Text what; };
MINIRUN_STEP(outlive, Outlive, "outlive minirun") {};
MINIRUN_STEP(heed_signals, HeedSignals, "end by SIGHUP, SIGINT, SIGQUIT and SIGTERM") {};
MINIRUN_STEP(await_start, AwaitStart, "wait for start on ", step.socket) {
  Slot socket;
  YesNo unblocks{};  // the signals of heed_signals, for as long as it waits
};
MINIRUN_STEP(redirect, Redirect, "make ", step.from, " descriptor ", step.number) { Slot from; uint32_t number; };
MINIRUN_STEP(keyring, Keyring, "start the session keyring ", step.name) { Text name; };
MINIRUN_STEP(cpu_affinity, CpuAffinity, "run on ", step.cpus) { Bytes mask; Text cpus; };
MINIRUN_STEP(supervise, Supervise, "start the workload; stay as its init") {
  uint32_t workload{};    // the step that the workload begins with
  uint32_t init{};        // the one behind the workload's last, which is the init's first
  uint32_t init_count{};  // of the init's steps before its wait
  InitWait waits_for{};
  YesNo adopts{};    // orphans: it is not PID 1 of a namespace
  YesNo shares{};    // descriptors with the workload: minirun takes the listener of its filter from the init
  YesNo detached{};  // no minirun waits for the end
};
MINIRUN_STEP(session, Session, "start a session", step.what) {
  Text what{};
  YesNo with_terminal{};
  YesNo leads{};  // one of its own already
};
MINIRUN_STEP(close_on_exec, CloseOnExec, "close descriptors from ", step.first, " on at exec") { uint32_t first; };
MINIRUN_STEP(own_pid, OwnPid, "give the workload its process id: ", step.variable) {
  PointerTable environment;
  uint32_t index;
  Text variable;
};
MINIRUN_STEP(hold, Hold, "wait with the init for start") {};
MINIRUN_STEP(execute, Execute, "execute ", step.command) {
  Texts candidates;
  Text command;
  PointerTable arguments, environment;
};
// clang-format on

constexpr uint32_t kCount = __COUNTER__ - kBeforeSteps - 1;

}  // namespace steps

template <class Type>
constexpr Op op_of = number_of(static_cast<const Type*>(nullptr));  // NOLINT(bugprone-dynamic-static-initializers)

}  // namespace minirun
