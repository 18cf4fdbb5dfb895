// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/failure.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>
#include <chrono>

#include "cgroups/stats.h"
#include "runtime/compile/compile.h"
#include "runtime/compile/labels.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/exec_diagnosis.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/diagnosis/remedy.h"
#include "runtime/resources/limited_cgroup.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

// Why the container lacks memory, if the kernel could not give the cgroup more; else "". The first processes are so
// small that the kernel may find none to kill: then a system call fails, or an exec ends in SIGSEGV.
std::string lack_of_memory(const Cgroup& cgroup) {
  auto stats = read_stats(cgroup.fd());
  if (!stats.ok() || (stats->oom_kills.value_or(0) == 0 && stats->oom_events.value_or(0) == 0)) return "";
  return fmt::format("memory.max {} is too low to start a container", limit_reached(stats->memory_max_bytes));
}

// The errors of a system call without memory: exec reports that its arguments are too long (E2BIG), or unreadable
// (EFAULT).
bool may_be_lack_of_memory(int code) {
  return code == ENOMEM || code == E2BIG || code == EFAULT || code == ENOBUFS || code == EAGAIN;
}

FailureFacts facts_of(std::string_view what, const Error& error, const LaunchFacts& launch) {
  FailureFacts facts;
  facts.what = what;
  facts.code = error.code;
  facts.pointer = error.details().pointer;
  facts.call = error.details().call;
  if (launch.compiled != nullptr) {
    const Plan& plan = launch.compiled->plan;
    facts.new_namespaces = plan.clone_flags;
    facts.user_namespace = (plan.clone_flags & CLONE_NEWUSER) != 0 || launch.compiled->ordinary_user;
    for (const Step& step : plan.steps) {
      if (const auto* birth = get_if<steps::Birth>(step)) facts.new_namespaces |= birth->types.value;
      if (const auto* made = get_if<steps::NewNamespaces>(step)) facts.new_namespaces |= made->types.value;
      facts.user_namespace |= get_if<steps::BecomeRoot>(step) != nullptr;
    }
  }
  if (error.code == EAGAIN) facts.pids_reached = launch.cgroup.reached_pids_limit();
  return facts;
}

// A failed step: its operation, what it mounts or allows, and its error.
struct FailedStep {
  std::optional<Op> op;
  Error error;
  std::string filesystem{};              // FailureFacts
  std::optional<uint64_t> open_files{};  // FailureFacts
};

FailedStep failed_step(const Report& report, const Plan& plan) {
  if (report.step >= plan.steps.size()) return {std::nullopt, step_error(plan, report)};
  const Step& step = plan.steps[report.step];
  FailedStep failed{step.op, step_error(plan, report), filesystem_of(plan, report.step)};
  const auto* limit = get_if<steps::Rlimit>(step);
  if (limit != nullptr && limit->resource == RLIMIT_NOFILE) failed.open_files = limit->hard.value();
  return failed;
}

FailedStep failed_step(const PlanMemory& memory) {
  uint32_t step = memory.report().step;
  // The operation numbers of another minirun mean nothing here.
  auto op = memory.executes(step) ? std::optional(op_of<steps::Execute>) : std::nullopt;
  return {op, step_error(memory)};
}

ExecFailure exec_of(const oci::Process& process, int root_fd) {
  ExecFailure failure;
  failure.root_fd = root_fd;
  failure.argv0 = process.args[0];
  failure.cwd = process.cwd;
  failure.search_path = search_path_of(process.env);
  return failure;
}

size_t bytes_of(const oci::Strings& strings) {
  size_t bytes = 0;
  for (const std::string& text : strings) bytes += text.size() + 1 + sizeof(char*);  // as execve(2) counts them
  return bytes;
}

// The failure, with a cause beyond the kernel's error, if known.
Error with_cause(const FailedStep& failed, const Report& report, const LaunchFacts& launch) {
  std::string lack = may_be_lack_of_memory(report.error) ? lack_of_memory(launch.cgroup) : "";
  if (!lack.empty()) return with_hint(failed.error, lack);
  if (!failed.op || !failed.error.details().hints.empty()) return failed.error;
  FailureFacts facts = facts_of(op_name(*failed.op), failed.error, launch);
  facts.code = report.error;  // the error may have a more specific one
  facts.call = call_name(report.syscall);
  facts.filesystem = failed.filesystem;
  facts.open_files = failed.open_files;
  auto most =
      *failed.op == op_of<steps::Rlimit> ? read_file(AT_FDCWD, "/proc/sys/fs/nr_open") : Result<std::string>("");
  uint64_t files = 0;
  if (most.ok() && std::from_chars(most->data(), most->data() + most->size(), files).ec == std::errc())
    facts.most_files = files;
  if (const oci::Process* process = launch.process) {
    facts.exec_bytes = bytes_of(process->args) + bytes_of(process->env);
    facts.exec_strings = process->args.size() + process->env.size();
  }
  return with_remedy(failed.error, facts);
}

}  // namespace

Error explain_join(const Error& error, const Cgroup& cgroup) {
  if (error.kind == ErrorKind::setup) return error;
  std::string reason = cgroup.explain_join(error.code);
  if (reason.empty() && may_be_lack_of_memory(error.code)) reason = lack_of_memory(cgroup);
  return with_hint(error, reason);
}

Error explain_clone(const Error& error, const LaunchFacts& facts) {
  Error explained = explain_join(error, facts.cgroup);
  bool unexplained = explained.details().call == "clone3" && explained.details().hints.empty();
  return unexplained ? with_remedy(explained, facts_of(kClone, explained, facts)) : explained;
}

Error explain_sources(const Error& error, const LaunchFacts& facts) {
  return with_remedy(error, facts_of(kOpenSource, error, facts));
}

Error explain_step(const Child& child, const LaunchFacts& facts, int root) {
  Report report = child.memory.report();
  FailedStep failed = facts.compiled != nullptr ? failed_step(report, facts.compiled->plan) : failed_step(child.memory);
  if (facts.process != nullptr) {
    if (auto label = label_error(*facts.process, failed.error.details().pointer, report.error)) {
      failed.error = *label;
    } else if (failed.op == op_of<steps::Execute>) {
      UniqueFd own = open_container_root(child.pid);
      ExecFailure failure = exec_of(*facts.process, root >= 0 ? root : own.get());
      failure.code = report.error;
      failed.error = diagnose_exec(failure);
    }
  }
  return with_cause(failed, report, facts);
}

Error explain_death(const Child& child, const Cgroup& cgroup) {
  auto ended = await_end(child.pidfd.get(), std::chrono::steady_clock::now() + kRemovalTime);
  if (!ended.ok() || !*ended) return fail(ErrorKind::setup, "the container's first process neither responds nor ends");
  auto status = status_of_ended(child.pidfd.get(), child.pid);
  reap_ended(child.pidfd.get());
  std::string how = !status.ok()           ? "its first process is gone"
                    : WIFSIGNALED(*status) ? fmt::format("killed by signal {}", WTERMSIG(*status))
                                           : fmt::format("exit status {}", WEXITSTATUS(*status));
  std::string lack = lack_of_memory(cgroup);
  if (!lack.empty()) how = "killed by the memory limit: " + lack;
  return fail(ErrorKind::setup, "the container ended before the workload started: {}", how);
}

Result<void> foresee_start(pid_t pid, const oci::Process& process) {
  UniqueFd root = open_container_root(pid);
  if (!root) return {};
  auto diagnosis = foresee_exec(exec_of(process, root.get()));
  if (!diagnosis) return {};
  return *diagnosis;
}

UniqueFd open_container_root(pid_t pid) {
  std::string path = fmt::format("/proc/{}/root", pid);
  return UniqueFd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace minirun
