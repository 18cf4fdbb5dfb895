// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/prepare.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <utility>

#include "namespaces/peers.h"
#include "runtime/compile/home.h"
#include "runtime/compile/host_facts.h"
#include "runtime/compile/labels.h"
#include "runtime/compile/mount_links.h"
#include "runtime/container/state_directory.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/config_error.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/mount_options.h"
#include "runtime/oci/sysctl.h"
#include "runtime/resources/host_resources.h"
#include "runtime/seccomp/cache.h"
#include "runtime/supervise/console.h"
#include "runtime/supervise/notify_relay.h"
#include "runtime/text/json.h"
#include "runtime/text/log.h"
#include "sys/kernel_abi.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

void log_unknown(const Bundle& bundle) {
  if (!debug_enabled()) return;
  for (const std::string& pointer : bundle.unknown) log_debug("config.json: {}: unknown property, ignored", pointer);
}

std::string rootfs_path(const Bundle& bundle) {
  const std::string& path = bundle.spec.root->path;
  return path.starts_with('/') ? path : bundle.path + "/" + path;
}

std::string real_path(const std::string& path) {
  char real[PATH_MAX];
  return realpath(path.c_str(), real) == nullptr ? "" : real;
}

// The terminal is born with the size of the window that the user looks at: set later, a quick workload would see
// another one first.
void take_window_size(oci::Process* process) {
  auto window = caller_window_size();
  if (window) process->console_size = oci::ConsoleSize{window->ws_row, window->ws_col};
}

// A missing path is reported later, when it is joined.
Result<bool> same_file(const std::string& one, const char* other) {
  struct stat a {
  }, b{};
  if (stat(one.c_str(), &a) < 0)
    return is_transient(errno) ? Result<bool>(fail(errno, "stat {}", one)) : Result<bool>(false);
  if (stat(other, &b) < 0) return fail(errno, "stat {}", other);
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// A namespace that is joined by path may be the host's own: then what is set in it would be set for the host.
Result<void> check_joined(const oci::Spec& spec, uint32_t type, const std::string& pointer) {
  constexpr std::pair<uint32_t, const char*> kOwn[] = {
      {CLONE_NEWNET, "/proc/self/ns/net"}, {CLONE_NEWIPC, "/proc/self/ns/ipc"}, {CLONE_NEWUTS, "/proc/self/ns/uts"}};
  for (const oci::Namespace& joined : spec.linux_.namespaces) {
    if (joined.type != type || joined.path.empty()) continue;
    for (const auto& [own_type, own_path] : kOwn) {
      if (own_type == type && TRY(same_file(joined.path, own_path)))
        return config_error(pointer,
                            fmt::format("{} is the host's own {} namespace", joined.path, namespace_names(type)));
    }
  }
  return {};
}

Result<void> check_joined_namespaces(const oci::Spec& spec) {
  for (const auto& [key, value] : spec.linux_.sysctl)
    TRY(check_joined(spec, sysctl_namespace(sysctl_path(key).value_or("")), "/linux/sysctl/" + pointer_token(key)));
  if (!spec.hostname.empty()) TRY(check_joined(spec, CLONE_NEWUTS, "/hostname"));
  if (!spec.domainname.empty()) TRY(check_joined(spec, CLONE_NEWUTS, "/domainname"));
  return {};
}

UniqueFd open_file(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
}

// Types of the joined namespaces that another user namespace owns than the one that is joined: see namespaces/join.h.
// What cannot be opened is reported when it is joined.
uint64_t namespaces_outside(const oci::Spec& spec) {
  const auto& all = spec.linux_.namespaces;
  auto user = std::find_if(all.begin(), all.end(), [](const auto& ns) { return ns.type == CLONE_NEWUSER; });
  if (user == all.end() || user->path.empty()) return 0;
  uint64_t outside = 0;
  struct stat wanted {
  }, found{};
  if (stat(user->path.c_str(), &wanted) < 0) return 0;
  for (const oci::Namespace& ns : all) {
    if (ns.path.empty() || ns.type == CLONE_NEWUSER) continue;
    UniqueFd file = open_file(ns.path);
    UniqueFd owner(file ? ioctl(file.get(), NS_GET_USERNS) : -1);
    bool inside = owner && fstat(owner.get(), &found) == 0 && found.st_ino == wanted.st_ino;
    if (!inside) outside |= ns.type;
  }
  return outside;
}

// "0 100000 65536, 65536 1 1"
std::string map_list(const IdMaps& maps) {
  std::string text = id_map_text(maps);
  if (!text.empty()) text.pop_back();
  for (size_t at = 0; (at = text.find('\n', at)) != std::string::npos;) text.replace(at, 1, ", ");
  return text.empty() ? "none" : text;
}

IdMaps sorted(IdMaps maps) {
  std::sort(maps.begin(), maps.end(), [](const IdMap& a, const IdMap& b) { return a.container_id < b.container_id; });
  return maps;
}

bool same_maps(const IdMaps& one, const IdMaps& other) {
  auto same = [](const IdMap& a, const IdMap& b) {
    return a.container_id == b.container_id && a.host_id == b.host_id && a.size == b.size;
  };
  IdMaps a = sorted(one), b = sorted(other);
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same);
}

// Mappings beside a path are those of the namespace that is there, or a mistake: engines send both. Without any
// they are taken from it. Returns whether setgroups(2) is denied in it.
Result<bool> take_joined_mappings(oci::Spec* spec) {
  for (size_t i = 0; i < spec->linux_.namespaces.size(); i++) {
    const oci::Namespace& user = spec->linux_.namespaces[i];
    if (user.type != CLONE_NEWUSER || user.path.empty()) continue;
    UniqueFd file = open_file(user.path);
    if (!file && is_transient(errno)) return fail(errno, "open {}", user.path);
    if (!file) return false;  // reported when it is joined
    auto found = read_id_maps(file.get());
    if (!found.ok()) return wrap(found.error(), fmt::format("config.json: /linux/namespaces/{}: {}", i, user.path));
    const struct {
      const char* pointer;
      std::vector<oci::IdMapping>* given;
      const IdMaps& there;
    } kBoth[] = {{"/linux/uidMappings", &spec->linux_.uid_mappings, found->uids},
                 {"/linux/gidMappings", &spec->linux_.gid_mappings, found->gids}};
    for (const auto& [pointer, given, there] : kBoth) {
      if (!given->empty() && !same_maps(to_id_maps(*given), there))
        return config_error(pointer, fmt::format("must be those of the user namespace {}, or left out: it has {}",
                                                 user.path, map_list(there)));
      if (given->empty())
        for (const IdMap& map : there) given->push_back({map.container_id, map.host_id, map.size});
    }
    return found->setgroups_denied;
  }
  return false;
}

bool shares_a_bind(const oci::Spec& spec) {
  return std::any_of(spec.mounts.begin(), spec.mounts.end(), [](const oci::Mount& mount) {
    const MountOptions options = parse_mount_options(mount.options);
    return options.bind && (options.propagation & abi::kMsShared) != 0;
  });
}

RunOptions with_gates(RunOptions options, const oci::Spec& spec) {
  const oci::Hooks& hooks = spec.hooks;
  bool hooked = !hooks.prestart.empty() || !hooks.create_runtime.empty() || !hooks.create_container.empty();
  options.setup_gate = has_host_side(spec) || hooked || delegated_cgroup(spec.annotations);
  return options;
}

Result<Prepared> prepare(const std::string& bundle_path, const std::string& id, RunOptions options, int state_root) {
  Prepared prepared;
  prepared.id = id;
  prepared.bundle = TRY(load_bundle(bundle_path));
  log_unknown(prepared.bundle);
  oci::Spec& spec = prepared.bundle.spec;
  bool waits = options.create;
  if (waits && asks_for_init(spec.annotations)) options.init = true;
  if (!spec.process && !waits) return config_error("/process", "is required to run a container");
  if (spec.process && spec.process->terminal && !options.detach && !waits) take_window_size(&*spec.process);
  TRY(check_joined_namespaces(spec));
  HostFacts host = TRY(probe_host());
  if (shares_a_bind(spec)) host.rejoins_peers = TRY(can_rejoin_peers());
  if (options.no_pivot || host.root_needs_move) host.kernel_views = TRY(kernel_views_of_host());
  if (!options.entered && TRY(take_joined_mappings(&spec))) host.setgroups_denied = true;
  if (spec.process) TRY(check_labels(*spec.process));
  prepared.rootfs_path = rootfs_path(prepared.bundle);

  std::optional<SeccompProgram> seccomp;
  if (spec.linux_.seccomp) {
    seccomp = TRY(cached_seccomp(state_root, *spec.linux_.seccomp));
    for (const std::string& name : seccomp->skipped_syscalls)
      log_debug("config.json: /linux/seccomp: system call {} is not known, no rule was made", name);
  }
  bool asks = spec.process && !has_home(spec.process->env);
  Place place{id,
              prepared.bundle.path,
              prepared.rootfs_path,
              asks ? TRY(home_of(prepared.bundle.rootfs.get(), spec.process->user.uid)) : "/",
              mount_links(spec, prepared.bundle.path),
              real_path(prepared.rootfs_path),
              namespaces_outside(spec)};
  prepared.compiled = TRY(compile(spec, place, host, with_gates(options, spec), seccomp ? &*seccomp : nullptr));
  for (const Problem& warning : prepared.bundle.warnings)
    prepared.compiled.warnings.push_back(warning.pointer + ": " + warning.message);
  return prepared;
}

}  // namespace

static Result<void> take_launch_options(const LaunchOptions& launch, RunOptions* options) {
  options->preserve_fds = launch.preserve_fds;
  options->listen_fds = own_listen_fds();
  options->notify = !TRY(own_notify_socket()).empty();
  options->no_pivot = launch.no_pivot;
  options->new_keyring = !launch.no_new_keyring;
  return {};
}

// The list that `minirun plan` prints too: an error names a step of it by its number.
static void log_plan(const Prepared& prepared) {
  const Plan& plan = prepared.compiled.plan;
  log_progress("{}: config.json of {} read, checked and compiled", prepared.id, prepared.bundle.path);
  for (uint32_t i = 0; i < plan.steps.size(); i++)
    log_debug("{}: step {} of {}: {}{}{}", prepared.id, i + 1, plan.steps.size(), describe(plan, i),
              plan.origins[i].empty() ? "" : "  <- ", plan.origins[i]);
}

Result<Prepared> prepare_launch(const LaunchRequest& request, int state_root) {
  RunOptions options;
  options.entered = request.entered;
  options.create = request.create;
  options.detach = request.detach;
  options.init = request.init;
  options.line_ends = !request.create && keeps_line_ends(request.options.console_socket);
  TRY(take_launch_options(request.options, &options));
  Prepared prepared = TRY(prepare(request.options.bundle, request.id, options, state_root));
  TRY(check_console(prepared.compiled.terminal, request.create || request.detach, request.options.console_socket));
  if (debug_enabled()) log_plan(prepared);
  return prepared;
}

Result<Prepared> prepare_plan(const std::string& bundle, bool init) {
  RunOptions options;
  options.init = init;
  return prepare(bundle, "ID", options, -1);
}

}  // namespace minirun
