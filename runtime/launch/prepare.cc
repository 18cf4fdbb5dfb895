// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/prepare.h"

#include <utility>

#include "runtime/compile/facts.h"
#include "runtime/launch/overlay.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/config_error.h"
#include "runtime/seccomp/explain.h"
#include "runtime/supervise/console.h"
#include "runtime/supervise/notify_relay.h"
#include "runtime/text/log.h"

namespace minirun {
namespace {

void log_unknown(const Bundle& bundle) {
  if (!debug_enabled()) return;
  for (const UnknownProperty& property : bundle.unknown)
    log_debug("config.json: {}: unknown property, ignored", property.pointer);
}

// facts_of_it: for compiling another plan of it.
Result<Prepared> prepare(Bundle bundle, const std::string& id, const RunOptions& options, int state_root,
                         PlanFacts* facts_of_it = nullptr) {
  log_unknown(bundle);
  const oci::Spec& spec = *bundle.spec;
  if (!spec.process && !options.create) return config_error("/process", "is required to run a container");
  PlanFacts facts = TRY(gather_facts(bundle, id, options, state_root));
  Compiled compiled = TRY(compile(spec, facts));
  for (const Problem& warning : bundle.warnings) compiled.warnings.push_back(warning.pointer + ": " + warning.message);
  std::string rootfs = facts.paths.rootfs;
  if (facts_of_it != nullptr) *facts_of_it = std::move(facts);
  return Prepared{id, std::move(bundle), std::move(rootfs), std::move(compiled)};
}

Result<void> check_explain(const LaunchRequest& request, const oci::Spec& spec) {
  if (!request.explain_seccomp) return {};
  if (spec.linux_.seccomp) return check_explainable(*spec.linux_.seccomp);
  return fail(
      ErrorKind::usage,
      "--explain-seccomp needs a seccomp filter, and config.json has no /linux/seccomp: nothing refuses a call");
}

Result<RunOptions> options_of(const LaunchRequest& request, const oci::Spec& spec) {
  const LaunchOptions& launch = request.options;
  RunOptions options;
  options.create = request.create;
  options.detach = request.detach && !request.stays;
  options.window = first_console_size(spec.process, !request.create && !request.detach);
  options.init = request.init || (request.create && asks_for_init(spec.annotations));
  options.line_ends = !request.create && keeps_line_ends(launch.console_socket);
  options.preserve_fds = launch.preserve_fds;
  options.listen_fds = own_listen_fds();
  options.notify = !TRY(own_notify_socket()).empty();
  options.no_pivot = launch.no_pivot;
  options.new_keyring = !launch.no_new_keyring;
  options.overlay = TRY(overlay_bytes(launch));
  options.explain_seccomp = request.explain_seccomp;
  return options;
}

// Logs the list that `minirun plan` prints: errors name its steps by number.
void log_plan(const Prepared& prepared) {
  const Plan& plan = prepared.compiled.plan;
  log_progress("{}: config.json of {} read, checked and compiled", prepared.id, prepared.bundle.path);
  for (uint32_t i = 0; i < plan.steps.size(); i++)
    log_debug("{}: step {} of {}: {}{}{}", prepared.id, i + 1, plan.steps.size(), describe(plan, i),
              plan.origins[i].empty() ? "" : "  <- ", plan.origins[i]);
}

}  // namespace

Result<Prepared> prepare_launch(const LaunchRequest& request, Bundle bundle, bool entered, int state_root) {
  TRY(check_overlay(request.options, *bundle.spec));
  TRY(check_explain(request, *bundle.spec));
  RunOptions options = TRY(options_of(request, *bundle.spec));
  options.entered = entered;
  Prepared prepared = TRY(prepare(std::move(bundle), request.id, options, state_root));
  TRY(check_console(prepared.compiled.terminal, request.create || request.detach, request.options.console_socket));
  if (debug_enabled()) log_plan(prepared);
  return prepared;
}

Result<PreparedCheck> prepare_check(const LaunchRequest& request, Bundle bundle, bool entered, bool overlay) {
  TRY(check_overlay(request.options, *bundle.spec));
  RunOptions options = TRY(options_of(request, *bundle.spec));
  options.entered = entered;
  PlanFacts facts;
  Prepared prepared = TRY(prepare(std::move(bundle), request.id, options, -1, &facts));
  constexpr uint64_t kMemory = uint64_t{16} << 20;
  facts.options.init = false;
  facts.options.notify = false;
  facts.options.listen_fds = {};
  if (overlay || options.overlay) facts.options.overlay = options.overlay.value_or(0) != 0 ? *options.overlay : kMemory;
  Compiled rehearsal = TRY(compile(*prepared.bundle.spec, facts));
  return PreparedCheck{std::move(prepared), std::move(rehearsal)};
}

Result<Prepared> prepare_plan(Bundle bundle, bool init) {
  RunOptions options;
  options.init = init;
  options.window = first_console_size(bundle.spec->process, true);
  return prepare(std::move(bundle), "ID", options, -1);
}

}  // namespace minirun
