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
#include "runtime/oci/spec_facts.h"

namespace minirun {

// HostDescriptors::given of a launch.
constexpr uint64_t kGivenStartSocket = 0, kGivenGate = 1, kGivenNotify = 2, kGivenEndPage = 3;
// The same for a process that joins a container, and for a hook.
constexpr uint64_t kGivenPidfd = 0, kGivenStdin = 1, kGivenStdout = 2, kGivenStderr = 3;

// The source of a bind mount that lies on an earlier mount of the list.
struct OwnSource {
  size_t mount;      // that entry
  std::string path;  // of the source in the container
  size_t below;      // offset in the path of the part below that mount
};

struct Compilation {
  const oci::Spec& spec;
  const std::optional<oci::Process>& process;  // spec.process, or a hook's in its place
  const ContainerPaths& paths;
  const HostFacts& host;
  const RunOptions& options;
  const SeccompProgram* seccomp;
  // Of a hook: the file to execute, with process.args as its arguments and process.env unchanged, and its JSON pointer.
  std::string program{};
  std::string program_origin{};
  bool inherits_env = false;  // the hook has the environment of the process, with what minirun adds to it
  PlanBuilder plan{};
  Compiled out{};
  std::vector<size_t> readonly_later{};       // of spec.mounts: see emit_readonly_mounts
  std::map<size_t, OwnSource> own_sources{};  // of entries of spec.mounts
  std::map<size_t, PlacedMount> placed{};     // how a later step finds the mount of an entry of spec.mounts
  uint32_t kept = 0;                          // mounts with kKeep so far
  // The sources of the current turn (host_source()), and, from the second turn on, the step that asks for them.
  uint32_t turn = 0, turn_sources = 0, turn_step = kNoStep;
  bool oom_score_written = false;
  uint32_t proc_contexts = 0;              // slots of that kind
  std::string first_proc{};                // JSON pointer of the mount that is the first of them
  std::optional<steps::OwnPid> own_pid{};  // where it comes after the birth
  bool enters = false;                     // a pid namespace with other processes: BirthWay::last
  bool commits = false;                    // a container's first process does so: BirthWay::held
  bool first_process = false;  // a container's: startContainer hooks run before its workload, and a missing cwd is made

  // The config's namespace of a type, or nullptr if it is the caller's.
  const oci::Namespace* find(uint64_t type) const;
  // In a user namespace the process has no rights on the host: it can make no device nodes, and can mount proc and
  // sysfs only while the host's are visible (mount_too_revealing() of the kernel), so it drops the host's tree last.
  bool user_namespace() const { return find(CLONE_NEWUSER) != nullptr || host.in_user_namespace; }
  bool late_pivot() const { return user_namespace() || !spec.hooks.create_container.empty(); }
  // The container shares the host's mounts: chroot(2) confines it to the rootfs, and nothing is mounted for it.
  bool shares_mounts() const { return find(CLONE_NEWNS) == nullptr; }
  bool is_new(uint64_t type) const { return oci::makes_namespace(spec, type); }

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

// Whether the process gets an AppArmor or SELinux label, which is written below /proc/self.
inline bool has_label(const oci::Process& process) {
  return !process.apparmor_profile.empty() || !process.selinux_label.empty();
}

// compile/sources.cc A slot for the source of an `attach`. If the current turn is full, adds a step that opens the next
// one.
Slot host_source(Compilation& c, Source source);
// Flags for that attach. used_later: a later step finds the mount by its slot.
StepFlag source_flags(const Compilation& c, bool used_later);
// Restores the workload's soft limit of open files, if it was raised above the caller's for the descriptors that
// minirun and the container's side need while they place mounts.
void emit_own_open_files(Compilation& c);

// compile/own_sources.cc
// Fills Compilation::own_sources.
void find_own_sources(Compilation& c);
// Whether the source of a later entry lies on this entry's mount.
bool is_own_source(const Compilation& c, size_t entry);

// compile/mounts.cc
// Whether an entry changes the mount of an earlier one.
bool is_mount_change(const oci::Mount& mount);
void emit_mounts(Compilation& c);
// Whether the path names a place in a procfs: in /proc (oci/validate_mounts.cc says what may be mounted there), or
// below a procfs among the first `mounts` entries, such as the host's at /host/proc. If not, kNotProcfs.
bool meant_for_procfs(const oci::Spec& spec, const std::string& path, size_t mounts);
// Makes a tmpfs read-only after everything on it is made (mount points, devices, the working directory).
void emit_readonly_mounts(Compilation& c);
// compile/devices.cc
void emit_devices(Compilation& c);
void emit_protected_paths(Compilation& c);
// compile/process.cc Returns the first step that `start` may report, or kNoStep.
uint32_t emit_launch(Compilation& c);
// Frees the container from the caller's CPU affinity: it may use all CPUs of its cgroup.
void emit_all_cpus(Compilation& c);
// Parts that exec shares. Emits privileges and limits, up to the change to the config's user; returns its capabilities.
CapabilitySets emit_privileges(Compilation& c);
// The gates between set-up and the workload. Returns the first step after the wait for start, if the wait is among
// them.
uint32_t emit_gates(Compilation& c);
// The last steps of the process that executes the program. Returns the first step after the wait for start, if the wait
// is among them.
uint32_t emit_last_steps(Compilation& c, const CapabilitySets& sets);
void emit_working_directory(Compilation& c);
// Opens the terminal and sends its other side to minirun.
void emit_pty(Compilation& c);
// The table of the environment. Comes before the filter, which may forbid getpid(2): the workload writes its own pid
// into it.
PointerTable emit_environment(Compilation& c);
void emit_execute(Compilation& c, PointerTable environment);
// Raises the process's limits before it enters a user namespace, which takes away the right to do so.
void emit_raised_limits(Compilation& c);
// compile/birth.cc The step that begins the container's process. dies: it dies with minirun.
void emit_birth(Compilation& c, uint64_t flags, BirthWay way, bool dies);

// compile/exec.cc: joins the namespaces of a container and its root; opens minirun's own procfs and writes to it, if
// the process asks for that.
void emit_joins(Compilation& c, const ExecFacts& facts);

// compile/limits.cc
Result<void> compile_limits(Compilation& c);

}  // namespace minirun
