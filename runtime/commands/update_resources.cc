// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/update_resources.h"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "runtime/compile/resources.h"
#include "runtime/diagnosis/death.h"
#include "runtime/oci/checker.h"
#include "runtime/oci/parse.h"
#include "runtime/text/byte_size.h"
#include "runtime/text/json.h"
#include "runtime/text/log.h"
#include "sys/file.h"

namespace minirun {
namespace {

// The option for each property, so that a problem names what the user wrote.
struct Option {
  const char* name;
  const char* pointer;
  bool (*given)(const UpdateCommand&);
};

bool has_text(const std::optional<std::string>& text) {
  return text && !text->empty();  // an empty value counts as absent, as in runc
}

constexpr Option kOptions[] = {
    {"--blkio-weight", "/blockIO/weight", [](const UpdateCommand& c) { return c.blkio_weight.has_value(); }},
    {"--cpu-period", "/cpu/period", [](const UpdateCommand& c) { return c.cpu_period.has_value(); }},
    {"--cpu-quota", "/cpu/quota", [](const UpdateCommand& c) { return c.cpu_quota.has_value(); }},
    {"--cpu-burst", "/cpu/burst", [](const UpdateCommand& c) { return c.cpu_burst.has_value(); }},
    {"--cpu-rt-period", "/cpu/realtimePeriod", [](const UpdateCommand& c) { return c.cpu_rt_period.has_value(); }},
    {"--cpu-rt-runtime", "/cpu/realtimeRuntime", [](const UpdateCommand& c) { return c.cpu_rt_runtime.has_value(); }},
    {"--cpu-share", "/cpu/shares", [](const UpdateCommand& c) { return c.cpu_share.has_value(); }},
    {"--cpu-idle", "/cpu/idle", [](const UpdateCommand& c) { return c.cpu_idle.has_value(); }},
    {"--cpuset-cpus", "/cpu/cpus", [](const UpdateCommand& c) { return has_text(c.cpuset_cpus); }},
    {"--cpuset-mems", "/cpu/mems", [](const UpdateCommand& c) { return has_text(c.cpuset_mems); }},
    {"--memory", "/memory/limit", [](const UpdateCommand& c) { return has_text(c.memory); }},
    {"--memory-reservation", "/memory/reservation",
     [](const UpdateCommand& c) { return has_text(c.memory_reservation); }},
    {"--memory-swap", "/memory/swap", [](const UpdateCommand& c) { return has_text(c.memory_swap); }},
    {"--kernel-memory", "/memory/kernel", [](const UpdateCommand& c) { return has_text(c.kernel_memory); }},
    {"--kernel-memory-tcp", "/memory/kernelTCP", [](const UpdateCommand& c) { return has_text(c.kernel_memory_tcp); }},
    {"--pids-limit", "/pids/limit", [](const UpdateCommand& c) { return c.pids_limit.has_value(); }},
};

constexpr std::string_view kBase = "/linux/resources";

// Translates a pointer of config.json to the option, or to the file and its property.
std::string given_as(std::string_view pointer, const UpdateCommand& command, const std::string& file) {
  if (pointer.starts_with(kBase)) pointer.remove_prefix(kBase.size());
  for (const Option& option : kOptions)
    if (pointer == option.pointer && option.given(command)) return option.name;
  return fmt::format("{}{}{}", file, pointer.empty() || file.empty() ? "" : ": ", pointer);
}

std::string line_for(const Problem& problem, const UpdateCommand& command, const std::string& file) {
  return given_as(problem.pointer, command, file) + ": " + problem.message;
}

Error as_error(const Problems& problems, const UpdateCommand& command, const std::string& file) {
  std::string text;
  for (const Problem& problem : problems) text += (text.empty() ? "" : "\n") + line_for(problem, command, file);
  Error error{0, std::move(text), ErrorKind::config};
  error.change_details().problems = problems;
  return error;
}

Result<oci::Resources> parse_file(const UpdateCommand& command, std::string_view json, const std::string& file) {
  auto document = JsonDocument::parse(json);
  if (!document.ok()) return fail(ErrorKind::config, "{}:{}", file, document.error().message);
  ParseOutcome parsed = parse_resources(**document);
  // A warning, because the request has no effect.
  for (const UnknownProperty& property : parsed.unknown)
    report_line(fmt::format("minirun: warning: {}: {}: unknown property, ignored", file, property.pointer));
  UpdateCommand file_alone;
  file_alone.id = command.id;
  if (!parsed.problems.empty()) return as_error(parsed.problems, file_alone, file);
  return std::move(parsed.spec.linux_.resources).value_or(oci::Resources{});
}

template <class T>
T& made(std::optional<T>& object) {
  return object ? *object : object.emplace();
}

Result<void> take_size(const char* option, const std::optional<std::string>& text, std::optional<oci::Memory>* memory,
                       std::optional<int64_t> oci::Memory::*member) {
  if (!has_text(text)) return {};
  auto size = parse_byte_size(*text);
  if (!size.ok()) return wrap(size.error(), option);
  made(*memory).*member = *size;
  return {};
}

Result<void> take_memory_options(const UpdateCommand& c, oci::Resources* resources) {
  auto* memory = &resources->memory;
  TRY(take_size("--memory", c.memory, memory, &oci::Memory::limit));
  TRY(take_size("--memory-reservation", c.memory_reservation, memory, &oci::Memory::reservation));
  TRY(take_size("--memory-swap", c.memory_swap, memory, &oci::Memory::swap));
  TRY(take_size("--kernel-memory", c.kernel_memory, memory, &oci::Memory::kernel));
  return take_size("--kernel-memory-tcp", c.kernel_memory_tcp, memory, &oci::Memory::kernel_tcp);
}

void take_cpu_options(const UpdateCommand& c, oci::Resources* resources) {
  auto* cpu = &resources->cpu;
  if (c.cpu_period) made(*cpu).period = c.cpu_period;
  if (c.cpu_quota) made(*cpu).quota = c.cpu_quota;
  if (c.cpu_burst) made(*cpu).burst = c.cpu_burst;
  if (c.cpu_rt_period) made(*cpu).realtime_period = c.cpu_rt_period;
  if (c.cpu_rt_runtime) made(*cpu).realtime_runtime = c.cpu_rt_runtime;
  if (c.cpu_share) made(*cpu).shares = c.cpu_share;
  if (c.cpu_idle) made(*cpu).idle = c.cpu_idle;
  if (has_text(c.cpuset_cpus)) made(*cpu).cpus = *c.cpuset_cpus;
  if (has_text(c.cpuset_mems)) made(*cpu).mems = *c.cpuset_mems;
}

// Checks option values that config.json's parser would refuse.
void check_option_ranges(const UpdateCommand& c, Problems* problems) {
  if (c.cpu_idle && *c.cpu_idle != 0 && *c.cpu_idle != 1)
    problems->push_back({"/cpu/idle", fmt::format("must be 0 or 1: found {}", *c.cpu_idle)});
  if (c.cpu_quota && *c.cpu_quota < -1)
    problems->push_back(
        {"/cpu/quota", fmt::format("must be microseconds, or -1 for no limit: found {}", *c.cpu_quota)});
  if (c.pids_limit && *c.pids_limit < -1)
    problems->push_back({"/pids/limit", fmt::format("must be a number, or -1 for no limit: found {}", *c.pids_limit)});
}

// The present sum of memory and swap. Without swap they are separate: more memory must not add swap.
std::optional<int64_t> memory_and_swap(const CurrentLimits& current) {
  int64_t memory = current.memory_bytes.value_or(-1), swap = current.swap_bytes.value_or(-1);
  if (memory <= 0 || swap <= 0 || memory > INT64_MAX - swap) return std::nullopt;
  return memory + swap;
}

// Whether only memory is given, which keeps the sum of both, as in docker and runc.
bool keeps_sum(const oci::Memory& memory) {
  return memory.limit.value_or(0) > 0 && memory.swap.value_or(0) == 0;
}

void check_sum(const oci::Resources& resources, const CurrentLimits& current, Problems* problems) {
  auto sum = memory_and_swap(current);
  if (!sum || !resources.memory || !keeps_sum(*resources.memory) || *resources.memory->limit <= *sum) return;
  problems->push_back({"/linux/resources/memory/limit",
                       fmt::format("is more than memory and swap together, which stay {}: give a swap (--memory-swap) "
                                   "too: found {}",
                                   *sum, *resources.memory->limit)});
}

// -1 for "max"; empty: the file does not exist.
Result<std::optional<int64_t>> read_limit(int cgroup_fd, const char* file, std::string* rest = nullptr) {
  auto text = read_file(cgroup_fd, file);
  if (!text && text.error().code == ENOENT) return std::optional<int64_t>();
  if (!text) return text.error();
  const std::string& content = *text;
  if (rest != nullptr) *rest = content.substr(std::min(content.size(), content.find(' ') + 1));
  int64_t value = -1;
  const char* end = content.data() + content.size();
  if (!content.starts_with("max") && std::from_chars(content.data(), end, value).ec != std::errc())
    return fail(EINVAL, "read {} of the cgroup: {}", file, quoted(content));
  return std::optional<int64_t>(value);
}

// The new and the remaining limits together, as a config.json for them would have.
oci::Resources with_current(oci::Resources resources, const CurrentLimits& current) {
  if (resources.memory) {
    oci::Memory& memory = *resources.memory;
    if (memory.swap.value_or(0) > 0 && memory.limit.value_or(0) == 0) memory.limit = current.memory_bytes;
    // As in runc since cgroup v1, whose limit was the sum of memory and swap.
    if (memory.limit == -1 && memory.swap.value_or(0) == 0) memory.swap = -1;
    if (auto sum = memory_and_swap(current); sum && keeps_sum(memory)) memory.swap = std::max(*sum, *memory.limit);
  }
  if (resources.cpu) {
    oci::Cpu& cpu = *resources.cpu;
    bool bandwidth = cpu.period.value_or(0) != 0 || cpu.burst.value_or(0) != 0;
    if (bandwidth && !cpu.quota) cpu.quota = current.quota_us;
  }
  return resources;
}

auto find_write(std::vector<Write>& writes, std::string_view file) {
  return std::find_if(writes.begin(), writes.end(), [&](const Write& write) { return write.file == file; });
}

// Removes the write that with_current() filled in: `unified` asks for another one to the same file.
void erase_filled(std::vector<Write>* writes, std::string_view file) {
  auto filled = find_write(*writes, file);
  if (filled != writes->end() && !filled->origin.starts_with("/linux/resources/unified/")) writes->erase(filled);
}

// Moves the later file's write in front of the earlier file's.
void put_first(std::vector<Write>* writes, std::string_view later, std::string_view earlier) {
  auto first = find_write(*writes, earlier);
  auto second = find_write(*writes, later);
  if (first < second && second != writes->end()) std::rotate(first, second, second + 1);
}

}  // namespace

void describe(Options& options, UpdateCommand& command) {
  options.value("-r,--resources", "FILE", command.resources, "a resources object as in config.json; - reads stdin");
  options.group("Memory");
  options.value("--memory", "SIZE", command.memory, "memory limit, such as 64M; -1: no limit");
  options.value("--memory-reservation", "SIZE", command.memory_reservation,
                "memory protected from reclaim, such as 32M");
  options.value("--memory-swap", "SIZE", command.memory_swap, "memory and swap together, such as 128M; -1: no limit");
  options.group("CPU");
  options.value("--cpu-quota", "USEC", command.cpu_quota, "microseconds of CPU time in each period; -1: no limit");
  options.value("--cpu-period", "USEC", command.cpu_period, "length of the period, 1000 to 1000000");
  options.value("--cpu-burst", "USEC", command.cpu_burst, "unused quota that may be saved for later");
  options.value("--cpu-share", "N", command.cpu_share, "weight of its CPU use against other cgroups, 2 to 262144");
  options.value("--cpu-idle", "0|1", command.cpu_idle, "1: run only when nothing else wants the CPU");
  options.value("--cpuset-cpus", "LIST", command.cpuset_cpus, "CPUs to run on, such as 0-3,7");
  options.value("--cpuset-mems", "LIST", command.cpuset_mems, "memory nodes to use, such as 0-1");
  options.group("Processes and I/O");
  options.value("--pids-limit", "N", command.pids_limit, "number of processes and threads; -1: no limit");
  options.value("--blkio-weight", "N", command.blkio_weight, "weight of its I/O against other cgroups, 10 to 1000");
  options.group("Intel RDT");
  options.value("--l3-cache-schema", "SCHEMA", command.l3_cache_schema, "cache allocation, such as L3:0=f0");
  options.value("--mem-bw-schema", "SCHEMA", command.mem_bw_schema, "memory bandwidth, such as MB:0=70");
  options.group("Only for cgroup v1 (refused unless they ask for nothing)");
  options.value("--cpu-rt-period", "USEC", command.cpu_rt_period, "period of real-time tasks");
  options.value("--cpu-rt-runtime", "USEC", command.cpu_rt_runtime, "CPU time of real-time tasks");
  options.value("--kernel-memory", "SIZE", command.kernel_memory, "kernel memory limit");
  options.value("--kernel-memory-tcp", "SIZE", command.kernel_memory_tcp, "TCP buffer memory limit");
  options.id(command.id);
}

Result<CurrentLimits> read_current_limits(int cgroup_fd) {
  CurrentLimits current;
  current.memory_bytes = TRY(read_limit(cgroup_fd, "memory.max"));
  current.swap_bytes = TRY(read_limit(cgroup_fd, "memory.swap.max"));
  current.used_bytes = TRY(read_limit(cgroup_fd, "memory.current"));
  std::string period;
  current.quota_us = TRY(read_limit(cgroup_fd, "cpu.max", &period));
  uint64_t number = 0;
  if (std::from_chars(period.data(), period.data() + period.size(), number).ec == std::errc())
    current.period_us = number;
  auto burst = TRY(read_limit(cgroup_fd, "cpu.max.burst"));
  if (burst) current.burst_us = static_cast<uint64_t>(std::max<int64_t>(*burst, 0));
  return current;
}

Result<oci::Resources> requested_resources(const UpdateCommand& command, std::string_view json,
                                           const std::string& file) {
  oci::Resources resources;
  if (!json.empty() || !command.resources.empty()) resources = TRY(parse_file(command, json, file));
  TRY(take_memory_options(command, &resources));
  take_cpu_options(command, &resources);
  if (command.blkio_weight) made(resources.block_io).weight = command.blkio_weight;
  if (command.pids_limit) resources.pids_limit = command.pids_limit;
  return resources;
}

Result<void> check_resources_for(const UpdateCommand& command, const oci::Resources& resources,
                                 const CurrentLimits& current, const std::string& file) {
  oci::Spec spec;
  spec.linux_.resources = with_current(resources, current);
  Checker checker(spec);
  check_option_ranges(command, &checker.findings.problems);
  check_sum(resources, current, &checker.findings.problems);
  check_resources(checker);
  check_only_v1(checker);
  for (const Problem& warning : checker.findings.warnings)
    report_line("minirun: warning: " + line_for(warning, command, file));
  if (checker.findings.problems.empty()) return {};
  return as_error(checker.findings.problems, command, file);
}

std::string below_usage(const UpdateCommand& command, const oci::Resources& resources, const CurrentLimits& current,
                        const std::string& file) {
  if (!resources.memory || resources.memory->check_before_update) return "";
  int64_t limit = resources.memory->limit.value_or(0), used = current.used_bytes.value_or(0);
  if (limit <= 0 || limit >= used) return "";
  return fmt::format(
      "{}: {} is less than the {} in use: the kernel takes memory back and kills processes until it fits",
      given_as("/linux/resources/memory/limit", command, file), human_bytes(static_cast<uint64_t>(limit)),
      human_bytes(static_cast<uint64_t>(used)));
}

Error name_as_given_to_update(Error error, const UpdateCommand& command, const std::string& file) {
  const std::string pointer = error.details().pointer;
  if (pointer.starts_with(kBase) && error.message.starts_with(pointer))
    error.message.replace(0, pointer.size(), given_as(pointer, command, file));
  return error;
}

Result<LimitPlan> plan_change(const oci::Resources& resources, const CurrentLimits& current, uint32_t extra_tasks) {
  oci::Resources all = with_current(resources, current);
  LimitPlan plan = TRY(plan_limits(limits_of(all), extra_tasks));
  std::vector<Write>& writes = plan.writes;
  bool limit_given = resources.memory && resources.memory->limit.value_or(0) != 0;
  if (!limit_given) erase_filled(&writes, "memory.max");
  bool quota_given = resources.cpu && (resources.cpu->quota || resources.cpu->period.value_or(0) != 0);
  if (!quota_given) erase_filled(&writes, "cpu.max");

  // plan_limits() sets the swap first, which is right when memory is lowered. More memory comes before less swap.
  int64_t old_limit = current.memory_bytes.value_or(-1);
  int64_t new_limit = limit_given ? *resources.memory->limit : old_limit;
  bool raised = old_limit != -1 && (new_limit == -1 || new_limit > old_limit);
  if (raised) put_first(&writes, "memory.max", "memory.swap.max");
  // A quota must not be under the burst: a smaller burst comes before the quota, a larger one after it.
  bool smaller_burst = all.cpu && all.cpu->burst && *all.cpu->burst < current.burst_us.value_or(0);
  if (smaller_burst) put_first(&writes, "cpu.max.burst", "cpu.max");
  return plan;
}

}  // namespace minirun
