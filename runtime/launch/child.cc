// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/child.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <functional>

#include "cgroups/stats.h"
#include "namespaces/init_program.h"
#include "namespaces/proc_loan.h"
#include "runtime/compile/labels.h"
#include "runtime/diagnosis/death.h"
#include "runtime/diagnosis/exec_diagnosis.h"
#include "runtime/diagnosis/exit_status.h"
#include "runtime/diagnosis/remedy.h"
#include "runtime/launch/source_turns.h"
#include "runtime/supervise/console.h"
#include "runtime/supervise/init_channel.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {

namespace {

// When the kernel could not give the cgroup more memory: why the container lacks it; else "". The first processes are
// so small that the kernel may find none to kill: then a system call fails, or an exec ends in SIGSEGV.
std::string lack_of_memory(const Cgroup& cgroup) {
  auto stats = read_stats(cgroup.fd());
  if (!stats.ok() || (stats->oom_kills.value_or(0) == 0 && stats->oom_events.value_or(0) == 0)) return "";
  return fmt::format("memory.max {} is too low to start a container", limit_reached(stats->memory_max_bytes));
}

// The errors of a system call that got no memory: exec says that its arguments are too long (E2BIG), or
// that they cannot be read (EFAULT).
bool may_be_lack_of_memory(int code) {
  return code == ENOMEM || code == E2BIG || code == EFAULT || code == ENOBUFS || code == EAGAIN;
}

// compiled: nullptr where another minirun has compiled it.
FailureFacts facts_of(std::string_view what, const Error& error, const Compiled* compiled, const Cgroup& cgroup) {
  FailureFacts facts;
  facts.what = what;
  facts.code = error.code;
  facts.text = error.message;
  if (compiled != nullptr) {
    const Plan& plan = compiled->plan;
    facts.new_namespaces = plan.clone_flags;
    facts.user_namespace = (plan.clone_flags & CLONE_NEWUSER) != 0 || compiled->ordinary_user;
    for (const Step& step : plan.steps) {
      if (step.op == Op::birth || step.op == Op::new_namespaces) facts.new_namespaces |= step.arg[0];
      facts.user_namespace |= step.op == Op::become_root;
    }
  }
  if (error.code == EAGAIN) facts.pids_reached = cgroup.reached_pids_limit();
  return facts;
}

// Of a clone into the cgroup. A step says itself what failed in it.
Error explained(const Error& error, const Cgroup& cgroup) {
  if (error.kind == ErrorKind::setup) return error;
  std::string reason = cgroup.explain_join(error.code);
  if (reason.empty() && may_be_lack_of_memory(error.code)) reason = lack_of_memory(cgroup);
  return with_hint(error, reason);
}

}  // namespace

Result<Launched> Launched::start(const Compiled& compiled, HostDescriptors host, int state_fd, Cgroup& cgroup) {
  SpawnRequest request;
  request.plan = &compiled.plan;
  request.init_program = TRY(open_init_program(state_fd));
  request.cgroup_fd = cgroup.fd();
  std::vector<UniqueFd> contexts;
  if (compiled.proc_loan) {
    auto lent = borrow_proc(*compiled.proc_loan, request.init_program.get(), cgroup.fd());
    if (!lent.ok()) return explained(lent.error(), cgroup);
    contexts = std::move(lent).value();
  }
  for (const UniqueFd& context : contexts) host.proc.push_back(context.get());
  MoreOpenFiles more(compiled.raises_open_files);
  SourceTurns turns(compiled, std::move(host));
  auto sources = turns.open_first();
  if (!sources.ok()) return with_remedy(sources.error(), facts_of(kOpenSource, sources.error(), &compiled, cgroup));
  request.sources = std::move(sources).value();
  auto child = spawn(std::move(request));
  if (child.ok()) return Launched(std::move(child).value(), std::move(turns));
  Error error = explained(child.error(), cgroup);
  bool of_clone = error.details().call == "clone3" && error.details().hints.empty();
  return of_clone ? with_remedy(error, facts_of(kClone, error, &compiled, cgroup)) : error;
}

Launched::Launched(Launched&& other) noexcept
    : child_(std::move(other.child_)),
      said_(other.said_),
      owned_(std::exchange(other.owned_, false)),
      root_(other.root_),
      turns_(std::move(other.turns_)) {}

Launched::~Launched() {
  (void)end();  // the removal of its cgroup names what is left of it
}

bool Launched::end() {
  if (!std::exchange(owned_, false)) return true;
  // SIGKILL to the init of a pid namespace ends all of it; without one the cgroup's removal sees to the rest.
  (void)send_signal(child_.pidfd.get(), SIGKILL);  // it may have ended by itself
  auto ended = await_end(child_.pidfd.get(), std::chrono::steady_clock::now() + kRemovalTime);
  if (child_.outer >= 0) {
    (void)send_signal(child_.outer_pidfd.get(), SIGKILL);
    (void)await_outer(&child_, static_cast<int>(std::chrono::milliseconds(kRemovalTime).count()));
  }
  if (child_.stands_in && ended.ok() && *ended) {
    auto arrived = arrive(&child_);
    if (arrived.ok() && *arrived) {
      owned_ = true;
      return end();
    }
  }
  // One that is traced has ended, but is the tracer's to reap first.
  return waitpid(child_.pid, nullptr, WNOHANG) != 0 || (ended.ok() && *ended);
}

namespace {

// A failed step: its operation and text, and the whole of it as an error.
struct FailedStep {
  std::optional<Op> op;
  std::string told;
  Error error;
};

FailedStep failed_step(const Report& report, const Plan& plan) {
  if (report.step >= plan.steps.size()) return {std::nullopt, "", step_error(plan, report)};
  return {plan.steps[report.step].op, told_step(plan, report.step), step_error(plan, report)};
}

FailedStep failed_step(const PlanMemory& memory) {
  uint32_t step = memory.report().step;
  // Another minirun's numbers of operations mean nothing here.
  auto op = memory.executes(step) ? std::optional(Op::execute) : std::nullopt;
  return {op, memory.told(step).value_or(""), step_error(memory)};
}

ExecFailure exec_of(const oci::Process& process, int root_fd) {
  ExecFailure failure;
  failure.root_fd = root_fd;
  failure.argv0 = process.args[0];
  failure.cwd = process.cwd;
  failure.search_path = search_path_of(process.env);
  return failure;
}

Error explain(Launched& launched, const FailedStep& failed, const oci::Process* process) {
  if (process == nullptr) return failed.error;
  int code = launched.child().memory.report().error;
  if (auto label = label_error(*process, failed.told, code)) return *label;
  if (failed.op != Op::execute) return failed.error;
  UniqueFd root = open_container_root(launched.child().pid);
  ExecFailure failure = exec_of(*process, launched.root() >= 0 ? launched.root() : root.get());
  failure.code = code;
  return diagnose_exec(failure);
}

size_t bytes_of(const oci::Strings& strings) {
  size_t bytes = 0;
  for (const std::string& text : strings) bytes += text.size() + 1 + sizeof(char*);  // as execve(2) counts them
  return bytes;
}

// What failed, with the cause beyond the kernel's word, if that is known.
Error with_cause(const Error& error, const FailedStep& failed, const Report& report, const oci::Process* process,
                 const Compiled* compiled, const Cgroup& cgroup) {
  std::string lack = may_be_lack_of_memory(report.error) ? lack_of_memory(cgroup) : "";
  if (!lack.empty()) return with_hint(error, lack);
  if (!failed.op || !error.details().hints.empty()) return error;
  FailureFacts facts = facts_of(op_name(*failed.op), Error{report.error, failed.told}, compiled, cgroup);
  facts.call = call_name(report.syscall);
  auto most = *failed.op == Op::rlimit ? read_file(AT_FDCWD, "/proc/sys/fs/nr_open") : Result<std::string>("");
  uint64_t files = 0;
  if (most.ok() && std::from_chars(most->data(), most->data() + most->size(), files).ec == std::errc())
    facts.most_files = files;
  if (process != nullptr) {
    facts.exec_bytes = bytes_of(process->args) + bytes_of(process->env);
    facts.exec_strings = process->args.size() + process->env.size();
  }
  return with_remedy(error, facts);
}

// The init is gone without a message: the memory limit, or a signal.
Error died_early(Launched& launched, const Cgroup& cgroup) {
  const Child& child = launched.child();
  auto ended = await_end(child.pidfd.get(), std::chrono::steady_clock::now() + kRemovalTime);
  if (!ended.ok() || !*ended)
    return fail(ErrorKind::setup, "the container's first process says nothing and does not end");
  auto status = status_of_ended(child.pidfd.get(), child.pid);
  reap_ended(child.pidfd.get());
  launched.let_go();
  std::string how = !status.ok()           ? "its first process is gone"
                    : WIFSIGNALED(*status) ? fmt::format("killed by signal {}", WTERMSIG(*status))
                                           : fmt::format("exit status {}", WEXITSTATUS(*status));
  std::string lack = lack_of_memory(cgroup);
  if (!lack.empty()) how = "killed by the memory limit: " + lack;
  return fail(ErrorKind::setup, "the container ended before the workload started: {}", how);
}

// How long a signal to give up waits for an exec that is on its way.
constexpr int kLongestExecMs = 1000;

enum class Milestone : uint8_t { gate, created, running, failed, closed };

// Messages up to one that ends the waiting.
Result<Milestone> read_messages(Launched& launched, Signals& signals, const Compiled* compiled, const Cgroup& cgroup,
                                LaunchEvents* events) {
  const Child& child = launched.child();
  bool held = false;
  for (;;) {
    Received received = TRY(receive(child.control.get(), child.pidfd.get(), signals));
    if (received.kind == Received::Kind::aborted) {
      // The workload may run already and its init be about to say so: then the signal is the workload's.
      if (!std::exchange(held, true) && child.memory.report().state == kExecuting) {
        pollfd polls[] = {{child.control.get(), POLLIN, 0}, {child.pidfd.get(), POLLIN, 0}};
        (void)poll(polls, 2, kLongestExecMs);  // receive() says what it was
        continue;
      }
      return given_up(received.signal);
    }
    if (received.kind == Received::Kind::end_of_file) return Milestone::closed;
    switch (received.envelope.message) {
      case Message::terminal:
        TRY(launched.once(Launched::kTerminal));
        TRY(check_terminal(received.fd.get()));
        events->terminal = std::move(received.fd);
        break;
      case Message::ready:
        if (received.envelope.status == 0) return fail(EPROTO, "gate 0 of the init");
        TRY(launched.once(static_cast<uint32_t>(received.envelope.status)));
        events->gate = static_cast<Gate>(received.envelope.status);
        return Milestone::gate;
      case Message::sources:
        if (auto sent = launched.send_sources(received.envelope.status); !sent.ok())
          return with_remedy(sent.error(), facts_of(kOpenSource, sent.error(), compiled, cgroup));
        break;
      case Message::created:
        return Milestone::created;
      case Message::running:
        return Milestone::running;
      case Message::failed:
        return Milestone::failed;
      default:
        return fail(EPROTO, "message {} of the init", static_cast<uint32_t>(received.envelope.message));
    }
  }
}

// The process outside has closed its socket. It ends when the program is executed, or never will be.
Result<void> await_arrival(Child* child, Signals& signals) {
  while (child->stands_in) {
    TRY(signals.collect());
    auto signal = signals.abort_request();
    pollfd polls[] = {{child->pidfd.get(), POLLIN, 0}, {signals.fd(), POLLIN, 0}};
    int n = poll(polls, signal ? 1 : 2, signal ? kLongestExecMs : -1);
    if (n < 0 && errno != EINTR) return fail(errno, "wait for the process");
    if (n > 0 && polls[0].revents != 0) {
      if (!TRY(arrive(child))) return {};
      continue;
    }
    if (signal) return given_up(*signal);
  }
  return {};
}

// What begins in a pid namespace of others is there, and waits for its number to be written: true. Or it never will be.
Result<bool> await_number(Child* child, Signals& signals) {
  constexpr int kPauseMs = 1;
  for (bool ended = false;;) {
    if (TRY(take_place(child))) return true;
    if (ended) return false;
    TRY(signals.collect());
    if (auto signal = signals.abort_request()) return given_up(*signal);
    pollfd polls[] = {{child->pidfd.get(), POLLIN, 0}};
    ended = poll(polls, 1, kPauseMs) > 0;  // what it has cloned it has cloned before
  }
}

// The outer process ends with the exec of its child, or with its end.
Result<void> await_exec(Child* child, Signals& signals) {
  constexpr int kPauseMs = 50;
  while (!await_outer(child, kPauseMs)) {
    TRY(signals.collect());
    auto signal = signals.abort_request();
    if (signal && !await_outer(child, kLongestExecMs)) return given_up(*signal);
  }
  return {};
}

// resident: an init stays and says when the workload runs. Without one the socket closes with exec, and says nothing
// more.
Result<void> await_messages(Launched& launched, bool resident, const oci::Process* process, const Compiled* compiled,
                            const Cgroup& cgroup, Signals& signals, LaunchEvents* events,
                            const std::function<FailedStep()>& failed) {
  Child& child = launched.child();
  Milestone ending = TRY(read_messages(launched, signals, compiled, cgroup, events));
  if (ending == Milestone::closed && child.waits_for_commit && TRY(await_number(&child, signals))) {
    events->gate = Gate::commit;
    return {};
  }
  if (ending == Milestone::closed) {
    TRY(await_arrival(&child, signals));
    TRY(await_exec(&child, signals));
  }
  Report report = child.memory.report();
  if (ending == Milestone::failed || (ending == Milestone::closed && report.state == kFailed)) {
    FailedStep step = failed();
    return with_cause(explain(launched, step, process), step, report, process, compiled, cgroup);
  }
  if (ending != Milestone::closed) return {};
  if (report.state == kExecuting && !resident) return {};
  return died_early(launched, cgroup);
}

}  // namespace

Result<void> Launched::send_sources(int32_t turn) {
  if (!turns_) return fail(EPROTO, "message {} of the init", static_cast<uint32_t>(Message::sources));
  return turns_->answer(child_.control.get(), turn);
}

Result<void> Launched::once(uint32_t what) {
  constexpr auto kLastGate = static_cast<uint32_t>(Gate::hooks);
  if (what > kLastGate) return fail(EPROTO, "gate {} of the init", what);
  if ((said_ >> what & 1) != 0) return fail(EPROTO, "message {} of the init for the second time", what);
  said_ |= 1U << what;
  return {};
}

UniqueFd open_container_root(pid_t pid) {
  std::string path = fmt::format("/proc/{}/root", pid);
  return UniqueFd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

Result<void> foresee_start(Launched& launched, const oci::Process& process) {
  UniqueFd root = open_container_root(launched.child().pid);
  if (!root) return {};
  auto diagnosis = foresee_exec(exec_of(process, root.get()));
  if (!diagnosis) return {};
  return *diagnosis;
}

Result<void> await_launch(Launched& launched, const Compiled& compiled, const oci::Process* process,
                          const Cgroup& cgroup, Signals& signals, LaunchEvents* events) {
  return await_messages(launched, compiled.init, process, &compiled, cgroup, signals, events,
                        [&] { return failed_step(launched.child().memory.report(), compiled.plan); });
}

Result<void> await_start(Launched& launched, const oci::Process& process, bool resident_init, const Cgroup& cgroup,
                         Signals& signals, LaunchEvents* events) {
  return await_messages(launched, resident_init, &process, nullptr, cgroup, signals, events,
                        [&] { return failed_step(launched.child().memory); });
}

}  // namespace minirun
