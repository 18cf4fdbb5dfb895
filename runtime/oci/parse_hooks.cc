// SPDX-License-Identifier: Apache-2.0
// config.json: /hooks.
#include "runtime/oci/parse_fields.h"

namespace minirun::oci {

static constexpr Field<Hook> kHook[] = {
    {"path", read<&Hook::path>, kRequired},
    {"args", read<&Hook::args>, kNullable},
    {"env", read<&Hook::env>, kNullable},
    {"timeout", read_between<&Hook::timeout, 1, UINT32_MAX>},
};
static std::span<const Field<Hook>> fields_of(Hook*) {
  return kHook;
}

static constexpr Field<Hooks> kHooks[] = {
    {"prestart", read<&Hooks::prestart>, kNullable},
    {"createRuntime", read<&Hooks::create_runtime>, kNullable},
    {"createContainer", read<&Hooks::create_container>, kNullable},
    {"startContainer", read<&Hooks::start_container>, kNullable},
    {"poststart", read<&Hooks::poststart>, kNullable},
    {"poststop", read<&Hooks::poststop>, kNullable},
};
std::span<const Field<Hooks>> fields_of(Hooks*) {
  return kHooks;
}
Names hook_names() {
  return names_of(kHooks);
}

}  // namespace minirun::oci
