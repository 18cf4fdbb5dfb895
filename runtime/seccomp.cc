#include "runtime/seccomp.h"

#include <fmt/format.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "runtime/seccomp_enosys.h"
#include "sys/file.h"

namespace minirun {
namespace {

// libseccomp <= 2.5.4 builds a wrong tree of no rules at all, and below some tens of system calls a tree saves nothing.
constexpr size_t kTreePays = 32;

struct ReleaseContext {
  void operator()(void* context) const { seccomp_release(context); }
};
using Context = std::unique_ptr<void, ReleaseContext>;

// libseccomp's names, in the order of the enum. Resolved at run time: 2.5 does not know all of them.
constexpr std::array<const char*, 23> kArchNames = {
    "x86",    "x86_64",    "x32",    "arm",      "aarch64",     "loongarch64", "m68k",   "mips",
    "mips64", "mips64n32", "mipsel", "mipsel64", "mipsel64n32", "ppc",         "ppc64",  "ppc64le",
    "s390",   "s390x",     "sh",     "sheb",     "parisc",      "parisc64",    "riscv64"};
static_assert(kArchNames.size() == static_cast<size_t>(oci::SeccompArch::riscv64) + 1);

// A member is there for each operator of the enum, in its order.
constexpr std::array<scmp_compare, 7> kOperators = {SCMP_CMP_NE, SCMP_CMP_LT, SCMP_CMP_LE,       SCMP_CMP_EQ,
                                                    SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ};
static_assert(kOperators.size() == static_cast<size_t>(oci::SeccompOperator::masked_eq) + 1);

bool takes_errno(oci::SeccompAction action) {
  return action == oci::SeccompAction::error || action == oci::SeccompAction::trace;
}

// SECCOMP_RET_* with its data. Absent errno: EPERM, as the spec has it.
Result<uint32_t> action_value(oci::SeccompAction action, const std::optional<uint32_t>& errno_ret) {
  if (errno_ret && !takes_errno(action)) return fail(0, "the action takes no errno value: {}", *errno_ret);
  const uint32_t data = errno_ret.value_or(EPERM);
  if (data > SECCOMP_RET_DATA) return fail(0, "the errno value must be at most {}: {}", SECCOMP_RET_DATA, data);
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
      break;
  }
  return fail(0, "SCMP_ACT_NOTIFY is not supported yet");
}

// The native architecture and those of the config, each once.
Result<std::vector<uint32_t>> add_architectures(void* context, const std::vector<oci::SeccompArch>& architectures) {
  std::vector<uint32_t> tokens = {seccomp_arch_native()};
  for (oci::SeccompArch arch : architectures) {
    const char* name = kArchNames.at(static_cast<size_t>(arch));
    const uint32_t token = seccomp_arch_resolve_name(name);
    if (token == 0)
      return fail(0, "/linux/seccomp/architectures: libseccomp {} knows no {}", libseccomp_version(), name);
    if (std::find(tokens.begin(), tokens.end(), token) != tokens.end()) continue;
    const int rc = seccomp_arch_add(context, token);
    if (rc < 0) return fail(-rc, "/linux/seccomp/architectures: add {} to the filter", name);
    tokens.push_back(token);
  }
  return tokens;
}

using Conditions = std::vector<scmp_arg_cmp>;

// The argument lists of the libseccomp rules that one rule of the config needs.
std::vector<Conditions> alternatives(const std::vector<oci::SeccompArg>& args) {
  Conditions all;
  unsigned seen = 0;
  bool repeated = false;
  for (const oci::SeccompArg& arg : args) {
    all.push_back({arg.index, kOperators.at(static_cast<size_t>(arg.op)), arg.value, arg.value_two});
    // A value that is not read: libseccomp would take two rules that differ in it alone for different ones.
    if (arg.op != oci::SeccompOperator::masked_eq) all.back().datum_b = 0;
    repeated = repeated || (seen >> arg.index & 1) != 0;
    seen |= 1U << arg.index;
  }
  if (!repeated) return {all};
  std::vector<Conditions> one_each;
  for (const scmp_arg_cmp& condition : all) one_each.push_back({condition});
  return one_each;
}

// A table of system calls that grows at its end: what lies above the profile's newest is newer than it. ARM (private
// calls from 0xf0000 on) and the others get no such answer. `last` as in NewestSyscall.
struct SyscallTable {
  uint32_t token;  // libseccomp's SCMP_ARCH_*
  uint32_t audit_arch;
  uint32_t last;
};
// -1 is what a tracer skips; x32 has its own variants from 512 on, which are not newer than the common ones below.
constexpr uint32_t kX32Bit = 0x40000000;
constexpr SyscallTable kTables[] = {{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, kX32Bit - 1},
                                    {SCMP_ARCH_X32, AUDIT_ARCH_X86_64, kX32Bit | 511},
                                    {SCMP_ARCH_X86, AUDIT_ARCH_I386, kX32Bit - 1},
                                    {SCMP_ARCH_AARCH64, AUDIT_ARCH_AARCH64, kX32Bit - 1},
                                    {SCMP_ARCH_RISCV64, AUDIT_ARCH_RISCV64, kX32Bit - 1}};

class Compiler {
 public:
  Compiler(void* context, uint32_t default_action, const std::vector<uint32_t>& tokens)
      : context_(context), default_action_(default_action) {
    for (uint32_t token : tokens)
      for (const SyscallTable& table : kTables)
        if (table.token == token) newest_.push_back({table, -1});
  }

  Result<void> add_rule(const oci::SeccompRule& rule) {
    const uint32_t action = TRY(action_value(rule.action, rule.errno_ret));
    for (const oci::SeccompArg& arg : rule.args)
      if (arg.index > 5) return fail(0, "args: index must be 0 to 5: {}", arg.index);
    const std::vector<Conditions> rules = alternatives(rule.args);
    for (const std::string& name : rule.names) {
      const int number = seccomp_syscall_resolve_name(name.c_str());
      if (number == __NR_SCMP_ERROR) {
        skipped_.push_back(name);
        continue;
      }
      ++known_;
      note(name);
      if (action != default_action_) TRY(add_syscall(name, number, action, rules));
    }
    return {};
  }

  size_t known() const { return known_; }
  std::vector<NewestSyscall> newest() const {
    std::vector<NewestSyscall> result;
    for (const auto& [table, number] : newest_)
      if (number >= 0) result.push_back({table.audit_arch, static_cast<uint32_t>(number), table.last});
    return result;
  }
  std::vector<std::string> take_skipped() {
    std::sort(skipped_.begin(), skipped_.end());
    skipped_.erase(std::unique(skipped_.begin(), skipped_.end()), skipped_.end());
    return std::move(skipped_);
  }

 private:
  // A name that an architecture does not have resolves to a negative number there.
  void note(const std::string& name) {
    for (auto& [table, newest] : newest_) {
      const int number = seccomp_syscall_resolve_name_arch(table.token, name.c_str());
      if (number <= static_cast<int>(table.last)) newest = std::max(newest, number);
    }
  }

  Result<void> add_syscall(const std::string& name, int number, uint32_t action, const std::vector<Conditions>& rules) {
    for (const Conditions& conditions : rules) {
      const int rc =
          seccomp_rule_add_array(context_, action, number, static_cast<unsigned>(conditions.size()), conditions.data());
      if (rc < 0) return fail(-rc, "add a rule for {}", name);
    }
    return {};
  }

  void* context_;
  uint32_t default_action_;
  std::vector<std::pair<SyscallTable, int>> newest_;  // with the highest number named, -1: none
  size_t known_ = 0;
  std::vector<std::string> skipped_;
};

Result<std::string> export_bpf(void* context) {
#if SCMP_VER_MAJOR > 2 || (SCMP_VER_MAJOR == 2 && SCMP_VER_MINOR >= 6)
  size_t size = 0;
  int rc = seccomp_export_bpf_mem(context, nullptr, &size);
  std::string bytes(rc < 0 ? 0 : size, '\0');
  if (rc == 0) rc = seccomp_export_bpf_mem(context, bytes.data(), &size);
  if (rc < 0) return fail(-rc, "compile the seccomp filter");
  return bytes;
#else
  UniqueFd memory(memfd_create("seccomp", MFD_CLOEXEC));
  if (!memory) return fail(errno, "memfd_create");
  const int rc = seccomp_export_bpf(context, memory.get());
  if (rc < 0) return fail(-rc, "compile the seccomp filter");
  if (lseek(memory.get(), 0, SEEK_SET) < 0) return fail(errno, "lseek the seccomp filter");
  return read_all(memory.get(), size_t{1} << 20, "the seccomp filter");
#endif
}

// SCMP_FLTATR_CTL_NNP and the flags stay out of the context: they matter for seccomp_load only.
unsigned filter_flags(const oci::Seccomp& seccomp) {
  return seccomp.flags.value_or(SECCOMP_FILTER_FLAG_SPEC_ALLOW) & ~unsigned{SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV};
}

// See compile_seccomp; where the default kills or traps, the profile's author wants to hear of every call.
bool wants_enosys(uint32_t default_action) {
  return (default_action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO && default_action != SCMP_ACT_ERRNO(ENOSYS);
}

Result<std::vector<sock_filter>> assemble(void* context, std::vector<sock_filter> filter) {
  const std::string bytes = TRY(export_bpf(context));
  const size_t before = filter.size();
  filter.resize(before + bytes.size() / sizeof(sock_filter));
  std::memcpy(filter.data() + before, bytes.data(), (filter.size() - before) * sizeof(sock_filter));
  if (filter.size() > BPF_MAXINSNS)
    return fail(0, "/linux/seccomp: the filter has {} instructions, the kernel takes {}", filter.size(), BPF_MAXINSNS);
  return filter;
}

}  // namespace

Result<SeccompProgram> compile_seccomp(const oci::Seccomp& seccomp) {
  auto default_action = action_value(seccomp.default_action, seccomp.default_errno_ret);
  if (!default_action.ok()) return wrap(default_action.error(), "/linux/seccomp/defaultAction");
  Context context(seccomp_init(*default_action));
  if (!context) return fail(0, "/linux/seccomp/defaultAction: libseccomp does not take it on this kernel");

  Compiler compiler(context.get(), *default_action, TRY(add_architectures(context.get(), seccomp.architectures)));
  for (size_t i = 0; i < seccomp.syscalls.size(); ++i) {
    auto added = compiler.add_rule(seccomp.syscalls[i]);
    if (!added.ok()) return wrap(added.error(), fmt::format("/linux/seccomp/syscalls/{}", i));
  }
  if (compiler.known() > kTreePays)
    (void)seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // speed only: without it the filter is as good

  std::vector<sock_filter> prologue;
  if (wants_enosys(*default_action)) prologue = enosys_prologue(compiler.newest());
  SeccompProgram program;
  program.filter = TRY(assemble(context.get(), std::move(prologue)));
  program.flags = filter_flags(seccomp);
  program.skipped_syscalls = compiler.take_skipped();
  return program;
}

std::string libseccomp_version() {
  const scmp_version* version = seccomp_version();
  return fmt::format("{}.{}.{}", version->major, version->minor, version->micro);
}

}  // namespace minirun
