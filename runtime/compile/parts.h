// SPDX-License-Identifier: Apache-2.0
// The parts of compile(), each for one section of config.json. Every one appends its steps to the plan.
#pragma once

#include <sched.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/compile/capabilities.h"
#include "runtime/compile/compile.h"

namespace minirun {

// HostDescriptors::given of a launch.
constexpr uint64_t kGivenStartSocket = 0, kGivenGate = 1, kGivenNotify = 2;
// The same of a process that joins a container, and of a hook.
constexpr uint64_t kGivenPidfd = 0, kGivenStdin = 1, kGivenStdout = 2, kGivenStderr = 3;

// The source of a bind mount that an earlier entry of the list brings.
struct OwnSource {
  size_t mount;      // that entry
  std::string path;  // of the source in the container
  size_t below;      // where in the path that begins which is below the mount
};

struct Compilation {
  const oci::Spec& spec;
  const Place& place;
  const HostFacts& host;
  const RunOptions& options;
  const SeccompProgram* seccomp;
  // A hook in place of the process of the config: the file to execute, with process.args as its arguments and
  // process.env as it is, and its JSON pointer.
  std::string program{};
  std::string program_origin{};
  bool inherits_env = false;  // the hook has the environment of the process, with what minirun adds to it
  PlanBuilder plan{};
  Compiled out{};
  std::vector<std::string> targets{};         // of spec.mounts: their destinations by clean_path()
  std::vector<size_t> readonly_later{};       // of spec.mounts: see emit_readonly_mounts
  std::map<size_t, OwnSource> own_sources{};  // of entries of spec.mounts
  std::map<size_t, PlacedMount> placed{};     // how a later step finds the mount of an entry of spec.mounts
  uint32_t kept = 0;                          // mounts with kKeep so far
  // Sources of the present turn (host_source()), and the step that asks for them, from the second turn on.
  uint32_t turn = 0, turn_sources = 0, turn_step = kNoStep;
  bool oom_score_written = false;
  uint32_t proc_contexts = 0;              // slots of that kind
  std::string first_proc{};                // JSON pointer of the mount that is the first of them
  std::optional<steps::OwnPid> own_pid{};  // where it comes after the birth
  bool enters = false;                     // a pid namespace where others are at work: BirthWay::last
  bool commits = false;                    // so does a container's first process: BirthWay::held
  bool makes_cwd = false;                  // a process.cwd that is missing: the container's own; an exec's is a mistake

  // The config's namespace of a type, or nullptr when it is the caller's.
  const oci::Namespace* find(uint64_t type) const;
  // In a user namespace the host's privileges are gone: no device nodes, and proc and sysfs can be mounted only while
  // the host's are there (mount_too_revealing() of the kernel), so the host's tree goes last.
  bool user_namespace() const { return find(CLONE_NEWUSER) != nullptr || host.in_user_namespace; }
  bool late_pivot() const { return user_namespace() || !spec.hooks.create_container.empty(); }
  // The host's mounts are the container's too: it is in the rootfs by chroot(2), and nothing is mounted for it.
  bool shares_mounts() const { return find(CLONE_NEWNS) == nullptr; }
  bool is_new(uint64_t type) const {
    const oci::Namespace* found = find(type);
    return found != nullptr && found->path.empty();
  }

  template <class Fields>
  uint32_t add(const Fields& fields, std::string_view origin = "") {
    return plan.add(fields, origin);
  }
  Text text(std::string_view value) { return plan.text(value); }
  Path path(std::string_view value) { return plan.path(value); }
  // file: below /proc.
  void write_proc(std::string_view origin, std::string_view file, std::string_view value, bool as_owner = false) {
    add(steps::WriteProc{plan.proc_path(file), text(value), as_owner}, origin);
  }
  void warn(std::string pointer, std::string_view what) {
    out.warnings.push_back(std::move(pointer) + ": " + std::string(what));
  }
};

// "/mounts/3"
std::string pointer_at(std::string_view list, size_t index);

// Whether the process gets a label of AppArmor or SELinux, which is written below /proc/self.
inline bool has_label(const oci::Process& process) {
  return !process.apparmor_profile.empty() || !process.selinux_label.empty();
}

// compile/sources.cc
// A slot for what an `attach` places: with a step before it that has its turn opened, where the turn before is full.
Slot host_source(Compilation& c, Source source);
// For that attach. used_later: by a step that finds the mount by its slot.
StepFlag source_flags(const Compilation& c, bool used_later);
// minirun and the container's side have this many descriptors open at once, at most, while mounts are placed. Where the
// caller's soft limit is lower it is raised for them, and becomes the workload's again here.
void emit_own_open_files(Compilation& c);

// compile/own_sources.cc
// Fills Compilation::own_sources.
void find_own_sources(Compilation& c);
// Whether an entry brings the source of a later one.
bool is_own_source(const Compilation& c, size_t entry);

// compile/mounts.cc
// Whether an entry changes the mount of an earlier one.
bool is_mount_change(const oci::Mount& mount);
void emit_mounts(Compilation& c);
// Whether the path names a place in a procfs: in /proc (oci/validate_mounts.cc says what may be mounted there), or
// below one of the first so many mounts that is one, such as the host's at /host/proc. If not, kNotProcfs.
bool meant_for_procfs(const oci::Spec& spec, const std::string& path, size_t mounts);
// A read-only tmpfs that more is made on (mount points, devices, the working directory) becomes so when all that is
// done.
void emit_readonly_mounts(Compilation& c);
// compile/devices.cc
void emit_devices(Compilation& c);
void emit_protected_paths(Compilation& c);
// compile/process.cc
// Returns the first step that `start` reports, or kNoStep.
uint32_t emit_launch(Compilation& c);
// The caller's CPUs are not the container's: where its cgroup limits none, it has all.
void emit_all_cpus(Compilation& c);
// The parts of it that exec has too. Privileges and limits, up to where the process is the config's user: returns its
// capabilities.
CapabilitySets emit_privileges(Compilation& c);
// The gates between setting up and the workload. Returns the first step behind the wait for start, if it is here.
uint32_t emit_gates(Compilation& c);
// What is left to do by the process that executes the program. A wait for start that is not among the gates is in
// it: returns the first step behind it.
uint32_t emit_last_steps(Compilation& c, const CapabilitySets& sets);
void emit_working_directory(Compilation& c);
// The terminal that minirun gets the other side of.
void emit_pty(Compilation& c);
// The table of the environment. Before the filter, which may forbid getpid(2): the workload puts its own number into
// it.
PointerTable emit_environment(Compilation& c);
void emit_execute(Compilation& c, PointerTable environment);
// Before the way into a user namespace, which takes the right to it: the limits of the process, up to what it asks for.
void emit_raised_limits(Compilation& c);
// compile/birth.cc
// The step by which the container's process begins. dies: with minirun.
void emit_birth(Compilation& c, uint64_t flags, BirthWay way, bool dies);

// compile/exec.cc: into the namespaces of a container, and to its root; with a procfs of minirun's own, and what is to
// be written there, where the process asks for that.
void emit_joins(Compilation& c, const ExecFacts& facts);

// compile/limits.cc
Result<void> compile_limits(Compilation& c);

}  // namespace minirun
