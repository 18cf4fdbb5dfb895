// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/filter.h"

#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/seccomp/code.h"
#include "runtime/seccomp/conditions.h"
#include "runtime/seccomp/join.h"
#include "runtime/seccomp/ranges.h"
#include "sys/file.h"
#include "sys/memory_file.h"

namespace minirun {
namespace {

struct ReleaseContext {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseContext>;

// A table of system calls that this machine's kernel has. One libseccomp context each, joined afterwards: libseccomp
// 2.5 takes ten times as long for three architectures in one as for one alone. Other architectures of a config cannot
// occur here.
struct SyscallTable {
  oci::SeccompArch arch;
  uint32_t token;  // SCMP_ARCH_*
  uint32_t audit_arch;
  uint32_t first;
  uint32_t last;                  // new calls are added up to here (and numbers from 2^30 on are none)
  bool words_of_32_bits = false;  // see ConditionalCode
};

// The native one first: every filter has it.
#if defined(__x86_64__)
constexpr uint32_t kX32Bit = 0x40000000;
constexpr SyscallTable kTables[] = {
    {oci::SeccompArch::x86_64, SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, 0, kX32Bit - 1},
    {oci::SeccompArch::x86, SCMP_ARCH_X86, AUDIT_ARCH_I386, 0, kX32Bit - 1, true},
    // From 512 on x32 has variants of its own, which are not newer than the common calls below.
    {oci::SeccompArch::x32, SCMP_ARCH_X32, AUDIT_ARCH_X86_64, kX32Bit, kX32Bit | 511, true},
};
#elif defined(__aarch64__)
constexpr SyscallTable kTables[] = {
    {oci::SeccompArch::aarch64, SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, 0, 0x3fffffff},
    {oci::SeccompArch::arm, SCMP_ARCH_ARM, AUDIT_ARCH_ARM, 0, 0xeffff, true},  // private calls from 0xf0000 on
};
#else
#error "name the tables of system calls that this machine's kernel has"
#endif

// One for each operator of the enum, in its order.
constexpr std::array<scmp_compare, 7> kOperators = {SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,       SCMP_CMP_EQ,
                                                    SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ};
static_assert(kOperators.size() == static_cast<size_t>(oci::SeccompOperator::masked_eq) + 1);

bool takes_errno(oci::SeccompAction action) {
  return action == oci::SeccompAction::error || action == oci::SeccompAction::trace;
}

// SECCOMP_RET_* with its data. Absent errno: EPERM, as the spec says.
Result<uint32_t> action_value(oci::SeccompAction action, const std::optional<uint32_t>& errno_ret) {
  if (errno_ret && !takes_errno(action))
    return fail(ErrorKind::config, "the action takes no errno value: {}", *errno_ret);
  const uint32_t data = errno_ret.value_or(EPERM);
  if (data > SECCOMP_RET_DATA)
    return fail(ErrorKind::config, "the errno value must be at most {}: {}", SECCOMP_RET_DATA, data);
  switch (action) {
    case oci::SeccompAction::kill_process:
      return SCMP_ACT_KILL_PROCESS;
    case oci::SeccompAction::kill_thread:
      return SCMP_ACT_KILL_THREAD;
    case oci::SeccompAction::trap:
      return SCMP_ACT_TRAP;
    case oci::SeccompAction::error:
      return SCMP_ACT_ERRNO(data);
    case oci::SeccompAction::trace:
      return SCMP_ACT_TRACE(data);
    case oci::SeccompAction::allow:
      return SCMP_ACT_ALLOW;
    case oci::SeccompAction::log:
      return SCMP_ACT_LOG;
    case oci::SeccompAction::notify:
      return SCMP_ACT_NOTIFY;
  }
  return fail(ErrorKind::config, "unknown action");
}

using Conditions = std::vector<oci::SeccompArg>;

// The alternatives of one rule of the config, each a list of conditions that must all hold.
std::vector<Conditions> alternatives(const std::vector<oci::SeccompArg>& args) {
  unsigned seen = 0;
  bool repeated = false;
  for (const oci::SeccompArg& arg : args) {
    repeated = repeated || (seen >> arg.index & 1) != 0;
    seen |= 1U << arg.index;
  }
  if (!repeated) return {args};
  std::vector<Conditions> one_each;
  for (const oci::SeccompArg& condition : args) one_each.push_back({condition});
  return one_each;
}

struct Rule {
  size_t index = 0;  // in linux.seccomp.syscalls
  uint32_t action = 0;
  std::vector<std::pair<const char*, int>> syscalls;  // name, the native number or libseccomp's stand-in for it
  std::vector<Conditions> alternatives;
};

// Adds unknown names to `skipped`.
Result<Rule> resolve(const oci::SeccompRule& rule, std::vector<std::string>& skipped) {
  Rule resolved;
  resolved.action = TRY(action_value(rule.action, rule.errno_ret));
  for (const oci::SeccompArg& arg : rule.args)
    if (arg.index > 5) return fail(ErrorKind::config, "args: index must be 0 to 5: {}", arg.index);
  resolved.alternatives = alternatives(rule.args);
  for (const std::string& name : rule.names) {
    const int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) {
      skipped.push_back(name);
    } else {
      resolved.syscalls.emplace_back(name.c_str(), number);
    }
  }
  return resolved;
}

Result<std::vector<Rule>> resolve_all(const oci::Seccomp& seccomp, std::vector<std::string>& skipped) {
  std::vector<Rule> rules;
  for (size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    auto rule = resolve(seccomp.syscalls[i], skipped);
    if (!rule.ok()) return wrap(rule.error(), fmt::format("/linux/seccomp/syscalls/{}", i));
    rule->index = i;
    rules.push_back(*std::move(rule));
  }
  std::sort(skipped.begin(), skipped.end());
  skipped.erase(std::unique(skipped.begin(), skipped.end()), skipped.end());
  return rules;
}

// i386 makes some calls through socketcall(2) or ipc(2): libseccomp compares the latter's first argument, and gives
// these calls negative numbers.
bool is_multiplexed(const SyscallTable& table, int number, const char* name) {
  using std::string_view_literals::operator""sv;
  return number < 0 || (table.arch == oci::SeccompArch::x86 && (name == "socketcall"sv || name == "ipc"sv));
}

Result<void> add_to_libseccomp(void* context, const Rule& rule, const char* name, int native) {
  for (const Conditions& conditions : rule.alternatives) {
    std::vector<scmp_arg_cmp> args;
    for (const oci::SeccompArg& arg : conditions) {
      // Clears an unused value: libseccomp would treat rules that differ only in it as different.
      const uint64_t second = arg.op == oci::SeccompOperator::masked_eq ? arg.value_two : 0;
      args.push_back({arg.index, kOperators.at(static_cast<size_t>(arg.op)), arg.value, second});
    }
    const int rc =
        seccomp_rule_add_array(context, rule.action, native, static_cast<unsigned>(args.size()), args.data());
    if (rc < 0) return fail(-rc, "/linux/seccomp/syscalls/{}: add a rule for {}", rule.index, name);
  }
  return {};
}

// The rules with conditions, which libseccomp does not get, by call in the order of the first rule. A rule without
// conditions for the same call overrides them, wherever it stands, as in libseccomp.
class ConditionalCalls {
 public:
  void add(uint32_t number, const Rule& rule) {
    auto call = std::find_if(calls_.begin(), calls_.end(), [&](const auto& one) { return one.number == number; });
    if (call == calls_.end()) call = calls_.insert(call, {number, {}});
    for (const Conditions& conditions : rule.alternatives) call->rules.push_back({conditions, rule.action});
  }
  void leave_out(uint32_t number) { idle_.push_back(number); }

  std::vector<ConditionalCall> take() && {
    auto is_idle = [this](const ConditionalCall& call) {
      return std::find(idle_.begin(), idle_.end(), call.number) != idle_.end();
    };
    calls_.erase(std::remove_if(calls_.begin(), calls_.end(), is_idle), calls_.end());
    return std::move(calls_);
  }

 private:
  std::vector<ConditionalCall> calls_;
  std::vector<uint32_t> idle_;
};

// Gives libseccomp the rules without conditions and those that need its knowledge, and `conditional` the rest.
Result<void> add_rule(void* context, const SyscallTable& table, const Rule& rule, ConditionalCalls& conditional) {
  const bool unconditional = rule.alternatives.size() == 1 && rule.alternatives[0].empty();
  for (const auto& [name, native] : rule.syscalls) {
    const int number = seccomp_syscall_resolve_name_arch(table.token, name);
    if (!unconditional && !is_multiplexed(table, number, name)) {
      conditional.add(static_cast<uint32_t>(number), rule);
      continue;
    }
    if (unconditional && number >= 0) conditional.leave_out(static_cast<uint32_t>(number));
    TRY(add_to_libseccomp(context, rule, name, native));
  }
  return {};
}

Result<std::string> export_bpf(void* context) {
#if SCMP_VER_MAJOR > 2 || (SCMP_VER_MAJOR == 2 && SCMP_VER_MINOR >= 6)
  size_t size = 0;
  int rc = seccomp_export_bpf_mem(context, nullptr, &size);
  std::string bytes(rc < 0 ? 0 : size, '\0');
  if (rc == 0) rc = seccomp_export_bpf_mem(context, bytes.data(), &size);
  if (rc < 0) return fail(-rc, "compile the seccomp filter");
  return bytes;
#else
  UniqueFd memory = TRY(memory_file("seccomp"));
  const int rc = seccomp_export_bpf(context, memory.get());
  if (rc < 0) return fail(-rc, "compile the seccomp filter");
  if (lseek(memory.get(), 0, SEEK_SET) < 0) return fail(errno, "lseek the seccomp filter");
  return read_all(memory.get(), size_t{1} << 20, "the seccomp filter");
#endif
}

// The context lacks SCMP_FLTATR_CTL_NNP and the flags, which matter only for seccomp_load.
unsigned filter_flags(const oci::Seccomp& seccomp) {
  unsigned flags = seccomp.flags.value_or(SECCOMP_FILTER_FLAG_SPEC_ALLOW);
  if (!notifies(seccomp)) return flags & ~unsigned{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
  if ((flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  return flags | SECCOMP_FILTER_FLAG_NEW_LISTENER;
}

// See compile_seccomp; if the default kills or traps, the profile's author wants to notice every call.
bool wants_enosys(uint32_t default_action) {
  return (default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && default_action != SCMP_ACT_ERRNO(ENOSYS);
}

// The highest number that the rules name, whatever their action. A name that the table lacks resolves to a negative
// number.
std::optional<uint32_t> newest_of(const SyscallTable& table, const std::vector<Rule>& rules) {
  int newest = -1;
  for (const Rule& rule : rules) {
    for (const auto& [name, native] : rule.syscalls) {
      const int number = seccomp_syscall_resolve_name_arch(table.token, name);
      if (number <= static_cast<int>(table.last)) newest = std::max(newest, number);
    }
  }
  return newest < 0 ? std::nullopt : std::optional(static_cast<uint32_t>(newest));
}

Result<TableFilter> compile_table(const SyscallTable& table, uint32_t default_action, const std::vector<Rule>& rules) {
  Context context(seccomp_init(default_action));
  if (!context)
    return fail(ErrorKind::host, "/linux/seccomp/defaultAction: libseccomp does not take it on this kernel");
  if (&table != &kTables[0]) {
    int rc = seccomp_arch_add(context.get(), table.token);
    if (rc == 0) rc = seccomp_arch_remove(context.get(), SCMP_ARCH_NATIVE);
    if (rc < 0) return fail(-rc, "/linux/seccomp/architectures: make a filter for architecture {:#x}", table.token);
  }
  ConditionalCalls conditional;
  for (const Rule& rule : rules)
    if (rule.action != default_action) TRY(add_rule(context.get(), table, rule, conditional));

  const std::string bytes = TRY(export_bpf(context.get()));
  BpfCode code(bytes.size() / sizeof(sock_filter));
  std::memcpy(code.data(), bytes.data(), code.size() * sizeof(sock_filter));
  code = search_by_ranges(code, table.audit_arch);
  TableFilter filter;
  filter.audit_arch = table.audit_arch;
  filter.first = table.first;
  filter.last = table.last;
  if (wants_enosys(default_action)) filter.newest = newest_of(table, rules);
  filter.code =
      conditional_code(std::move(conditional).take(), {table.audit_arch, default_action, table.words_of_32_bits});
  filter.code.insert(filter.code.end(), code.begin(), code.end());
  return filter;
}

}  // namespace

Result<SeccompProgram> compile_seccomp(const oci::Seccomp& seccomp) {
  auto default_action = action_value(seccomp.default_action, seccomp.default_errno_ret);
  if (!default_action.ok()) return wrap(default_action.error(), "/linux/seccomp/defaultAction");
  SeccompProgram program;
  const std::vector<Rule> rules = TRY(resolve_all(seccomp, program.skipped_syscalls));
  std::vector<TableFilter> filters;
  for (const SyscallTable& table : kTables) {
    const auto& wanted = seccomp.architectures;
    if (&table != &kTables[0] && std::find(wanted.begin(), wanted.end(), table.arch) == wanted.end()) continue;
    filters.push_back(TRY(compile_table(table, *default_action, rules)));
  }
  program.filter = join_filters(filters);
  if (program.filter.size() > BPF_MAXINSNS)
    return fail(ErrorKind::config, "/linux/seccomp: the filter has {} instructions, the kernel takes {}",
                program.filter.size(), BPF_MAXINSNS);
  program.flags = filter_flags(seccomp);
  return program;
}

std::string libseccomp_version() {
  const scmp_version* version = seccomp_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->micro);
}

bool kernel_has_action(uint32_t action) {
  return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

}  // namespace minirun
