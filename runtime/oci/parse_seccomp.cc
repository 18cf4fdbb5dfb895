// SPDX-License-Identifier: Apache-2.0
// config.json: /linux/seccomp.
#include <linux/seccomp.h>

#include "runtime/oci/parse_fields.h"

namespace minirun::oci {

static constexpr Name<SeccompAction> kActions[] = {
    {"SCMP_ACT_KILL", SeccompAction::kill_thread},
    {"SCMP_ACT_KILL_PROCESS", SeccompAction::kill_process},
    {"SCMP_ACT_KILL_THREAD", SeccompAction::kill_thread},
    {"SCMP_ACT_TRAP", SeccompAction::trap},
    {"SCMP_ACT_ERRNO", SeccompAction::error},
    {"SCMP_ACT_TRACE", SeccompAction::trace},
    {"SCMP_ACT_ALLOW", SeccompAction::allow},
    {"SCMP_ACT_LOG", SeccompAction::log},
    {"SCMP_ACT_NOTIFY", SeccompAction::notify},
};

static constexpr Name<SeccompOperator> kOperators[] = {
    {"SCMP_CMP_NE", SeccompOperator::ne},
    {"SCMP_CMP_LT", SeccompOperator::lt},
    {"SCMP_CMP_LE", SeccompOperator::le},
    {"SCMP_CMP_EQ", SeccompOperator::eq},
    {"SCMP_CMP_GE", SeccompOperator::ge},
    {"SCMP_CMP_GT", SeccompOperator::gt},
    {"SCMP_CMP_MASKED_EQ", SeccompOperator::masked_eq},
};

static constexpr Name<SeccompArch> kArchs[] = {
    {"SCMP_ARCH_X86", SeccompArch::x86},
    {"SCMP_ARCH_X86_64", SeccompArch::x86_64},
    {"SCMP_ARCH_X32", SeccompArch::x32},
    {"SCMP_ARCH_ARM", SeccompArch::arm},
    {"SCMP_ARCH_AARCH64", SeccompArch::aarch64},
    {"SCMP_ARCH_LOONGARCH64", SeccompArch::loongarch64},
    {"SCMP_ARCH_M68K", SeccompArch::m68k},
    {"SCMP_ARCH_MIPS", SeccompArch::mips},
    {"SCMP_ARCH_MIPS64", SeccompArch::mips64},
    {"SCMP_ARCH_MIPS64N32", SeccompArch::mips64n32},
    {"SCMP_ARCH_MIPSEL", SeccompArch::mipsel},
    {"SCMP_ARCH_MIPSEL64", SeccompArch::mipsel64},
    {"SCMP_ARCH_MIPSEL64N32", SeccompArch::mipsel64n32},
    {"SCMP_ARCH_PPC", SeccompArch::ppc},
    {"SCMP_ARCH_PPC64", SeccompArch::ppc64},
    {"SCMP_ARCH_PPC64LE", SeccompArch::ppc64le},
    {"SCMP_ARCH_S390", SeccompArch::s390},
    {"SCMP_ARCH_S390X", SeccompArch::s390x},
    {"SCMP_ARCH_SH", SeccompArch::sh},
    {"SCMP_ARCH_SHEB", SeccompArch::sheb},
    {"SCMP_ARCH_PARISC", SeccompArch::parisc},
    {"SCMP_ARCH_PARISC64", SeccompArch::parisc64},
    {"SCMP_ARCH_RISCV64", SeccompArch::riscv64},
};

static constexpr Name<uint32_t> kFlags[] = {
    {"SECCOMP_FILTER_FLAG_TSYNC", SECCOMP_FILTER_FLAG_TSYNC},
    {"SECCOMP_FILTER_FLAG_LOG", SECCOMP_FILTER_FLAG_LOG},
    {"SECCOMP_FILTER_FLAG_SPEC_ALLOW", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
    {"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
};

std::string_view name_of(SeccompAction action) {
  return name_in<SeccompAction>(kActions, action);
}

std::string_view name_of(SeccompArch arch) {
  return name_in<SeccompArch>(kArchs, arch);
}

std::string_view name_of(SeccompOperator op) {
  return name_in<SeccompOperator>(kOperators, op);
}

Names seccomp_actions() {
  return names_of(kActions);
}
Names seccomp_operators() {
  return names_of(kOperators);
}
Names seccomp_archs() {
  return names_of(kArchs);
}
std::vector<std::pair<std::string_view, uint32_t>> seccomp_flags() {
  std::vector<std::pair<std::string_view, uint32_t>> flags;
  for (const auto& flag : kFlags) flags.emplace_back(flag.name, flag.value);
  return flags;
}

static void read_value(Reader& reader, JsonValue value, SeccompArch& out) {
  if (auto found = find_name<kArchs>(reader, value)) out = *found;
}

static constexpr Field<SeccompArg> kArg[] = {
    {"index", read_between<&SeccompArg::index, 0, 5>, kRequired},
    {"value", read<&SeccompArg::value>, kRequired},
    {"valueTwo", read<&SeccompArg::value_two>},
    {"op", read_name<&SeccompArg::op, kOperators>, kRequired},
};
static std::span<const Field<SeccompArg>> fields_of(SeccompArg*) {
  return kArg;
}

static constexpr Field<SeccompRule> kRule[] = {
    {"names", read<&SeccompRule::names>, kRequired},
    {"action", read_name<&SeccompRule::action, kActions>, kRequired},
    {"errnoRet", read<&SeccompRule::errno_ret>},
    {"args", read<&SeccompRule::args>},
};
static std::span<const Field<SeccompRule>> fields_of(SeccompRule*) {
  return kRule;
}

static constexpr Field<Seccomp> kSeccomp[] = {
    {"defaultAction", read_name<&Seccomp::default_action, kActions>, kRequired},
    {"defaultErrnoRet", read<&Seccomp::default_errno_ret>},
    {"architectures", read<&Seccomp::architectures>},
    {"flags", read_flags<&Seccomp::flags, kFlags>},
    {"listenerPath", read<&Seccomp::listener_path>},
    {"listenerMetadata", read<&Seccomp::listener_metadata>},
    {"syscalls", read<&Seccomp::syscalls>},
};
std::span<const Field<Seccomp>> fields_of(Seccomp*) {
  return kSeccomp;
}

}  // namespace minirun::oci
