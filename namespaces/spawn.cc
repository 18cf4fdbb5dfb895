#include "namespaces/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "namespaces/kernel.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"

namespace minirun {

constexpr int kPlanSeals = F_SEAL_SHRINK | F_SEAL_GROW;

Result<PlanMemory> PlanMemory::create(const std::string& image) {
  // A host may refuse memfds that do not promise never to be executed (vm.memfd_noexec=2).
  int number = static_cast<int>(syscall(SYS_memfd_create, "minirun-plan", abi::kMfdCloexec | abi::kMfdNoexecSeal));
  if (number < 0 && errno == EINVAL)  // before Linux 6.3
    number = static_cast<int>(syscall(SYS_memfd_create, "minirun-plan", abi::kMfdCloexec | abi::kMfdAllowSealing));
  UniqueFd fd(number);
  if (!fd) return fail(errno, "memfd_create");
  if (write(fd.get(), image.data(), image.size()) != static_cast<ssize_t>(image.size()))
    return fail(errno, "write the plan ({} bytes)", image.size());
  // Nobody can make it shorter under those who map it.
  if (fcntl(fd.get(), F_ADD_SEALS, kPlanSeals) < 0) return fail(errno, "seal the plan");
  void* at = mmap(nullptr, image.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail(errno, "map the plan");
  return PlanMemory(std::move(fd), static_cast<PlanHeader*>(at), image.size());
}

PlanMemory::PlanMemory(PlanMemory&& other) noexcept
    : fd_(std::move(other.fd_)),
      header_(std::exchange(other.header_, nullptr)),
      bytes_(other.bytes_),
      steps_(other.steps_),
      step_count_(other.step_count_) {}

PlanMemory& PlanMemory::operator=(PlanMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(header_, other.header_);
  std::swap(bytes_, other.bytes_);
  std::swap(steps_, other.steps_);
  std::swap(step_count_, other.step_count_);
  return *this;
}

PlanMemory::~PlanMemory() {
  if (header_ != nullptr) munmap(header_, bytes_);
}

Result<PlanMemory> PlanMemory::map(UniqueFd fd) {
  struct stat facts {};
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat the plan");
  auto bytes = static_cast<size_t>(facts.st_size);
  int seals = fcntl(fd.get(), F_GET_SEALS);  // EINVAL: no memfd
  if (bytes < sizeof(PlanHeader) || seals < 0 || (seals & kPlanSeals) != kPlanSeals)
    return fail(EPROTO, "the container's init sends no plan");
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail(errno, "map the plan");
  PlanMemory memory(std::move(fd), static_cast<PlanHeader*>(at), bytes);
  bool sound = memory.header_->magic == kPlanMagic && memory.steps_ <= bytes && memory.steps_ % alignof(Step) == 0 &&
               memory.step_count_ <= (bytes - memory.steps_) / sizeof(Step);
  if (!sound) return fail(EPROTO, "the container's init sends no plan");
  return memory;
}

uint32_t PlanMemory::step_count() const {
  return step_count_;
}

std::optional<std::pair<Op, std::string>> PlanMemory::told(uint32_t step) const {
  if (step >= step_count_) return std::nullopt;
  const char* base = reinterpret_cast<const char*>(header_);
  Step found{};
  memcpy(&found, base + steps_ + step * sizeof found, sizeof found);
  if (found.told == kNoText || found.told >= bytes_) return std::nullopt;
  return std::pair(found.op, std::string(base + found.told, strnlen(base + found.told, bytes_ - found.told)));
}

std::optional<int> PlanMemory::offered_listener() const {
  uint32_t value = __atomic_load_n(&header_->listener, __ATOMIC_ACQUIRE);
  if (value < kListenerOffered) return std::nullopt;
  return static_cast<int>(value - kListenerOffered);
}

void PlanMemory::answer_listener(SeccompListener answer) {
  __atomic_store_n(&header_->listener, static_cast<uint32_t>(answer), __ATOMIC_RELEASE);
}

Report PlanMemory::report() const {
  Report copy = header_->report;
  copy.detail[kDetailBytes - 1] = '\0';
  return copy;
}

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

[[noreturn]] void give_up(const Far& far, uint32_t call, long error) {
  far.report->step = kNoStep;
  far.report->syscall = call;
  far.report->error = static_cast<int32_t>(-error);
  far.report->state = kFailed;
  RawKernel::exit(127);
}

// An exec as somebody who is not root of the user namespace would lose all capabilities in it.
void become_root(const Far& far) {
  long rc = RawKernel::call(SYS_setgroups, 0, 0);
  if (rc < 0 && rc != -EPERM)
    give_up(far, SYS_setgroups, rc);  // EPERM: denied to the unprivileged (user_namespaces(7))
  rc = RawKernel::call(SYS_setresgid, 0, 0, 0);
  if (rc < 0) give_up(far, SYS_setresgid, rc);
  rc = RawKernel::call(SYS_setresuid, 0, 0, 0);
  if (rc < 0) give_up(far, SYS_setresuid, rc);
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
    if (rc != sizeof envelope || envelope.message != Message::mapped) give_up(far, SYS_recvfrom, rc < 0 ? rc : -EPROTO);
  }
  if (far.becomes_root) become_root(far);
  for (size_t i = 0; i < far.keep_count; i++)
    RawKernel::call(SYS_fcntl, static_cast<uint64_t>(far.keep[i]), F_SETFD, 0);
  if (far.becomes_root) RawKernel::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);  // lost with the change of ids
  const char* const environment[] = {nullptr};
  long rc =
      RawKernel::call(SYS_execveat, static_cast<uint64_t>(far.program), reinterpret_cast<uint64_t>(""),
                      reinterpret_cast<uint64_t>(far.argv), reinterpret_cast<uint64_t>(environment), AT_EMPTY_PATH);
  give_up(far, SYS_execveat, rc);
}

// While it lives, children are born in the pid namespace behind the descriptor (setns(2): for children only).
class PidNamespace {
 public:
  static Result<PidNamespace> enter(int fd) {
    PidNamespace entered;
    if (fd < 0) return entered;
    entered.own_ = TRY(open_at(AT_FDCWD, "/proc/self/ns/pid", O_RDONLY));
    if (setns(fd, CLONE_NEWPID) < 0) return fail(errno, "join the pid namespace");
    return entered;
  }
  PidNamespace(PidNamespace&&) = default;
  PidNamespace& operator=(PidNamespace&&) = delete;
  ~PidNamespace() {
    if (own_) (void)setns(own_.get(), CLONE_NEWPID);  // back to where this process is: cannot be refused
  }

 private:
  PidNamespace() = default;
  UniqueFd own_;
};

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

// This process may enter a pid namespace for its children alone, and come back: that needs no stage.
bool needs_stage(const Plan& plan) {
  if (plan.new_time || plan.joins.size() > 1) return true;
  return plan.joins.size() == 1 && plan.joins[0].types != CLONE_NEWPID;
}

struct Born {
  pid_t pid = -1;
  UniqueFd pidfd;
};

Result<Born> clone_far(const SpawnRequest& request, Far* far) {
  alignas(16) static char stack[16384];
  const Plan& plan = *request.plan;
  int pidfd = -1;
  abi::CloneArguments arguments{};
  arguments.flags = plan.clone_flags | CLONE_PIDFD;
  // With memory of its own where this process has something to do before its exec.
  if (!far->waits_for_maps && !plan.new_time) arguments.flags |= CLONE_VM | CLONE_VFORK;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  give_stack(&arguments, stack, sizeof stack);
  if (request.cgroup_fd >= 0) {
    arguments.flags |= 0x200000000ULL;  // CLONE_INTO_CGROUP
    arguments.cgroup = static_cast<uint64_t>(request.cgroup_fd);
  }
  if (needs_stage(plan)) {
    Born born{TRY(clone_through_stage(request, &arguments, far)), UniqueFd()};
    // It is this process's child, so the number is its own until it is waited for.
    born.pidfd.reset(static_cast<int>(syscall(SYS_pidfd_open, born.pid, 0)));
    return born.pidfd ? Result<Born>(std::move(born)) : Result<Born>(fail(errno, "pidfd_open {}", born.pid));
  }
  PidNamespace joined = TRY(PidNamespace::enter(plan.joins.empty() ? -1 : request.sources[plan.joins[0].slot].get()));
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

void end_child(pid_t pid) {
  (void)kill(pid, SIGKILL);  // it is this process's child and not waited for yet
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
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
  memory.header()->memory = memory.fd();

  std::string plan_fd = std::to_string(memory.fd());
  const char* const argv[] = {"minirun-init", plan_fd.c_str(), nullptr};
  bool maps = (request.plan->clone_flags & CLONE_NEWUSER) != 0;
  Far far{keep.data(), keep.size(), request.init_program.get(), argv, &memory.header()->report, theirs.get(),
          ours.get(),  maps,        request.plan->becomes_root};
  Born born = TRY(clone_far(request, &far));
  if (maps) {
    auto let_in = let_into_user_namespace(*request.plan, born.pid, ours.get());
    if (!let_in.ok()) end_child(born.pid);
    TRY(std::move(let_in));
  }
  memory.close_fd();
  return Child{born.pid, std::move(born.pidfd), std::move(ours), std::move(memory)};
}

static std::string why_step_failed(const Report& report) {
  std::string why = report.detail[0] != '\0' ? report.detail : call_name(report.syscall);
  while (!why.empty() && (why.back() == '\n' || why.back() == ' ')) why.pop_back();
  if (why.starts_with("e ")) why.erase(0, 2);  // fscontext log: severity first (fsopen(2))
  return why + ": " + errno_text(report.error);
}

static Error step_error(const Report& report, const std::string& told, size_t count) {
  if (told.empty()) return fail(0, "start the init program: {}", why_step_failed(report));
  return fail(0, "{}: {} [step {} of {}]", told, why_step_failed(report), report.step + 1, count);
}

Error step_error(const Plan& plan, const Report& report) {
  bool known = report.step < plan.steps.size();
  return step_error(report, known ? told_step(plan, report.step) : "", plan.steps.size());
}

Error step_error(const PlanMemory& memory) {
  Report report = memory.report();
  auto told = memory.told(report.step);
  return step_error(report, told ? told->second : "", memory.step_count());
}

}  // namespace minirun
