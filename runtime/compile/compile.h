// SPDX-License-Identifier: Apache-2.0
// compile() turns a validated Spec and the facts about the host into everything to do for the container: the plan that
// the child obeys, the limits of its cgroup, its device filter. Pure: it opens nothing and asks the kernel nothing (a
// plan names what it needs of the host in slots; namespaces/sources.h opens them).
#pragma once

#include <linux/bpf.h>

#include <optional>
#include <string>
#include <vector>

#include "cgroups/limits.h"
#include "namespaces/plan_builder.h"
#include "runtime/compile/host_facts.h"
#include "runtime/compile/socket_activation.h"
#include "runtime/oci/spec.h"
#include "runtime/seccomp/filter.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

struct RunOptions {
  bool init = true;           // a resident init as PID 1; otherwise the workload itself
  bool detach = false;        // the container outlives minirun, so it waits until its state is committed
  bool create = false;        // detached, and it waits for start
  bool new_keyring = true;    // a session keyring of its own
  unsigned preserve_fds = 0;  // descriptors after stdio that the workload keeps: after listen_fds
  ListenFds listen_fds{};     // come before preserve_fds, and are named in the workload's environment
  bool notify = false;        // a notify socket for its workload: runtime/supervise/notify_relay.h
  bool no_pivot = false;      // --no-pivot
  bool line_ends = false;     // the terminal leaves line ends as the workload writes them: no screen shows its output
  bool explain_seccomp = false;       // the filter notifies minirun where it refuses: seccomp/explain.h
  bool entered = false;               // minirun is in the container's user namespace already: runtime/launch/rootless.h
  std::optional<uint64_t> overlay{};  // bytes of memory for changes to the rootfs; 0: they go to a directory
  std::optional<oci::ConsoleSize> window{};  // the size of the terminal, before process.consoleSize
};

// The container's id and paths.
struct ContainerPaths {
  std::string id;
  std::string bundle;                      // absolute; relative sources of bind mounts start here
  std::string rootfs;                      // absolute
  std::string home = "/";                  // HOME when process.env has none: runtime/compile/home.h
  std::vector<std::string> mount_links{};  // runtime/compile/mount_links.h
  std::string real_rootfs{};               // the rootfs without symbolic links on the way, if known
  uint64_t outside = 0;                    // types of joined namespaces that the joined user namespace does not own
  IdMaps joined_uids{};                    // of the user namespace that is joined by path
};

// Everything a plan depends on beside config.json: gathered before compile(), then constant.
struct PlanFacts {
  ContainerPaths paths;
  HostFacts host;
  RunOptions options{};
  std::optional<SeccompProgram> seccomp{};  // compiled from the seccomp section, if config.json has one

  const SeccompProgram* filter() const { return seccomp ? &*seccomp : nullptr; }
};

struct Compiled {
  Plan plan;
  std::optional<Plan> proc_loan;         // namespaces/proc_loan.h, if the plan has slots for its result
  std::string cgroup_path;               // absolute inside the cgroup2 mount
  std::optional<uint32_t> cgroup_owner;  // Cgroup::give_to
  bool ordinary_user = false;            // minirun is not the host's root: see runtime/resources/cgroup_path.h
  LimitPlan limits;                      // Cgroup::create takes `needed`, Cgroup::apply `writes`
  std::vector<bpf_insn> device_filter;   // attach_device_filter; empty: nothing to attach
  bool init = false;                     // as in RunOptions
  bool terminal = false;                 // the child sends a terminal
  bool hooks_gate = false;               // Gate::hooks: startContainer hooks are not for Gate::commit
  bool start_socket = false;             // it waits for start: HostDescriptors::given is the socket, then the gate
  bool notify = false;                   // as in RunOptions: HostDescriptors::given is its directory, behind those
  bool end_page = false;                 // the init has one: HostDescriptors::given is its file, behind those
  bool rejoins_peers = false;            // at the setup gate: namespaces/peers.h
  bool raises_open_files = false;        // RLIMIT_NOFILE, while the sources are opened and placed
  bool seccomp = false;                  // the workload runs under a filter
  std::string search_path;               // PATH that process.args[0] was looked up in
  std::vector<std::string> warnings;     // "/process/capabilities/ambient: ..."
  std::vector<std::string> powers;       // powers_over_host(): for `plan`, as the config means what it says
};

// spec: validate() found no problem in it. Errors begin with the JSON pointer.
Result<Compiled> compile(const oci::Spec& spec, const PlanFacts& facts);

// What exec needs to know about the container that it joins.
struct ExecFacts {
  uint64_t namespaces = 0;        // types (CLONE_NEW*) that are not minirun's own
  bool privileged = true;         // minirun is root, and can join any namespace
  bool setgroups_denied = false;  // in its user namespace (user_namespaces(7))
  UniqueFd root{};                // of a container without mounts of its own, for HostDescriptors::rootfs
  bool chroot = true;             // into that
};

// Another process, spec.process, in an existing container. HostDescriptors::given is the pidfd of its first process.
Compiled compile_exec(const oci::Spec& spec, const PlanFacts& facts, const ExecFacts& joined);

// Where a hook runs (runtime-spec config.md, "POSIX-platform Hooks").
enum class HookSide {
  runtime,           // in minirun's own namespaces
  create_container,  // in those of a container that still has the host's tree, with the privileges of its root
  start_container,   // in those of a finished container, with the privileges of its process
};

struct HookCall {
  const oci::Hook& hook;
  std::string pointer;  // "/hooks/prestart/0"
  HookSide side;
  std::string cwd;
  oci::Strings env{};  // for a hook without its own, other than startContainer hooks
};

// A hook as a separate process. HostDescriptors::given are the pidfd of the container's first process (-1 on the
// runtime's side), then stdin, stdout and stderr. The filter and the process of the spec count only for
// start_container, the options never.
Compiled compile_hook(const oci::Spec& spec, const PlanFacts& facts, const ExecFacts& joined, const HookCall& call);

// Whether the container has mounts of its own, in a mount namespace that is new or joined.
bool has_mount_namespace(const oci::Spec& spec);

// The path that /linux/cgroupsPath names inside the cgroup2 mount: absolute as written, relative from the root;
// "/minirun-ID" if absent.
std::string cgroup_path_of(const oci::Spec& spec, const std::string& id);

// The files to try with execve(2) for args[0], in order, as execvp(3) does with the container's PATH (the last one in
// process.env, as engines mean it).
std::vector<std::string> program_candidates(const std::string& program, const std::string& search_path);
std::string search_path_of(const oci::Strings& env);

// The program that a step of a plan loads into the kernel.
std::vector<sock_filter> filter_of(const Plan& plan, const steps::Seccomp& step);

}  // namespace minirun
