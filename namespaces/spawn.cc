#include "namespaces/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "namespaces/kernel.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"

namespace minirun {

Result<PlanMemory> PlanMemory::create(const std::string& image) {
  // A host may refuse memfds that do not promise never to be executed (vm.memfd_noexec=2).
  int number = static_cast<int>(syscall(SYS_memfd_create, "minirun-plan", abi::kMfdCloexec | abi::kMfdNoexecSeal));
  if (number < 0 && errno == EINVAL)  // before Linux 6.3
    number = static_cast<int>(syscall(SYS_memfd_create, "minirun-plan", abi::kMfdCloexec));
  UniqueFd fd(number);
  if (!fd) return fail(errno, "memfd_create");
  if (write(fd.get(), image.data(), image.size()) != static_cast<ssize_t>(image.size()))
    return fail(errno, "write the plan ({} bytes)", image.size());
  void* at = mmap(nullptr, image.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail(errno, "map the plan");
  return PlanMemory(std::move(fd), static_cast<PlanHeader*>(at), image.size());
}

PlanMemory::PlanMemory(PlanMemory&& other) noexcept
    : fd_(std::move(other.fd_)), header_(std::exchange(other.header_, nullptr)), bytes_(other.bytes_) {}

PlanMemory& PlanMemory::operator=(PlanMemory&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(header_, other.header_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

PlanMemory::~PlanMemory() {
  if (header_ != nullptr) munmap(header_, bytes_);
}

Report PlanMemory::report() const {
  Report copy = header_->report;
  copy.detail[kDetailBytes - 1] = '\0';
  return copy;
}

namespace {

// All that the child needs between clone and exec. It runs in this process's memory with this process suspended, so it
// may call nothing but the kernel and must not return.
struct Far {
  const int* keep;  // descriptors that stay open over the exec of the init program
  size_t keep_count;
  int program;
  const char* const* argv;
  Report* report;
};

[[noreturn]] void far_entry(void* pointer) {
  auto* far = static_cast<Far*>(pointer);
  for (size_t i = 0; i < far->keep_count; i++)
    RawKernel::call(SYS_fcntl, static_cast<uint64_t>(far->keep[i]), F_SETFD, 0);
  RawKernel::call(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL);
  const char* const environment[] = {nullptr};
  long rc =
      RawKernel::call(SYS_execveat, static_cast<uint64_t>(far->program), reinterpret_cast<uint64_t>(""),
                      reinterpret_cast<uint64_t>(far->argv), reinterpret_cast<uint64_t>(environment), AT_EMPTY_PATH);
  far->report->step = kNoStep;
  far->report->syscall = SYS_execveat;
  far->report->error = static_cast<int32_t>(-rc);
  far->report->state = kFailed;
  RawKernel::exit(127);
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

Result<pid_t> clone_far(const SpawnRequest& request, Far* far, int* pidfd) {
  alignas(16) static char stack[16384];
  abi::CloneArguments arguments{};
  arguments.flags = request.plan->clone_flags | CLONE_PIDFD | CLONE_VM | CLONE_VFORK;
  arguments.pidfd = reinterpret_cast<uint64_t>(pidfd);
  arguments.exit_signal = SIGCHLD;
  arguments.stack = reinterpret_cast<uint64_t>(stack);
  arguments.stack_size = sizeof stack;
  if (request.cgroup_fd >= 0) {
    arguments.flags |= 0x200000000ULL;  // CLONE_INTO_CGROUP
    arguments.cgroup = static_cast<uint64_t>(request.cgroup_fd);
  }
  uint32_t slot = request.plan->pid_namespace;
  PidNamespace joined = TRY(PidNamespace::enter(slot == kNoSlot ? -1 : request.sources[slot].get()));
  long pid = clone_into(&arguments, sizeof arguments, far_entry, far);
  if (pid < 0) return fail(static_cast<int>(-pid), "clone3 ({})", namespace_names(request.plan->clone_flags));
  return static_cast<pid_t>(pid);
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

  std::string plan_fd = std::to_string(memory.fd());
  const char* const argv[] = {"minirun-init", plan_fd.c_str(), nullptr};
  Far far{keep.data(), keep.size(), request.init_program.get(), argv, &memory.header()->report};
  int pidfd = -1;
  pid_t pid = TRY(clone_far(request, &far, &pidfd));
  memory.close_fd();
  return Child{pid, UniqueFd(pidfd), std::move(ours), std::move(memory)};
}

Error step_error(const Plan& plan, const Report& report) {
  std::string why = report.detail[0] != '\0' ? report.detail : call_name(report.syscall);
  while (!why.empty() && (why.back() == '\n' || why.back() == ' ')) why.pop_back();
  if (why.starts_with("e ")) why.erase(0, 2);  // fscontext log: severity first (fsopen(2))
  if (report.step >= plan.steps.size()) return fail(0, "start the init program: {}: {}", why, errno_text(report.error));
  std::string what = describe(plan, report.step);
  if (what.ends_with(':')) what.pop_back();  // the heading of a list in a printed plan
  if (!plan.origins[report.step].empty()) what = plan.origins[report.step] + ": " + what;
  return fail(0, "{}: {}: {} [step {} of {}]", what, why, errno_text(report.error), report.step + 1, plan.steps.size());
}

}  // namespace minirun
