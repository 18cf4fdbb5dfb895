// SPDX-License-Identifier: Apache-2.0
// /process (runtime-spec config.md, "Process"): the workload's identity and privileges, then the exec of its program.
// The order matters: each step needs the earlier ones, and the later ones would forbid it.
#include "runtime/compile/process.h"

#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <algorithm>
#include <csignal>
#include <cstring>

#include "runtime/compile/capabilities.h"
#include "runtime/compile/labels.h"
#include "runtime/compile/parts.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/memory_policy.h"
#include "runtime/oci/parse.h"
#include "runtime/text/json.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

struct SchedAttributes {  // struct sched_attr, SCHED_ATTR_SIZE_VER0
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};
static_assert(sizeof(SchedAttributes) == 48);

std::string_view policy_name(uint32_t policy) {
  constexpr std::string_view kNames[] = {"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR",      "SCHED_BATCH",
                                         "SCHED_ISO",   "SCHED_IDLE", "SCHED_DEADLINE"};
  return policy < std::size(kNames) ? kNames[policy] : "?";
}

// A new user namespace comes with all of them (user_namespaces(7)).
uint64_t grantable(const Compilation& c) {
  return c.user_namespace() ? all_capabilities() : c.host.capabilities;
}

}  // namespace

// Step: steps::Rlimit or steps::RaiseLimit.
template <class Step>
static void emit_rlimit(Compilation& c, size_t index) {
  const oci::Rlimit& limit = c.process->rlimits[index];
  Text name = c.text(oci::rlimit_name(limit.resource));
  c.add(Step{static_cast<uint32_t>(limit.resource), name, limit.soft, limit.hard},
        pointer_at("/process/rlimits", index));
}

void emit_raised_limits(Compilation& c) {
  if (!c.process) return;
  for (size_t i = 0; i < c.process->rlimits.size(); i++) emit_rlimit<steps::RaiseLimit>(c, i);
}

void emit_rlimits(Compilation& c, RlimitTime time) {
  const auto& rlimits = c.process->rlimits;
  for (size_t i = 0; i < rlimits.size(); i++) {
    bool is_last = rlimits[i].resource == RLIMIT_NPROC;
    if (is_last == (time == RlimitTime::last))
      emit_rlimit<steps::Rlimit>(c, i);
    else if (is_last)
      emit_rlimit<steps::RaiseLimit>(c, i);
  }
}

void emit_scheduler(Compilation& c) {
  const oci::Scheduler& scheduler = *c.process->scheduler;
  SchedAttributes attributes{};
  attributes.size = sizeof attributes;
  attributes.policy = scheduler.policy;
  attributes.flags = scheduler.flags;
  attributes.nice = scheduler.nice.value_or(0);
  attributes.priority = static_cast<uint32_t>(scheduler.priority.value_or(0));
  attributes.runtime = scheduler.runtime.value_or(0);
  attributes.deadline = scheduler.deadline.value_or(0);
  attributes.period = scheduler.period.value_or(0);
  c.add(steps::Scheduler{c.plan.bytes(&attributes, sizeof attributes), c.text(policy_name(scheduler.policy))},
        "/process/scheduler");
}

// The labels apply to the next exec of the task that writes them, so the task that executes the workload does; before
// the filter, which may forbid it. It uses minirun's own procfs: the container's may have anything there
// (CVE-2019-16884).
void emit_labels(Compilation& c) {
  const oci::Process& process = *c.process;
  if (!process.apparmor_profile.empty())
    c.write_proc("/process/apparmorProfile", kAppArmorExec, "exec " + process.apparmor_profile);
  if (!process.selinux_label.empty()) c.write_proc("/process/selinuxLabel", kSelinuxExec, process.selinux_label);
}

void emit_capabilities(Compilation& c, const CapabilitySets& sets) {
  std::string text;
  auto add = [&](const char* name, uint64_t set) {
    if (set != 0) text += (text.empty() ? "" : ", ") + std::string(name) + " " + capability_names(set);
  };
  add("effective", sets.effective);
  if (sets.permitted != sets.effective) add("permitted", sets.permitted);
  add("inheritable", sets.inheritable);
  add("ambient", sets.ambient);
  Text words = c.text(text.empty() ? "none" : text);
  c.add(steps::Capabilities{sets.effective, sets.permitted, sets.inheritable, sets.ambient, words},
        "/process/capabilities");
}

// Schedulers that the init cannot pass on by forking (sched(7)): a deadline task may not fork, and RESET_ON_FORK
// removes the policy from children. The workload itself sets such a scheduler.
bool is_lost_in_fork(const Compilation& c) {
  constexpr uint64_t kResetOnFork = 1;  // SCHED_FLAG_RESET_ON_FORK
  const auto& scheduler = c.process->scheduler;
  return (c.options.init || c.enters) && scheduler &&
         (scheduler->policy == SCHED_DEADLINE || (scheduler->flags & kResetOnFork) != 0);
}

// Capabilities that are needed after the workload has its own: CAP_SYS_ADMIN to load a filter without no_new_privs
// (seccomp(2)), CAP_SYS_NICE to set the scheduler late.
uint64_t borrowed_capabilities(const Compilation& c) {
  uint64_t borrowed = 0;
  if (c.seccomp != nullptr && !c.process->no_new_privileges) borrowed |= bit(CAP_SYS_ADMIN);
  if (is_lost_in_fork(c)) borrowed |= bit(CAP_SYS_NICE);
  return borrowed & grantable(c);
}

CapabilitySets with_borrowed(const CapabilitySets& sets, uint64_t borrowed) {
  CapabilitySets more = sets;
  more.permitted |= borrowed;
  more.effective |= borrowed;
  more.ambient = 0;
  return more;
}

namespace {

// Once, for the init: the workload inherits it through fork and exec (set_mempolicy(2)).
void emit_memory_policy(Compilation& c) {
  const oci::MemoryPolicy& policy = *c.spec.linux_.memory_policy;
  std::vector<uint64_t> nodes = memory_nodes(policy.nodes).value_or(std::vector<uint64_t>{});
  Bytes bits = c.plan.bytes(nodes.data(), nodes.size() * sizeof nodes[0]);
  c.add(
      steps::MemoryPolicy{static_cast<uint32_t>(policy.mode) | policy.flags, bits, c.text(memory_policy_text(policy))},
      "/linux/memoryPolicy");
}

void emit_io_priority(Compilation& c) {
  const oci::IoPriority& priority = *c.process->io_priority;
  constexpr std::string_view kClasses[] = {"none", "real time", "best effort", "idle"};
  auto io_class = static_cast<unsigned>(priority.io_class);
  std::string text = fmt::format("{} {}", io_class < std::size(kClasses) ? kClasses[io_class] : "?", priority.priority);
  const uint32_t value = io_class << abi::kIoprioClassShift | static_cast<unsigned>(priority.priority);
  c.add(steps::IoPriority{value, c.text(text)}, "/process/ioPriority");
}

void emit_groups(Compilation& c) {
  const auto& groups = c.process->user.additional_gids;
  // podman's --group-add keep-groups. If setgroups(2) is denied, the caller's groups cannot be dropped either; asking
  // for others is an error, which the kernel reports.
  if (keeps_caller_groups(c.spec.annotations) || (groups.empty() && c.host.setgroups_denied)) return;
  std::string text;
  for (uint32_t group : groups) text += (text.empty() ? "" : ",") + std::to_string(group);
  Bytes ids = c.plan.bytes(groups.data(), groups.size() * sizeof(uint32_t));
  // Also for an empty list: the caller's groups must be dropped.
  c.add(steps::Groups{ids, c.text(text.empty() ? "none" : text)}, "/process/user/additionalGids");
}

StepFlag cwd_flags(const Compilation& c) {
  return c.first_process ? kMakeMissing : kNoFlags;
}

// Changes from root to the ids of the config.
void emit_identity(Compilation& c, const CapabilitySets& sets) {
  const oci::User& user = c.process->user;
  // A terminal belongs to the user from its birth.
  if (user.uid != 0 && !c.process->terminal) c.add(steps::OwnStdio{user.uid}, "/process/user");
  emit_groups(c);  // setgroups(2) needs CAP_SETGID, which is lost with the identity
  const uint64_t dropped = all_capabilities() & ~sets.bounding;  // needs CAP_SETPCAP
  c.add(steps::Bounding{dropped, c.text(capability_names(sets.bounding))}, "/process/capabilities/bounding");
  if (user.uid != 0 || user.gid != 0) c.add(steps::Identity{user.uid, user.gid}, "/process/user");
  uint64_t borrowed = borrowed_capabilities(c);
  emit_capabilities(c, borrowed != 0 ? with_borrowed(sets, borrowed) : sets);
  bool changed = user.uid != 0 || user.gid != 0;
  // Changing ids clears PDEATHSIG (prctl(2)); set it again. A detached container soon waits at a gate, which notices
  // minirun's death anyway.
  if (changed && (c.commits || !c.options.detach)) c.add(steps::DieWithParent{});
  if (changed) c.add(steps::WorkingDirectory{c.path(c.process->cwd), cwd_flags(c)}, "/process/cwd");
  if (c.process->no_new_privileges) c.add(steps::NoNewPrivileges{}, "/process/noNewPrivileges");
}

}  // namespace

// The kernel removes CPUs that the cgroup does not allow or the machine does not have (sched_setaffinity(2)). It
// remembers the request, so a cpuset that grows later gives more (Linux 6.2).
void emit_all_cpus(Compilation& c) {
  constexpr size_t kMostCpus = 8192;  // NR_CPUS of the largest kernels (arch/x86/Kconfig)
  const std::string mask(kMostCpus / 8, '\xff');
  c.add(steps::CpuAffinity{c.plan.bytes(mask.data(), mask.size()), c.text("all CPUs of the cgroup")});
}

// Comes before the root becomes read-only, since a missing directory of the container's own process is made. If root
// itself is denied (FUSE, NFS), the user tries again.
void emit_working_directory(Compilation& c) {
  if (!c.process) return;
  const oci::Process& process = *c.process;
  bool again = process.user.uid != 0 || process.user.gid != 0;
  c.add(steps::WorkingDirectory{c.path(process.cwd), cwd_flags(c) | (again ? kTolerateDenied : kNoFlags)},
        "/process/cwd");
}

void emit_pty(Compilation& c) {
  c.out.terminal = true;
  const oci::Process& process = *c.process;
  // The user looks at the window, so its size overrides the config.
  oci::ConsoleSize size = c.options.window ? *c.options.window : process.console_size.value_or(oci::ConsoleSize{});
  c.add(steps::Terminal{c.text("/dev/pts"), size.height, size.width, process.user.uid}, "/process/terminal");
  if (c.options.line_ends) c.add(steps::KeepLineEnds{}, "/process/terminal");
}

CapabilitySets emit_privileges(Compilation& c) {
  const oci::Process& process = *c.process;
  // After the last file is opened, since RLIMIT_NOFILE applies to this process too, and before CAP_SYS_RESOURCE and
  // CAP_SYS_NICE are dropped.
  emit_own_open_files(c);
  emit_rlimits(c, RlimitTime::early);
  if (c.spec.linux_.personality) c.add(steps::SetPersonality{c.spec.linux_.personality->domain}, "/linux/personality");
  if (process.scheduler && !is_lost_in_fork(c)) emit_scheduler(c);
  if (c.spec.linux_.memory_policy) emit_memory_policy(c);
  if (process.io_priority) emit_io_priority(c);
  // Its keys count against root, since other users may have only few (keyrings(7)).
  if (c.options.new_keyring) c.add(steps::Keyring{c.text("_ses." + c.paths.id)});
  // After the last file is made. The default is what users expect; the caller's umask would be a surprise.
  c.add(steps::Umask{process.user.umask.value_or(0022)}, process.user.umask ? "/process/user/umask" : "");
  auto resolved = resolve_capabilities(process.capabilities ? &*process.capabilities : nullptr, grantable(c));
  for (std::string& warning : resolved.warnings) c.out.warnings.push_back(std::move(warning));
  emit_identity(c, resolved.sets);
  return resolved.sets;
}

void emit_filter(Compilation& c, bool closes_listener) {
  const auto& filter = c.seccomp->filter;
  Bytes instructions = c.plan.bytes(filter.data(), filter.size() * sizeof filter[0]);
  c.add(steps::Seccomp{instructions, c.seccomp->flags, c.seccomp->has_listener(), closes_listener}, "/linux/seccomp");
}

void emit_listener_gate(Compilation& c) {
  // Without a path it is minirun's own (--explain-seccomp).
  const auto& seccomp = c.spec.linux_.seccomp;
  bool agent = !seccomp || !seccomp->listener_path.empty();
  c.add(steps::WaitAtGate{Gate::listener,
                          c.text(agent ? "the agent of its seccomp filter" : "minirun to count refused calls")},
        agent ? "/linux/seccomp/listenerPath" : "/linux/seccomp");
}

// The workload's session. A container that waited for start has already left the caller's: a ^C there, or the end of
// its terminal, must not reach a created container.
static void emit_session(Compilation& c) {
  bool terminal = c.process->terminal, leads = waits_at_gate(c) && !c.options.init;
  if (leads && !terminal) return;
  c.add(steps::Session{c.text(terminal ? " with the terminal" : ""), terminal, leads},
        terminal ? "/process/terminal" : "");
}

// A waiting process holds no descriptor that its program does not get.
static StartSlots close_before_exec(Compilation& c, Wait wait) {
  if (wait == Wait::alone) return close_for_wait(c, false);
  const uint32_t first = c.plan.plan().first_kept_fd;
  c.add(steps::CloseOnExec{first});
  if (wait == Wait::with_init) c.add(steps::CloseDescriptors{first, LeftOpen::init});
  return {};
}

uint32_t emit_last_steps(Compilation& c, const CapabilitySets& sets) {
  if (c.enters) return emit_entry(c, sets);
  emit_rlimits(c, RlimitTime::last);
  emit_labels(c);
  emit_session(c);
  Wait wait = start_wait(c);
  StartSlots slots = close_before_exec(c, wait);
  PointerTable environment = emit_environment(c);
  // As late as possible: the filter must allow everything that follows.
  if (wait == Wait::alone && c.options.create) c.add(steps::HeedSignals{});
  if (c.seccomp != nullptr) {
    if (c.seccomp->has_listener()) emit_listener_gate(c);
    emit_filter(c, false);
  }
  if (borrowed_capabilities(c) != 0) emit_capabilities(c, sets);
  if (wait == Wait::with_init) c.add(steps::Hold{});
  if (wait == Wait::alone && c.options.create) emit_await_start(c, slots, Heeds::already);
  if (wait == Wait::alone && !c.options.create) emit_hooks_gate(c);
  uint32_t first_after_wait = c.plan.size();
  emit_execute(c, environment);
  return first_after_wait;
}

// Whether a process of the container could open the file of its init's mapping (proc_pid_map_files(5)), and with the
// descriptor fill the host's filesystem, or reach other files of it (open_by_handle_at(2)). In a user namespace it
// cannot: the capabilities must be the host's.
static bool could_open_mappings(const Compilation& c, const CapabilitySets& sets) {
  const uint64_t reachable = sets.bounding | sets.permitted;
  const bool traces = (reachable & bit(CAP_SYS_PTRACE)) != 0;
  const bool follows = (reachable & (bit(CAP_SYS_ADMIN) | bit(CAP_CHECKPOINT_RESTORE))) != 0;
  return traces && follows && !c.user_namespace();
}

uint32_t emit_launch(Compilation& c) {
  if (!c.process) return c.enters ? emit_empty_entry(c) : emit_gates(c);
  CapabilitySets sets = emit_privileges(c);
  uint32_t first_with_text = emit_gates(c);
  if (!c.options.init) {
    uint32_t after_wait = emit_last_steps(c, sets);
    bool by_start = c.options.create && start_wait(c) == Wait::alone;
    return c.enters || by_start ? after_wait : first_with_text;
  }
  // The init leaves the caller's session: minirun forwards that terminal's keys, which must not arrive twice.
  if (!waits_at_gate(c)) c.add(steps::Session{c.text(" for the init")});
  uint32_t supervise = c.add(steps::Supervise{});
  // Without a pid namespace of its own the workload would outlive its init.
  if (!c.is_new(CLONE_NEWPID) && !c.options.detach && !c.options.create) c.add(steps::DieWithParent{});
  if (is_lost_in_fork(c)) emit_scheduler(c);
  uint32_t after_hold = emit_last_steps(c, sets);
  uint32_t first_of_init = c.plan.size();
  if (borrowed_capabilities(c) != 0) emit_capabilities(c, sets);
  bool waits = start_wait(c) == Wait::with_init, for_start = waits && c.options.create;
  StartSlots slots;
  if (for_start) {
    slots = make_start_slots(c);
    c.add(steps::CloseDescriptors{0, LeftOpen::wait, slots.socket, slots.gate});
    c.add(steps::HeedSignals{});
  }
  uint32_t before_wait = c.plan.size();
  if (for_start) {
    first_with_text = after_hold;
    c.add(steps::AwaitStart{slots.socket, true});
  } else if (waits) {
    emit_hooks_gate(c);
  }
  const bool detached = c.options.detach || c.options.create;
  c.plan.plan().own_text = detached;
  c.out.end_page = detached && !could_open_mappings(c, sets);
  if (c.out.end_page)
    c.plan.plan().end_page = c.plan.slot({SourceKind::given, "the page of its end", false, kGivenEndPage, ""});
  c.plan.fields<steps::Supervise>(supervise) = {.workload = supervise + 1,
                                                .init = first_of_init,
                                                .init_count = before_wait - first_of_init,
                                                .waits_for = for_start ? InitWait::start
                                                             : waits   ? InitWait::hooks
                                                                       : InitWait::nothing,
                                                .adopts = !c.is_new(CLONE_NEWPID),
                                                .shares = c.seccomp != nullptr && c.seccomp->has_listener(),
                                                .detached = detached};
  return first_with_text;
}

std::vector<sock_filter> filter_of(const Plan& plan, const steps::Seccomp& step) {
  std::vector<sock_filter> filter(step.filter.size / sizeof(sock_filter));
  std::memcpy(filter.data(), plan.data.data() + (step.filter.at - kDataOffset), filter.size() * sizeof filter[0]);
  return filter;
}

}  // namespace minirun
