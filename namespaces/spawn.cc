#include "namespaces/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "namespaces/kernel.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"
#include "sys/pidfd.h"

namespace minirun {

namespace {

// All that the child needs between clone and exec. Without a new user namespace it runs in this process's memory with
// this process suspended; it may call nothing but the kernel and must not return.
struct Far {
  const int* keep;  // descriptors that stay open over the exec of the init program
  size_t keep_count;
  int program;
  const char* const* argv;
  Report* report;
  int control;
  int parents_control;  // the other end
  bool waits_for_maps;
  bool becomes_root;
};

// An exec as somebody who is not root of the user namespace would lose all capabilities in it.
void become_root(const Far& far) {
  long rc = RawKernel::call(SYS_setgroups, 0, 0);
  if (rc < 0 && rc != -EPERM)
    give_up(far.report, SYS_setgroups, rc);  // EPERM: denied to the unprivileged (user_namespaces(7))
  rc = RawKernel::call(SYS_setresgid, 0, 0, 0);
  if (rc < 0) give_up(far.report, SYS_setresgid, rc);
  rc = RawKernel::call(SYS_setresuid, 0, 0, 0);
  if (rc < 0) give_up(far.report, SYS_setresuid, rc);
}

[[noreturn]] void far_entry(void* pointer) {
  const Far& far = *static_cast<Far*>(pointer);
  // From the first moment: until its exec it has copies of all of minirun's descriptors, and with them the lock of the
  // state directory. When minirun has died already, it is the end of file that tells.
  RawKernel::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  if (far.waits_for_maps) {
    RawKernel::call(SYS_close, static_cast<uint64_t>(far.parents_control));
    Envelope envelope{};
    long rc = RawKernel::call(SYS_recvfrom, static_cast<uint64_t>(far.control), reinterpret_cast<uint64_t>(&envelope),
                              sizeof envelope);
    if (rc != sizeof envelope || envelope.message != Message::mapped)
      give_up(far.report, SYS_recvfrom, rc < 0 ? rc : -EPROTO);
  }
  if (far.becomes_root) become_root(far);
  for (size_t i = 0; i < far.keep_count; i++)
    RawKernel::call(SYS_fcntl, static_cast<uint64_t>(far.keep[i]), F_SETFD, 0);
  if (far.becomes_root) RawKernel::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);  // lost with the change of ids
  const char* const environment[] = {nullptr};
  long rc =
      RawKernel::call(SYS_execveat, static_cast<uint64_t>(far.program), reinterpret_cast<uint64_t>(""),
                      reinterpret_cast<uint64_t>(far.argv), reinterpret_cast<uint64_t>(environment), AT_EMPTY_PATH);
  give_up(far.report, SYS_execveat, rc);
}

// The stage: a process that enters what the child is to be born in, clones it as this process's child (CLONE_PARENT)
// and ends. In this process's memory, with this process suspended: the same rules as for the child.
struct Stage {
  const int* joins;  // descriptors
  const uint64_t* types;
  size_t join_count;
  bool new_time;
  const char* time_offsets;
  size_t time_offsets_bytes;
  abi::CloneArguments* arguments;
  Far* far;
  long pid;  // the child's, or -errno
  const char* failed;
  uint64_t failed_types;
};

long enter_all(Stage* stage) {
  for (size_t i = 0; i < stage->join_count; i++) {
    stage->failed_types = stage->types[i];
    stage->failed = "join";
    long rc = RawKernel::call(SYS_setns, static_cast<uint64_t>(stage->joins[i]), stage->types[i]);
    if (rc < 0) return rc;
  }
  if (!stage->new_time) return 0;
  stage->failed_types = CLONE_NEWTIME;
  stage->failed = "make";
  long rc = RawKernel::call(SYS_unshare, CLONE_NEWTIME);
  if (rc < 0 || stage->time_offsets_bytes == 0) return rc;
  stage->failed = "write /proc/self/timens_offsets of";
  rc = RawKernel::call(SYS_openat, static_cast<uint64_t>(AT_FDCWD),
                       reinterpret_cast<uint64_t>("/proc/self/timens_offsets"), O_WRONLY | O_CLOEXEC);
  if (rc < 0) return rc;
  long written = RawKernel::call(SYS_write, static_cast<uint64_t>(rc), reinterpret_cast<uint64_t>(stage->time_offsets),
                                 stage->time_offsets_bytes);
  return written < 0 ? written : 0;
}

[[noreturn]] void stage_entry(void* pointer) {
  auto* stage = static_cast<Stage*>(pointer);
  stage->pid = enter_all(stage);
  if (stage->pid >= 0) {
    stage->failed = nullptr;
    stage->pid = clone_into(stage->arguments, sizeof *stage->arguments, far_entry, stage->far);
  }
  RawKernel::exit(0);
}

void give_stack(abi::CloneArguments* arguments, char* stack, size_t bytes) {
  arguments->stack = reinterpret_cast<uint64_t>(stack);
  arguments->stack_size = bytes;
}

Result<pid_t> clone_through_stage(const SpawnRequest& request, abi::CloneArguments* arguments, Far* far) {
  alignas(16) static char stack[16384];
  const Plan& plan = *request.plan;
  std::vector<int> joins;
  std::vector<uint64_t> types;
  for (const Join& join : plan.joins) {
    joins.push_back(request.sources[join.slot].get());
    types.push_back(join.types);
  }
  arguments->flags = (arguments->flags | CLONE_PARENT) & ~uint64_t{CLONE_PIDFD};
  arguments->pidfd = 0;
  arguments->exit_signal = 0;  // that of the stage
  Stage stage{joins.data(),
              types.data(),
              joins.size(),
              plan.new_time,
              plan.time_offsets.data(),
              plan.time_offsets.size(),
              arguments,
              far,
              0,
              nullptr,
              0};
  abi::CloneArguments own{};
  own.flags = CLONE_VM | CLONE_VFORK;
  own.exit_signal = SIGCHLD;
  give_stack(&own, stack, sizeof stack);
  long stage_pid = clone_into(&own, sizeof own, stage_entry, &stage);
  if (stage_pid < 0) return fail(static_cast<int>(-stage_pid), "clone3");
  while (waitpid(static_cast<pid_t>(stage_pid), nullptr, 0) < 0 && errno == EINTR) {
  }
  if (stage.pid > 0) return static_cast<pid_t>(stage.pid);
  if (stage.failed == nullptr)
    return fail(static_cast<int>(-stage.pid), "clone3 ({})", namespace_names(plan.clone_flags));
  return fail(static_cast<int>(-stage.pid), "{} the {} namespace", stage.failed, namespace_names(stage.failed_types));
}

// How the child comes to be in the namespaces that are joined before it is born.
enum class Way { direct, through_init, through_stage };

Way way_of(const Plan& plan) {
  if (plan.joins.empty() && !plan.new_time) return Way::direct;
  bool pid_alone = plan.joins.size() == 1 && plan.joins[0].types == CLONE_NEWPID && !plan.new_time;
  // Where ids change before the exec of the init program, that is the last that the child does out here.
  bool same_user = (plan.clone_flags & CLONE_NEWUSER) == 0 && !plan.becomes_root;
  return pid_alone && same_user ? Way::through_init : Way::through_stage;
}

struct Born {
  pid_t pid = -1;
  UniqueFd pidfd;
};

// One that does not end by SIGKILL, or is kept by a tracer, is left to whoever adopts it.
void end_child(pid_t pid) {
  constexpr int kKillMs = 10000;
  (void)kill(pid, SIGKILL);  // it is this process's child and not waited for yet
  for (int ms = 0; ms < kKillMs && waitpid(pid, nullptr, WNOHANG) == 0; ms++) (void)poll(nullptr, 0, 1);
}

// Of a child that another process has made for this one: the number is its own until it is waited for.
Result<Born> take(pid_t pid) {
  auto pidfd = open_pidfd(pid);
  if (pidfd.ok()) return Born{pid, std::move(pidfd).value()};
  end_child(pid);
  return pidfd.error();
}

// The init program has ended without a child.
Error entrance_error(const Plan& plan, const Report& report) {
  if (report.state != kFailed) return fail(0, "the init program ended before it had joined the pid namespace");
  if (report.syscall == SYS_setns) return fail(report.error, "join the pid namespace");
  if (report.syscall == SYS_clone3) return fail(report.error, "clone3 ({})", namespace_names(plan.clone_flags));
  return fail(report.error, "start the init program: {}", call_name(report.syscall));
}

// See Entrance.
Result<Born> clone_through_init(const SpawnRequest& request, abi::CloneArguments arguments, Far* far,
                                PlanMemory* memory) {
  const Plan& plan = *request.plan;
  Entrance& entrance = memory->header()->entrance;
  entrance.pid_namespace = request.sources[plan.joins[0].slot].get();
  entrance.cgroup = request.cgroup_fd;
  entrance.clone_flags = plan.clone_flags;
  arguments.flags = CLONE_VM | CLONE_VFORK;
  long pid = clone_into(&arguments, sizeof arguments, far_entry, far);
  if (pid < 0) return fail(static_cast<int>(-pid), "clone3");
  while (waitpid(static_cast<pid_t>(pid), nullptr, 0) < 0 && errno == EINTR) {
  }
  int32_t child = __atomic_load_n(&entrance.child, __ATOMIC_ACQUIRE);
  return child > 0 ? take(child) : Result<Born>(entrance_error(plan, memory->report()));
}

Result<Born> clone_far(const SpawnRequest& request, Far* far, PlanMemory* memory) {
  alignas(16) static char stack[16384];
  const Plan& plan = *request.plan;
  int pidfd = -1;
  abi::CloneArguments arguments{};
  give_stack(&arguments, stack, sizeof stack);
  arguments.exit_signal = SIGCHLD;
  Way way = way_of(plan);
  if (way == Way::through_init) return clone_through_init(request, arguments, far, memory);
  arguments.flags = plan.clone_flags | CLONE_PIDFD;
  // With memory of its own where this process has something to do before its exec.
  if (!far->waits_for_maps && !plan.new_time) arguments.flags |= CLONE_VM | CLONE_VFORK;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  if (request.cgroup_fd >= 0) {
    arguments.flags |= abi::kCloneIntoCgroup;
    arguments.cgroup = static_cast<uint64_t>(request.cgroup_fd);
  }
  if (way == Way::through_stage) return take(TRY(clone_through_stage(request, &arguments, far)));
  long pid = clone_into(&arguments, sizeof arguments, far_entry, far);
  if (pid < 0) return fail(static_cast<int>(-pid), "clone3 ({})", namespace_names(plan.clone_flags));
  return Born{static_cast<pid_t>(pid), UniqueFd(pidfd)};
}

// What the child may not do itself in a user namespace, and minirun may: rlimits are raised here and set by their
// steps.
Result<void> prepare_for_user_namespace(const Plan& plan, pid_t pid) {
  for (const Step& step : plan.steps) {
    if (step.op != Op::rlimit) continue;
    rlimit64 limit{};
    auto resource = static_cast<unsigned>(step.arg[0]);
    if (syscall(SYS_prlimit64, pid, resource, nullptr, &limit) < 0 || limit.rlim_max >= step.arg[2]) continue;
    limit.rlim_max = step.arg[2];
    (void)syscall(SYS_prlimit64, pid, resource, &limit, nullptr);  // refused: the step says so
  }
  if (plan.oom_score_adj) {
    TRY(write_control(AT_FDCWD, "/proc/" + std::to_string(pid) + "/oom_score_adj",
                      std::to_string(*plan.oom_score_adj)));
  }
  return {};
}

Result<void> let_into_user_namespace(const Plan& plan, pid_t pid, int control) {
  TRY(prepare_for_user_namespace(plan, pid));
  TRY(write_id_maps(pid, plan.uid_map, plan.gid_map));
  Envelope envelope{Message::mapped, 0};
  if (send(control, &envelope, sizeof envelope, MSG_NOSIGNAL) < 0)
    return fail(errno, "tell the container of its id maps");
  return {};
}

}  // namespace

Result<Child> spawn(SpawnRequest request) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return fail(errno, "socketpair");
  UniqueFd ours(pair[0]), theirs(pair[1]);

  std::vector<int> keep;
  for (const UniqueFd& source : request.sources) keep.push_back(source.get());
  PlanMemory memory = TRY(PlanMemory::create(serialize(*request.plan, keep, theirs.get())));
  keep.push_back(theirs.get());
  keep.push_back(memory.fd());
  if (way_of(*request.plan) == Way::through_init && request.cgroup_fd >= 0) keep.push_back(request.cgroup_fd);
  memory.header()->memory = memory.fd();

  std::string plan_fd = std::to_string(memory.fd());
  const char* const argv[] = {"minirun-init", plan_fd.c_str(), nullptr};
  bool maps = (request.plan->clone_flags & CLONE_NEWUSER) != 0;
  Far far{keep.data(), keep.size(), request.init_program.get(), argv, &memory.header()->report, theirs.get(),
          ours.get(),  maps,        request.plan->becomes_root};
  Born born = TRY(clone_far(request, &far, &memory));
  if (maps) {
    auto let_in = let_into_user_namespace(*request.plan, born.pid, ours.get());
    if (!let_in.ok()) end_child(born.pid);
    TRY(std::move(let_in));
  }
  memory.close_fd();
  return Child{born.pid, std::move(born.pidfd), std::move(ours), std::move(memory)};
}

}  // namespace minirun
