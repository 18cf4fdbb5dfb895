// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/compile.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "namespaces/join.h"
#include "runtime/compile/parts.h"
#include "runtime/compile/powers.h"
#include "runtime/compile/process.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/spec_facts.h"
#include "runtime/oci/sysctl.h"
#include "runtime/text/json.h"
#include "sys/kernel_abi.h"

namespace minirun {

const oci::Namespace* Compilation::find(uint64_t type) const {
  return oci::find_namespace(spec, type);
}

std::string pointer_at(std::string_view list, size_t index) {
  return std::string(list) + "/" + std::to_string(index);
}

// Linux 7.0: a mount namespace made from the rootfs alone.
static bool enters_root(const Compilation& c) {
  return c.is_new(CLONE_NEWNS) && c.host.open_tree_namespace && !c.late_pivot() && !c.options.overlay;
}

// In a joined mount namespace other processes use the existing root: the rootfs covers it, for this container and later
// ones, until the namespace ends.
static bool moves_root(const Compilation& c) {
  return !c.is_new(CLONE_NEWNS) || c.options.no_pivot || c.host.root_needs_move;
}

// createContainer hooks find the rootfs where it is on the host (runtime-spec config.md, "Hooks").
static bool stands_in_place(const Compilation& c) {
  return !c.spec.hooks.create_container.empty();
}

static void emit_pivot(Compilation& c) {
  if (c.shares_mounts()) {
    c.add(steps::ChangeRoot{}, "/root/path");
    return;
  }
  if (!moves_root(c)) {
    c.add(steps::Pivot{}, "/root/path");
    return;
  }
  if (stands_in_place(c)) c.add(steps::CoverRoot{}, "/root/path");
  // What the container masks must not be visible in the host's procfs. In a joined mount namespace others need to see
  // it.
  if (c.is_new(CLONE_NEWNS))
    for (const std::string& path : c.host.kernel_views) c.add(steps::Hide{c.path(path)}, "/root/path");
  c.add(steps::ChangeRoot{}, "/root/path");
}

// time_namespaces(7): "monotonic 86400 0\nboottime -10 500\n".
static std::string time_offsets(const oci::Linux& linux_config) {
  std::string text;
  if (!linux_config.time_offsets) return text;
  auto line = [&](const char* clock, const std::optional<oci::TimeOffset>& offset) {
    if (offset) text += fmt::format("{} {} {}\n", clock, offset->secs, offset->nanosecs);
  };
  line("monotonic", linux_config.time_offsets->monotonic);
  line("boottime", linux_config.time_offsets->boottime);
  return text;
}

static void emit_user_namespace(Compilation& c) {
  Plan& plan = c.plan.plan();
  if (!c.is_new(CLONE_NEWUSER)) return;
  plan.uid_map = to_id_maps(c.spec.linux_.uid_mappings);
  plan.gid_map = to_id_maps(c.spec.linux_.gid_mappings);
  if (c.process) plan.oom_score_adj = c.process->oom_score_adj;
}

// Lowering it needs rights that the process loses when it enters a user namespace.
static void emit_oom_score(Compilation& c) {
  if (!c.process || !c.process->oom_score_adj) return;
  c.oom_score_written = true;
  c.add(steps::OpenProc{Procfs::hosts});
  c.write_proc("/process/oomScoreAdj", "self/oom_score_adj", std::to_string(*c.process->oom_score_adj));
}

static void emit_time_namespace(Compilation& c) {
  c.add(steps::NewNamespaces{CLONE_NEWTIME}, "/linux/namespaces");
  std::string offsets = time_offsets(c.spec.linux_);
  if (offsets.empty()) return;
  c.add(steps::OpenProc{Procfs::hosts});
  c.write_proc("/linux/timeOffsets", "self/timens_offsets", offsets);
}

// A process that stays outside the container's pid namespace writes below /proc/self and /proc/sys, before it loses the
// right to do so in a user namespace.
static void emit_outer_proc(Compilation& c) {
  if (!c.process && c.spec.linux_.sysctl.empty()) return;
  bool hosts = c.host.in_user_namespace;
  const oci::Process process = c.process.value_or(oci::Process{});
  bool labels = has_label(process);
  bool adjusts = process.oom_score_adj && !c.is_new(CLONE_NEWUSER);
  if (!labels && !adjusts && c.spec.linux_.sysctl.empty()) return;
  c.add(steps::OpenProc{hosts ? Procfs::hosts : Procfs::own});
  if (!adjusts) return;
  c.oom_score_written = true;
  c.write_proc("/process/oomScoreAdj", "self/oom_score_adj", std::to_string(*process.oom_score_adj), hosts);
}

// The plan of the process that opens the procfs of a joined pid namespace.
static Plan proc_loan(const Compilation& c, const std::vector<size_t>& joined) {
  PlanBuilder loan;
  for (size_t i : joined) {
    const oci::Namespace& ns = c.spec.linux_.namespaces[i];
    if (ns.type != CLONE_NEWUSER && ns.type != CLONE_NEWPID) continue;
    Slot slot = loan.slot({SourceKind::namespace_file, ns.path, false, ns.type, pointer_at("/linux/namespaces", i)});
    loan.add(steps::JoinNamespace{slot, ns.type}, pointer_at("/linux/namespaces", i));
  }
  loan.add(steps::LendProc{c.proc_contexts, c.host.root_needs_move}, c.first_proc);
  return loan.finish();
}

// The namespaces of a process that is cloned into them, or that stays outside one with other processes.
static void emit_outside(Compilation& c, const NamespaceOrder& order, const std::vector<Slot>& slots) {
  const auto& namespaces = c.spec.linux_.namespaces;
  bool user = c.find(CLONE_NEWUSER) != nullptr && !c.options.entered;
  uint64_t flags = c.plan.plan().clone_flags;
  bool joins_user = user && !c.is_new(CLONE_NEWUSER);
  if (!c.enters && joins_user) emit_oom_score(c);
  if (joins_user) emit_raised_limits(c);
  if (order.new_time) emit_time_namespace(c);
  if (c.enters) emit_outer_proc(c);
  for (size_t i : order.before)
    c.add(steps::JoinNamespace{slots[i], namespaces[i].type}, pointer_at("/linux/namespaces", i));
  if (!c.enters)
    emit_birth(c, flags, BirthWay::early, false);
  else if (flags != 0)
    c.add(steps::NewNamespaces{flags}, "/linux/namespaces");
  if (user && c.is_new(CLONE_NEWUSER)) c.add(steps::AwaitIdMaps{});
  if (user) c.add(steps::BecomeRoot{});
  if (user || !c.enters) c.add(steps::DieWithParent{});
}

// Decides how the process gets each namespace: made by clone3(2), joined, or made later.
static NamespaceOrder emit_namespaces(Compilation& c) {
  const auto& namespaces = c.spec.linux_.namespaces;
  Plan& plan = c.plan.plan();
  std::vector<NamespaceWish> wishes;
  std::vector<Slot> slots;
  for (size_t i = 0; i < namespaces.size(); i++) {
    const oci::Namespace& ns = namespaces[i];
    bool entered = c.options.entered && ns.type == CLONE_NEWUSER;
    wishes.push_back({entered ? 0 : ns.type, !ns.path.empty(), (c.paths.outside & ns.type) != 0});
    Slot slot;
    if (!ns.path.empty() && !entered)
      slot = c.plan.slot({SourceKind::namespace_file, ns.path, false, ns.type, pointer_at("/linux/namespaces", i)});
    slots.push_back(slot);
  }
  NamespaceOrder order = order_namespaces(wishes);
  bool outside = !order.before.empty() || order.new_time;
  plan.clone_flags = order.clone_flags;
  if (enters_root(c)) plan.clone_flags &= ~uint64_t{CLONE_NEWNS};
  bool user = c.find(CLONE_NEWUSER) != nullptr && !c.options.entered;
  if (user) emit_user_namespace(c);
  if (outside) emit_outside(c, order, slots);
  if (order.unshared != 0) c.add(steps::NewNamespaces{order.unshared}, "/linux/namespaces");
  for (size_t i : order.after)
    c.add(steps::JoinNamespace{slots[i], namespaces[i].type}, pointer_at("/linux/namespaces", i));
  return order;
}

// The parameters say what each kernel decides otherwise by its configuration. A link of one file of the image to
// another (redirect_dir, metacopy) is never followed: an attribute that the image brought along could have made it.
static Source overlay_source(const Compilation& c) {
  Source source{SourceKind::rootfs_overlay, c.paths.rootfs, false, *c.options.overlay, ""};
  source.parameters = {{"redirect_dir", "=nofollow"}, {"metacopy", "=off"}, {"index", "=off"}};
  // Its owner may set no "trusted." attributes (Linux 5.11).
  if (c.host.in_user_namespace) source.parameters.emplace_back("userxattr", "");
  return source;
}

// Enters the rootfs, and leaves the host's tree with `pivot`.
static void emit_root(Compilation& c) {
  if (c.shares_mounts()) {
    Slot directory = c.plan.slot({SourceKind::rootfs_directory, c.paths.rootfs, false, 0, "/root/path"});
    c.add(steps::TakeRoot{directory}, "/root/path");
    if (!c.late_pivot()) emit_pivot(c);
    return;
  }
  bool enter = enters_root(c);
  auto kind = enter ? SourceKind::rootfs_namespace : SourceKind::rootfs_tree;
  Slot rootfs =
      c.plan.slot(c.options.overlay ? overlay_source(c) : Source{kind, c.paths.rootfs, true, 0, "/root/path"});
  if (enter) {
    c.add(steps::Enter{rootfs}, "/root/path");
    return;
  }
  bool in_place = stands_in_place(c);
  // In its place the rootfs is on a mount below, which may also be shared with the host, as may the hidden ones. A
  // joined namespace is no copy, and only its root is covered.
  bool only_top = !c.is_new(CLONE_NEWNS) && !in_place;
  uint64_t propagation = only_top ? abi::kMsSlave : abi::kMsSlave | abi::kMsRecursive;
  c.add(steps::PlaceRoot{rootfs, c.path(in_place ? c.paths.rootfs : "/"), propagation}, "/root/path");
  if (!c.late_pivot()) emit_pivot(c);
}

static bool joins_pid_namespace(const oci::Spec& spec) {
  const auto& all = spec.linux_.namespaces;
  return std::any_of(all.begin(), all.end(),
                     [](const oci::Namespace& ns) { return ns.type == CLONE_NEWPID && !ns.path.empty(); });
}

bool has_mount_namespace(const oci::Spec& spec) {
  return oci::find_namespace(spec, CLONE_NEWNS) != nullptr;
}

// Whether minirun works in the container's namespaces before the workload may run: see HostSide::apply() and
// hooks/points.h.
static bool waits_for_setup(const oci::Spec& spec) {
  bool given = spec.linux_.intel_rdt || !spec.linux_.net_devices.empty();
  return oci::has_setup_hooks(spec.hooks) || given || delegated_cgroup(spec.annotations);
}

static void emit_setup_gate(Compilation& c) {
  bool waits = waits_for_setup(c.spec);
  if (!waits && !c.out.rejoins_peers) return;
  const char* what = waits ? "its hooks and devices" : "its shared mounts";
  c.add(steps::WaitAtGate{Gate::setup, c.text(what)});
}

static void emit_terminal(Compilation& c) {
  if (!c.process || !c.process->terminal) return;
  emit_pty(c);
  c.add(steps::BindConsole{c.path("/dev/console")}, "/process/terminal");
}

// Only the owner of the pid namespace can mount a procfs, not a user namespace beside or below it.
static bool owns_pid_namespace(const Compilation& c) {
  return !c.user_namespace() || (c.find(CLONE_NEWPID) != nullptr && (c.paths.outside & CLONE_NEWPID) == 0);
}

static void emit_kernel_parameters(Compilation& c) {
  const auto& sysctl = c.spec.linux_.sysctl;
  // In a new user namespace the parent writes it instead.
  std::optional<int32_t> adjustment;
  if (c.process && !c.plan.plan().oom_score_adj && !c.oom_score_written) adjustment = c.process->oom_score_adj;
  // The workload writes the labels later.
  bool labels = c.process && has_label(*c.process);
  if (sysctl.empty() && !adjustment && !labels) return;
  // Even a mount that no other process sees needs rights over the mount namespace.
  bool none = c.shares_mounts() && c.user_namespace();
  Procfs kind = none ? Procfs::hosts : owns_pid_namespace(c) ? Procfs::own : Procfs::containers;
  // The label is written after the wait, during which others can reach the procfs.
  bool waits = labels && !c.enters && kind == Procfs::own && start_wait(c) == Wait::before_filter;
  if (!c.enters && (!waits || !sysctl.empty() || adjustment)) c.add(steps::OpenProc{kind});
  for (const auto& [key, value] : sysctl) {
    std::string path = "sys/" + sysctl_path(key).value_or(key);
    c.write_proc("/linux/sysctl/" + pointer_token(key), path, value);
  }
  // Lowering it needs CAP_SYS_RESOURCE.
  if (adjustment) c.write_proc("/process/oomScoreAdj", "self/oom_score_adj", fmt::format("{}", adjustment.value_or(0)));
  if (waits) c.add(steps::OpenProc{Procfs::processes});
}

static void emit_names(Compilation& c) {
  if (!c.spec.hostname.empty()) c.add(steps::Hostname{c.text(c.spec.hostname)}, "/hostname");
  if (!c.spec.domainname.empty()) c.add(steps::Domainname{c.text(c.spec.domainname)}, "/domainname");
  if (c.is_new(CLONE_NEWNET)) c.add(steps::Loopback{}, "/linux/namespaces");
}

// The rootfs is already a slave of the host's mounts (MountSteps::place_root). Another propagation comes after all
// mounts, since an unbindable root could not have read-only paths.
static void emit_root_attributes(Compilation& c) {
  constexpr uint64_t kSlave = abi::kMsSlave;
  uint64_t propagation = c.spec.linux_.rootfs_propagation.value_or(kSlave);
  if ((propagation & ~abi::kMsRecursive) == kSlave) propagation = 0;
  bool readonly = c.spec.root->readonly;
  if (!readonly && propagation == 0) return;
  MountChange change{.set = readonly ? abi::kMountAttrReadonly : 0, .propagation = propagation};
  c.add(steps::SetAttributes{.path = c.path("/"), .change = change},
        readonly ? "/root/readonly" : "/linux/rootfsPropagation");
}

Result<Compiled> compile(const oci::Spec& spec, const PlanFacts& facts) {
  const RunOptions& options = facts.options;
  bool enters = joins_pid_namespace(spec);
  RunOptions possible = options;
  // Orphans in that namespace go to its own first process, so an init would have no task.
  possible.init = options.init && !enters;
  // The container gets the socket by a mount.
  bool mounts = has_mount_namespace(spec);
  possible.notify = options.notify && mounts;
  Compilation c{spec, spec.process, facts.paths, facts.host, possible, facts.filter()};
  c.enters = c.commits = enters;
  if (options.notify && !mounts) c.warn("/linux/namespaces", "NOTIFY_SOCKET has no effect without a mount namespace");
  c.plan.plan().first_kept_fd = 3 + options.listen_fds.count + options.preserve_fds;
  c.first_process = true;
  c.add(steps::DieWithParent{});  // before anything exists that could stay behind
  emit_all_cpus(c);
  NamespaceOrder order = emit_namespaces(c);  // the rest happens in them
  emit_root(c);                               // from here on no path leads to the host
  emit_mounts(c);
  if (!c.shares_mounts()) emit_devices(c);                // in /dev as it is mounted now
  emit_terminal(c);                                       // from the devpts mounted above
  if (!owns_pid_namespace(c)) emit_kernel_parameters(c);  // through /proc, before it is protected
  emit_protected_paths(c);                                // over all that was mounted
  if (owns_pid_namespace(c)) emit_kernel_parameters(c);   // through a procfs of its own, whatever was done to /proc
  emit_names(c);
  emit_setup_gate(c);
  if (c.late_pivot()) emit_pivot(c);
  emit_working_directory(c);  // made if missing, so before the root is read-only
  emit_readonly_mounts(c);
  emit_root_attributes(c);  // nothing is made in the rootfs from here on
  uint32_t first_with_text = emit_launch(c);
  TRY(compile_limits(c));
  if (c.proc_contexts > 0) c.out.proc_loan = proc_loan(c, order.before);
  c.out.powers = powers_over_host(spec, facts.host, !c.out.device_filter.empty());
  c.out.init = possible.init;
  c.out.notify = possible.notify;
  c.out.seccomp = facts.seccomp.has_value();
  c.out.plan = c.plan.finish(first_with_text);
  return std::move(c.out);
}

}  // namespace minirun
