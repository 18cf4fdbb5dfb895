#include "runtime/prepare.h"

#include "runtime/console.h"
#include "runtime/home.h"
#include "runtime/host.h"
#include "runtime/log.h"
#include "runtime/seccomp_cache.h"
#include "runtime/state.h"

namespace minirun {
namespace {

void log_notes(const Bundle& bundle) {
  if (!debug_enabled()) return;
  for (const std::string& pointer : bundle.unknown) log_debug("config.json: {}: unknown property, ignored", pointer);
  for (const Problem& warning : bundle.warnings) log_debug("config.json: {}: {}", warning.pointer, warning.message);
}

std::string rootfs_path(const Bundle& bundle) {
  const std::string& path = bundle.spec.root->path;
  return path.starts_with('/') ? path : bundle.path + "/" + path;
}

Result<Prepared> prepare(const std::string& bundle_path, const std::string& id, const RunOptions& options,
                         int state_root) {
  Prepared prepared;
  prepared.id = id;
  prepared.bundle = TRY(load_bundle(bundle_path));
  log_notes(prepared.bundle);
  const oci::Spec& spec = prepared.bundle.spec;
  if (!spec.process) return fail(0, "config.json: /process: is required to run a container");
  prepared.rootfs = TRY(open_rootfs(prepared.bundle.dir.get(), *spec.root));
  prepared.rootfs_path = rootfs_path(prepared.bundle);

  std::optional<SeccompProgram> seccomp;
  if (spec.linux_.seccomp) {
    seccomp = TRY(cached_seccomp(state_root, *spec.linux_.seccomp));
    for (const std::string& name : seccomp->skipped_syscalls)
      log_debug("config.json: /linux/seccomp: system call {} is not known, no rule was made", name);
  }
  Place place{id, prepared.bundle.path, prepared.rootfs_path, home_of(prepared.rootfs.get(), spec.process->user.uid)};
  prepared.compiled = TRY(compile(spec, place, probe_host(), options, seccomp ? &*seccomp : nullptr));
  for (const std::string& warning : prepared.compiled.warnings) log_debug("config.json: {}", warning);
  return prepared;
}

}  // namespace

Result<Prepared> prepare_run(const RunCommand& command, int state_root) {
  RunOptions options;
  options.init = !command.no_init;
  options.detach = command.detach;
  options.preserve_fds = command.preserve_fds;
  options.no_pivot = command.no_pivot;
  std::string id = command.id.empty() ? TRY(make_up_id()) : command.id;
  Prepared prepared = TRY(prepare(command.bundle, id, options, state_root));
  TRY(check_console(prepared.compiled.terminal, command.detach, command.console_socket));
  return prepared;
}

Result<Prepared> prepare_plan(const PlanCommand& command) {
  RunOptions options;
  options.init = !command.no_init;
  return prepare(command.bundle, "ID", options, -1);
}

}  // namespace minirun
