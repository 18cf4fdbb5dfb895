// SPDX-License-Identifier: Apache-2.0
// config.json: /process.
#include <linux/sched.h>
#include <sys/resource.h>

#include "runtime/oci/parse_fields.h"
#include "sys/kernel_abi.h"

namespace minirun::oci {

static constexpr Field<ConsoleSize> kConsoleSize[] = {
    {"height", read<&ConsoleSize::height>, kRequired},
    {"width", read<&ConsoleSize::width>, kRequired},
};
static std::span<const Field<ConsoleSize>> fields_of(ConsoleSize*) {
  return kConsoleSize;
}

static constexpr Field<User> kUser[] = {
    {"uid", read_id<&User::uid>},
    {"gid", read_id<&User::gid>},
    {"umask", read_between<&User::umask, 0, 0777>},
    {"additionalGids", read_ids<&User::additional_gids>},
};
static std::span<const Field<User>> fields_of(User*) {
  return kUser;
}

static constexpr Field<Capabilities> kCapabilities[] = {
    {"bounding", read<&Capabilities::bounding>, kNullable},
    {"effective", read<&Capabilities::effective>, kNullable},
    {"inheritable", read<&Capabilities::inheritable>, kNullable},
    {"permitted", read<&Capabilities::permitted>, kNullable},
    {"ambient", read<&Capabilities::ambient>, kNullable},
};
static std::span<const Field<Capabilities>> fields_of(Capabilities*) {
  return kCapabilities;
}

// getrlimit(2).
static constexpr Name<int> kRlimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},           {"RLIMIT_CORE", RLIMIT_CORE},         {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},       {"RLIMIT_FSIZE", RLIMIT_FSIZE},       {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK}, {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE}, {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},   {"RLIMIT_NPROC", RLIMIT_NPROC},       {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},   {"RLIMIT_RTTIME", RLIMIT_RTTIME},     {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};
static constexpr Field<Rlimit> kRlimit[] = {
    {"type", read_name<&Rlimit::resource, kRlimits>, kRequired},
    {"soft", read<&Rlimit::soft>, kRequired},
    {"hard", read<&Rlimit::hard>, kRequired},
};
static std::span<const Field<Rlimit>> fields_of(Rlimit*) {
  return kRlimit;
}
std::string_view rlimit_name(int resource) {
  return name_in<int>(kRlimits, resource);
}

static constexpr uint32_t kIso = 4;  // reserved for SCHED_ISO, which Linux never had
static constexpr Name<uint32_t> kPolicies[] = {
    {"SCHED_OTHER", SCHED_NORMAL},      {"SCHED_FIFO", SCHED_FIFO}, {"SCHED_RR", SCHED_RR},
    {"SCHED_BATCH", SCHED_BATCH},       {"SCHED_ISO", kIso},        {"SCHED_IDLE", SCHED_IDLE},
    {"SCHED_DEADLINE", SCHED_DEADLINE},
};
static constexpr Name<uint64_t> kSchedulerFlags[] = {
    {"SCHED_FLAG_RESET_ON_FORK", SCHED_FLAG_RESET_ON_FORK},   {"SCHED_FLAG_RECLAIM", SCHED_FLAG_RECLAIM},
    {"SCHED_FLAG_DL_OVERRUN", SCHED_FLAG_DL_OVERRUN},         {"SCHED_FLAG_KEEP_POLICY", SCHED_FLAG_KEEP_POLICY},
    {"SCHED_FLAG_KEEP_PARAMS", SCHED_FLAG_KEEP_PARAMS},       {"SCHED_FLAG_UTIL_CLAMP_MIN", SCHED_FLAG_UTIL_CLAMP_MIN},
    {"SCHED_FLAG_UTIL_CLAMP_MAX", SCHED_FLAG_UTIL_CLAMP_MAX},
};
static constexpr Field<Scheduler> kScheduler[] = {
    {"policy", read_name<&Scheduler::policy, kPolicies>, kRequired},
    {"nice", read_between<&Scheduler::nice, -20, 19>},
    {"priority", read_between<&Scheduler::priority, 0, 99>},
    {"flags", read_flags<&Scheduler::flags, kSchedulerFlags>, kNullable},
    {"runtime", read<&Scheduler::runtime>},
    {"deadline", read<&Scheduler::deadline>},
    {"period", read<&Scheduler::period>},
};
static std::span<const Field<Scheduler>> fields_of(Scheduler*) {
  return kScheduler;
}

static constexpr Name<int> kIoClasses[] = {
    {"IOPRIO_CLASS_RT", abi::kIoprioClassRealTime},
    {"IOPRIO_CLASS_BE", abi::kIoprioClassBestEffort},
    {"IOPRIO_CLASS_IDLE", abi::kIoprioClassIdle},
};
static constexpr Field<IoPriority> kIoPriority[] = {
    {"class", read_name<&IoPriority::io_class, kIoClasses>, kRequired},
    {"priority", read_between<&IoPriority::priority, 0, 7>},
};
static std::span<const Field<IoPriority>> fields_of(IoPriority*) {
  return kIoPriority;
}

static constexpr Field<ExecCpuAffinity> kExecCpuAffinity[] = {
    {"initial", read<&ExecCpuAffinity::initial>, kNullable},
    {"final", read<&ExecCpuAffinity::final>, kNullable},
};
static std::span<const Field<ExecCpuAffinity>> fields_of(ExecCpuAffinity*) {
  return kExecCpuAffinity;
}

static constexpr Field<Process> kProcess[] = {
    {"terminal", read<&Process::terminal>},
    {"consoleSize", read<&Process::console_size>, kNullable},
    {"cwd", read<&Process::cwd>, kRequired},
    {"env", read<&Process::env>, kNullable},
    {"args", read<&Process::args>},
    {"user", read<&Process::user>},
    {"rlimits", read<&Process::rlimits>},
    {"capabilities", read<&Process::capabilities>, kNullable},
    {"noNewPrivileges", read<&Process::no_new_privileges>},
    {"oomScoreAdj", read_between<&Process::oom_score_adj, -1000, 1000>},
    {"apparmorProfile", read<&Process::apparmor_profile>},
    {"selinuxLabel", read<&Process::selinux_label>},
    {"scheduler", read<&Process::scheduler>, kNullable},
    {"ioPriority", read<&Process::io_priority>, kNullable},
    {"execCPUAffinity", read<&Process::exec_cpu_affinity>, kNullable},
};
std::span<const Field<Process>> fields_of(Process*) {
  return kProcess;
}

}  // namespace minirun::oci
