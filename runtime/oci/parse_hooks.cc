// config.json: /hooks.
#include "runtime/oci/parse_fields.h"

namespace minirun::oci {

static constexpr Field<Hook> kHook[] = {
    {"path", read<&Hook::path>, kRequired},
    {"args", read<&Hook::args>},
    {"env", read<&Hook::env>},
    {"timeout", read_between<&Hook::timeout, 1, UINT32_MAX>},
};
static std::span<const Field<Hook>> fields_of(Hook*) {
  return kHook;
}

static constexpr Field<Hooks> kHooks[] = {
    {"prestart", read<&Hooks::prestart>},
    {"createRuntime", read<&Hooks::create_runtime>},
    {"createContainer", read<&Hooks::create_container>},
    {"startContainer", read<&Hooks::start_container>},
    {"poststart", read<&Hooks::poststart>},
    {"poststop", read<&Hooks::poststop>},
};
std::span<const Field<Hooks>> fields_of(Hooks*) {
  return kHooks;
}
Names hook_names() {
  return names_of(kHooks);
}

}  // namespace minirun::oci
