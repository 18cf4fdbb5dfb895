// SPDX-License-Identifier: Apache-2.0
#include "namespaces/plan_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "namespaces/filesystem_log.h"
#include "sys/memory_file.h"

namespace minirun {

constexpr int kPlanSeals = F_SEAL_SHRINK | F_SEAL_GROW;

// For each format with a number.
static PlanPlaces own_places(const PlanHeader& header) {
  return {header.step_count,
          header.texts,
          sizeof(uint32_t),
          header.execute,
          offsetof(PlanHeader, listener),
          offsetof(PlanHeader, report),
          0};
}

// Whether the image contains such a table with aligned entries.
static bool has_table(size_t bytes, uint32_t offset, uint32_t count, uint32_t entry, uint32_t alignment) {
  return offset <= bytes && offset % alignment == 0 && count <= (bytes - offset) / entry;
}

// As 65916da wrote it, with an operation's number in place of PlanHeader::execute. Never change this.
static std::optional<PlanPlaces> unnumbered_places(const char* image, size_t bytes) {
  struct {
    uint64_t magic;
    uint32_t total_bytes, step_count, steps;
  } header;
  constexpr uint64_t kMagic = 0x324e4c505552494dULL;  // "MIRUPLN2"
  constexpr uint32_t kHeader = 336, kListener = 40, kReport = 72;
  constexpr uint32_t kStep = 56, kTold = 4;  // a step's size; the offset of its text's offset
  constexpr uint16_t kExecute = 49;          // the operation, a step's first member
  if (bytes < kHeader) return std::nullopt;
  memcpy(&header, image, sizeof header);
  if (header.magic != kMagic || !has_table(bytes, header.steps, header.step_count, kStep, 8)) return std::nullopt;
  PlanPlaces places{header.step_count, header.steps + kTold, kStep, kNoStep, kListener, kReport};
  for (uint32_t i = 0; i < header.step_count; i++) {
    uint16_t operation = 0;
    memcpy(&operation, image + header.steps + size_t{i} * kStep, sizeof operation);
    if (operation == kExecute) places.execute = i;
  }
  return places;
}

std::optional<PlanPlaces> find_places(const char* image, size_t bytes, uint32_t format) {
  if (format == kUnnumberedPlanFormat) return unnumbered_places(image, bytes);
  PlanHeader header;
  if (format < kOldestNumberedPlanFormat || format > kPlanFormat || bytes < sizeof header) return std::nullopt;
  memcpy(&header, image, sizeof header);
  bool sound = header.magic == kPlanMagic && header.format == format &&
               has_table(bytes, header.texts, header.step_count, sizeof(uint32_t), sizeof(uint32_t));
  return sound ? std::optional(own_places(header)) : std::nullopt;
}

Result<PlanMemory> PlanMemory::create(const std::string& image) {
  UniqueFd fd = TRY(memory_file("minirun-plan"));
  if (write(fd.get(), image.data(), image.size()) != static_cast<ssize_t>(image.size()))
    return fail(errno, "write the plan ({} bytes)", image.size());
  // Seals it so that no process can shrink it while others map it.
  if (fcntl(fd.get(), F_ADD_SEALS, kPlanSeals) < 0) return fail(errno, "seal the plan");
  void* at = mmap(nullptr, image.size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail(errno, "map the plan");
  const auto& header = *reinterpret_cast<const PlanHeader*>(image.data());
  PlanPlaces places = own_places(header);
  places.stamps = header.stamps;
  return PlanMemory(std::move(fd), static_cast<char*>(at), image.size(), places);
}

PlanMemory::PlanMemory(PlanMemory&& other) noexcept
    : fd_(std::move(other.fd_)),
      base_(std::exchange(other.base_, nullptr)),
      bytes_(other.bytes_),
      places_(other.places_) {}

PlanMemory::~PlanMemory() {
  if (base_ != nullptr) munmap(base_, bytes_);
}

Result<PlanMemory> PlanMemory::map(UniqueFd fd, uint32_t format) {
  struct stat facts {};
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat the plan");
  auto bytes = static_cast<size_t>(facts.st_size);
  int seals = fcntl(fd.get(), F_GET_SEALS);  // EINVAL: no memfd
  if (bytes == 0 || seals < 0 || (seals & kPlanSeals) != kPlanSeals)
    return fail(EPROTO, "the container's init sends no plan");
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (at == MAP_FAILED) return fail(errno, "map the plan");
  PlanMemory memory(std::move(fd), static_cast<char*>(at), bytes, PlanPlaces{});
  auto places = find_places(memory.base_, bytes, format);
  if (!places) return fail(EPROTO, "the container's init sends no plan of format {}", format);
  memory.places_ = *places;
  return memory;
}

std::optional<std::string> PlanMemory::step_text(uint32_t step) const {
  if (step >= places_.step_count) return std::nullopt;
  uint32_t text = 0;
  memcpy(&text, base_ + places_.texts + size_t{step} * places_.text_stride, sizeof text);
  if (text == kNoText || text >= bytes_) return std::nullopt;
  return std::string(base_ + text, strnlen(base_ + text, bytes_ - text));
}

std::optional<int> PlanMemory::offered_listener() const {
  uint32_t value = __atomic_load_n(listener(), __ATOMIC_ACQUIRE);
  if (value < kListenerOffered) return std::nullopt;
  return static_cast<int>(value - kListenerOffered);
}

std::vector<Stamp> PlanMemory::stamps() const {
  if (base_ == nullptr || places_.stamps == 0) return {};
  std::vector<Stamp> copy(places_.step_count);
  memcpy(copy.data(), base_ + places_.stamps, copy.size() * sizeof(Stamp));
  return copy;
}

void PlanMemory::answer_listener(SeccompListener answer) {
  __atomic_store_n(listener(), static_cast<uint32_t>(answer), __ATOMIC_RELEASE);
}

Report PlanMemory::report() const {
  Report copy{};
  if (base_ == nullptr) return copy;
  memcpy(&copy, base_ + places_.report, sizeof copy);
  copy.detail[kDetailBytes - 1] = '\0';
  return copy;
}

// text: "" for a failure before the first step.
static Error step_error(const Report& report, const std::string& text, size_t count) {
  std::string call = call_name(report.syscall);
  std::string why = report.detail[0] != '\0' ? filesystem_words(report.detail) : call;
  Error error = fail(ErrorKind::setup, report.error, "{}: {}", text.empty() ? "start the init program" : text, why);
  ErrorDetail& detail = error.change_details();
  detail.call = call;
  if (text.empty()) return error;
  detail.step = report.step + 1;
  detail.steps = static_cast<uint32_t>(count);
  return error;
}

Error step_error(const Plan& plan, const Report& report) {
  if (report.step >= plan.steps.size()) return step_error(report, "", 0);
  Error error = step_error(report, step_with_origin(plan, report.step), plan.steps.size());
  ErrorDetail& detail = error.change_details();
  detail.pointer = plan.origins[report.step];
  detail.path = path_of(plan, report.step);
  return error;
}

Error step_error(const PlanMemory& memory) {
  Report report = memory.report();
  std::string text = memory.step_text(report.step).value_or("");
  Error error = step_error(report, text, memory.step_count());
  // Only the text of the step was sent, which begins with its pointer: step_with_origin().
  if (text.starts_with('/')) error.change_details().pointer = text.substr(0, text.find(": "));
  return error;
}

}  // namespace minirun
