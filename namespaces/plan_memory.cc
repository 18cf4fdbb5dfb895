#include "namespaces/plan_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "namespaces/filesystem_log.h"
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

static std::string why_step_failed(const Report& report) {
  std::string why = report.detail[0] != '\0' ? filesystem_words(report.detail) : call_name(report.syscall);
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
