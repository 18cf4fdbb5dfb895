// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/joined_namespaces.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "namespaces/plan_builder.h"
#include "runtime/oci/config_error.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/spec_facts.h"
#include "runtime/oci/sysctl.h"
#include "runtime/text/json.h"
#include "sys/fd.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

Result<bool> same_file(const std::string& one, const char* other) {
  struct stat a {
  }, b{};
  if (stat(one.c_str(), &a) < 0)
    return is_transient(errno) ? Result<bool>(fail(errno, "stat {}", one)) : Result<bool>(false);
  if (stat(other, &b) < 0) return fail(errno, "stat {}", other);
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// A setting in the host's own namespace would change the host.
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

UniqueFd open_file(const std::string& path) {
  return UniqueFd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
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

Result<void> check_given(const std::vector<oci::IdMapping>& given, const IdMaps& there, const char* pointer,
                         const std::string& path) {
  if (given.empty() || sorted(to_id_maps(given)) == sorted(there)) return {};
  return config_error(
      pointer, fmt::format("must be those of the user namespace {}, or left out: it has {}", path, map_list(there)));
}

}  // namespace

Result<void> check_joined_namespaces(const oci::Spec& spec) {
  for (const auto& [key, value] : spec.linux_.sysctl)
    TRY(check_joined(spec, sysctl_namespace(sysctl_path(key).value_or("")), "/linux/sysctl/" + pointer_token(key)));
  if (!spec.hostname.empty()) TRY(check_joined(spec, CLONE_NEWUTS, "/hostname"));
  if (!spec.domainname.empty()) TRY(check_joined(spec, CLONE_NEWUTS, "/domainname"));
  return {};
}

uint64_t namespaces_outside(const oci::Spec& spec) {
  const auto& all = spec.linux_.namespaces;
  const oci::Namespace* user = oci::find_namespace(spec, CLONE_NEWUSER);
  if (user == nullptr || user->path.empty()) return 0;
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

Result<NamespaceIds> joined_user_namespace(const oci::Spec& spec) {
  const auto& all = spec.linux_.namespaces;
  for (size_t i = 0; i < all.size(); i++) {
    if (all[i].type != CLONE_NEWUSER || all[i].path.empty()) continue;
    const std::string& path = all[i].path;
    UniqueFd file = open_file(path);
    if (!file && is_transient(errno)) return fail(errno, "open {}", path);
    if (!file) return NamespaceIds{};
    auto found = read_id_maps(file.get());
    if (!found.ok()) return wrap(found.error(), fmt::format("config.json: /linux/namespaces/{}: {}", i, path));
    TRY(check_given(spec.linux_.uid_mappings, found->uids, "/linux/uidMappings", path));
    TRY(check_given(spec.linux_.gid_mappings, found->gids, "/linux/gidMappings", path));
    return found;
  }
  return NamespaceIds{};
}

}  // namespace minirun
