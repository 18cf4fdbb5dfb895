#include "runtime/compile.h"

#include <cerrno>

#include "runtime/compile_parts.h"
#include "runtime/json.h"
#include "runtime/sysctl.h"
#include "sys/kernel_abi.h"

namespace minirun {

const oci::Namespace* Compilation::find(uint64_t type) const {
  for (const oci::Namespace& candidate : spec.linux_.namespaces)
    if (candidate.type == type) return &candidate;
  return nullptr;
}

std::string pointer_at(std::string_view list, size_t index) {
  return std::string(list) + "/" + std::to_string(index);
}

// The whole of a set of namespaces is decided here: made by clone3(2), joined, or made later.
static void emit_namespaces(Compilation& c) {
  const auto& namespaces = c.spec.linux_.namespaces;
  Plan& plan = c.plan.plan();
  for (size_t i = 0; i < namespaces.size(); i++) {
    const oci::Namespace& ns = namespaces[i];
    std::string origin = pointer_at("/linux/namespaces", i);
    if (ns.path.empty()) {
      // A cgroup namespace made by clone3(2) has its root where the parent is, not where CLONE_INTO_CGROUP leads.
      bool later = ns.type == CLONE_NEWCGROUP || (ns.type == CLONE_NEWNS && c.host.open_tree_namespace);
      if (!later) plan.clone_flags |= ns.type;
      continue;
    }
    uint32_t slot = c.plan.slot({SourceKind::namespace_file, ns.path, false, ns.type, origin});
    if (ns.type == CLONE_NEWPID)
      plan.pid_namespace = slot;  // children only enter it: minirun itself does, before clone
    else if (ns.type != CLONE_NEWNS)
      c.add(Op::join_namespace, origin, {slot, ns.type});
  }
  if (c.is_new(CLONE_NEWCGROUP)) c.add(Op::new_namespaces, "/linux/namespaces", {CLONE_NEWCGROUP});
}

// Into the rootfs. Slots are found by their place in the plan, so that the mount namespace is joined last: it changes
// what a path means.
static void emit_root(Compilation& c) {
  const oci::Namespace* mount = c.find(CLONE_NEWNS);
  if (!mount->path.empty()) {
    for (uint32_t slot = 0; slot < c.plan.plan().slots.size(); slot++) {
      const Source& source = c.plan.plan().slots[slot];
      if (source.kind == SourceKind::namespace_file && source.detail == CLONE_NEWNS)
        c.add(Op::join_namespace, source.origin, {slot, CLONE_NEWNS});
    }
  }
  bool enter = mount->path.empty() && c.host.open_tree_namespace;
  auto kind = enter ? SourceKind::rootfs_namespace : SourceKind::rootfs_tree;
  uint32_t rootfs = c.plan.slot({kind, c.place.rootfs, true, 0, "/root/path"});
  if (enter) {
    c.add(Op::enter, "/root/path", {rootfs});
    return;
  }
  // In a joined mount namespace others live with the root that is there: it is covered, for those who come later and
  // for this container, and stays so until the last of them is gone.
  bool move = !mount->path.empty() || c.options.no_pivot || c.host.root_needs_move;
  c.add(move ? Op::move_root : Op::pivot, "/root/path", {rootfs});
}

static void emit_terminal(Compilation& c) {
  if (!c.spec.process->terminal) return;
  c.out.terminal = true;
  oci::ConsoleSize size = c.spec.process->console_size.value_or(oci::ConsoleSize{});
  c.add(Op::terminal, "/process/terminal", {c.text("/dev/pts"), size.height, size.width, c.spec.process->user.uid});
  c.add(Op::bind_console, "/process/terminal", {c.text("/dev/console")});
}

static void emit_kernel_parameters(Compilation& c) {
  const auto& sysctl = c.spec.linux_.sysctl;
  const auto& adjustment = c.spec.process->oom_score_adj;
  if (sysctl.empty() && !adjustment) return;
  c.add(Op::open_proc, "");
  for (const auto& [key, value] : sysctl) {
    std::string path = "sys/" + sysctl_path(key).value_or(key);
    c.add(Op::write_proc, "/linux/sysctl/" + pointer_token(key), {c.text(path), c.text(value)});
  }
  // Lowering it needs CAP_SYS_RESOURCE.
  if (adjustment)
    c.add(Op::write_proc, "/process/oomScoreAdj", {c.text("self/oom_score_adj"), c.text(std::to_string(*adjustment))});
}

static void emit_names(Compilation& c) {
  if (!c.spec.hostname.empty()) c.add(Op::hostname, "/hostname", {c.text(c.spec.hostname)});
  if (!c.spec.domainname.empty()) c.add(Op::domainname, "/domainname", {c.text(c.spec.domainname)});
  if (c.is_new(CLONE_NEWNET)) c.add(Op::loopback, "/linux/namespaces");
}

// The rootfs is a slave of the host's mounts already (MountSteps::cover_root); another propagation comes after all
// mounts, as an unbindable root could not have read-only paths.
static void emit_root_attributes(Compilation& c) {
  constexpr uint64_t kSlave = abi::kMsSlave;
  uint64_t propagation = c.spec.linux_.rootfs_propagation.value_or(kSlave);
  if ((propagation & ~abi::kMsRecursive) == kSlave) propagation = 0;
  bool readonly = c.spec.root->readonly;
  if (!readonly && propagation == 0) return;
  c.add(Op::set_attributes, readonly ? "/root/readonly" : "/linux/rootfsPropagation",
        {c.text("/"), readonly ? abi::kMountAttrReadonly : 0, 0, propagation});
}

Result<Compiled> compile(const oci::Spec& spec, const Place& place, const HostFacts& host, const RunOptions& options,
                         const SeccompProgram* seccomp) {
  Compilation c{spec, place, host, options, seccomp};
  c.plan.plan().first_kept_fd = 3 + options.preserve_fds;
  c.add(Op::die_with_parent, "");  // before anything is there that could stay behind
  emit_namespaces(c);              // the rest happens in them
  emit_root(c);                    // from here on there is no path to the host
  emit_mounts(c);
  emit_devices(c);            // in /dev as it is mounted now
  emit_terminal(c);           // of the devpts mounted above
  emit_protected_paths(c);    // over all that was mounted
  emit_kernel_parameters(c);  // through a procfs of its own, whatever was done to /proc
  emit_names(c);
  emit_working_directory(c);  // is made where it is missing: before the root is read-only
  emit_root_attributes(c);    // nothing is made in the rootfs from here on
  emit_process(c);
  TRY(compile_limits(c));
  c.out.init = options.init;
  c.out.seccomp = seccomp != nullptr;
  c.out.plan = c.plan.finish();
  return std::move(c.out);
}

}  // namespace minirun
