// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/explain.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "runtime/seccomp/answer.h"

namespace minirun {
namespace {

bool is_refusal(uint32_t answer) {
  const uint32_t action = answer & SECCOMP_RET_ACTION_FULL;
  return action == SECCOMP_RET_ERRNO || action == SECCOMP_RET_KILL_PROCESS || action == SECCOMP_RET_KILL_THREAD;
}

// The kernel checks the flags before it reads the filter: EFAULT means that it knows them.
bool has_killable_wait() {
  constexpr unsigned kFlags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, kFlags, nullptr) < 0 && errno == EFAULT;
}

// The answer of a filter for the action; nothing for those that are no refusals.
std::optional<uint32_t> answer_of(oci::SeccompAction action, const std::optional<uint32_t>& errno_ret) {
  switch (action) {
    case oci::SeccompAction::error:
      return SECCOMP_RET_ERRNO | errno_ret.value_or(EPERM);
    case oci::SeccompAction::kill_process:
      return SECCOMP_RET_KILL_PROCESS;
    case oci::SeccompAction::kill_thread:
      return SECCOMP_RET_KILL_THREAD;
    default:
      return std::nullopt;
  }
}

bool condition_holds(const oci::SeccompArg& condition, const seccomp_data& data, uint64_t bits) {
  const uint64_t found = data.args[condition.index] & bits, value = condition.value & bits;
  switch (condition.op) {
    case oci::SeccompOperator::ne:
      return found != value;
    case oci::SeccompOperator::lt:
      return found < value;
    case oci::SeccompOperator::le:
      return found <= value;
    case oci::SeccompOperator::eq:
      return found == value;
    case oci::SeccompOperator::ge:
      return found >= value;
    case oci::SeccompOperator::gt:
      return found > value;
    case oci::SeccompOperator::masked_eq:
      return (found & value) == (condition.value_two & value);
  }
  return false;
}

// As compile_seccomp() has it: several conditions on one argument make all of the rule's conditions alternatives.
bool rule_holds(const oci::SeccompRule& rule, const seccomp_data& data, uint64_t bits) {
  unsigned seen = 0;
  bool repeated = false;
  for (const oci::SeccompArg& arg : rule.args) {
    repeated = repeated || (seen >> arg.index & 1) != 0;
    seen |= 1U << arg.index;
  }
  auto holds = [&](const oci::SeccompArg& arg) { return condition_holds(arg, data, bits); };
  return repeated ? std::any_of(rule.args.begin(), rule.args.end(), holds)
                  : std::all_of(rule.args.begin(), rule.args.end(), holds);
}

// i386 makes some calls through socketcall(2) and ipc(2), for which a profile has rules by their own names.
std::optional<CallId> multiplexed(const seccomp_data& data) {
  constexpr int kSocketcall = 102, kIpc = 117, kFirstOfSockets = -100, kFirstOfIpc = -200;
  const CallId call{data.arch, data.nr};
  if (table_of(call) != oci::SeccompArch::x86) return std::nullopt;
  const int which = static_cast<int>(data.args[0] & 0xff);
  if (data.nr == kSocketcall) return CallId{data.arch, kFirstOfSockets - which};
  if (data.nr == kIpc) return CallId{data.arch, kFirstOfIpc - which};
  return std::nullopt;
}

}  // namespace

Result<void> check_explainable(const oci::Seccomp& seccomp) {
  if (notifies(seccomp) || !seccomp.listener_path.empty())
    return fail(ErrorKind::usage,
                "--explain-seccomp cannot be used with /linux/seccomp/listenerPath: the kernel allows one listener for "
                "all filters of a process, and it would be that agent's");
  if (kernel_has_action(SECCOMP_RET_USER_NOTIF)) return {};
  return fail(ErrorKind::host,
              "--explain-seccomp needs a kernel whose seccomp filters can notify (SECCOMP_RET_USER_NOTIF, Linux 5.0), "
              "and this one cannot");
}

bool refuses_uncounted(const oci::Seccomp& seccomp) {
  auto uncounted = [](oci::SeccompAction action) {
    return action == oci::SeccompAction::trap || action == oci::SeccompAction::trace;
  };
  return uncounted(seccomp.default_action) || std::any_of(seccomp.syscalls.begin(), seccomp.syscalls.end(),
                                                          [&](const auto& rule) { return uncounted(rule.action); });
}

SeccompProgram explaining(const SeccompProgram& program) {
  SeccompProgram made = program;
  for (sock_filter& instruction : made.filter)
    if (instruction.code == (BPF_RET | BPF_K) && is_refusal(instruction.k)) instruction.k = SECCOMP_RET_USER_NOTIF;
  made.flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
  if ((made.flags & SECCOMP_FILTER_FLAG_TSYNC) != 0) made.flags |= SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
  if (has_killable_wait()) made.flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  return made;
}

RefusalRules::RefusalRules(const oci::Seccomp& seccomp, std::vector<sock_filter> filter)
    : seccomp_(seccomp), filter_(std::move(filter)) {
  for (size_t i = 0; i < seccomp_.syscalls.size(); ++i)
    for (const std::string& name : seccomp_.syscalls[i].names)
      for (const CallId& call : calls_of_name(name)) rules_[call].push_back(static_cast<int32_t>(i));
}

Refused RefusalRules::judge(const seccomp_data& data) const {
  auto answer = seccomp_answer(filter_, data);
  if (!answer || !is_refusal(*answer)) return {SECCOMP_RET_ERRNO | ENOSYS, kNotOfTheProfile};
  return {*answer, decided_by(data, *answer)};
}

int32_t RefusalRules::decided_by(const seccomp_data& data, uint32_t action) const {
  const CallId call{data.arch, data.nr};
  const auto table = table_of(call);
  const auto& archs = seccomp_.architectures;
  const bool named = table && (*table == own_table() || std::find(archs.begin(), archs.end(), *table) != archs.end());
  if (!named) return kOfAnotherMachine;
  const bool words_of_64_bits = *table == oci::SeccompArch::x86_64 || *table == oci::SeccompArch::aarch64;
  const uint64_t bits = words_of_64_bits ? UINT64_MAX : UINT32_MAX;
  if (auto rule = rule_for(call, action, [&](const auto& one) { return rule_holds(one, data, bits); })) return *rule;
  // libseccomp cannot compare the arguments of these, which are in memory.
  auto inner = multiplexed(data);
  if (inner)
    if (auto rule = rule_for(*inner, action, [](const auto&) { return true; })) return *rule;
  const auto by_default = answer_of(seccomp_.default_action, seccomp_.default_errno_ret);
  return action == by_default ? kByDefault : kNewerThanProfile;
}

std::optional<int32_t> RefusalRules::rule_for(const CallId& call, uint32_t action, const Holds& holds) const {
  auto found = rules_.find(call);
  if (found == rules_.end()) return std::nullopt;
  for (int32_t index : found->second) {
    const oci::SeccompRule& rule = seccomp_.syscalls[static_cast<size_t>(index)];
    if (answer_of(rule.action, rule.errno_ret) == action && holds(rule)) return index;
  }
  return std::nullopt;
}

}  // namespace minirun
