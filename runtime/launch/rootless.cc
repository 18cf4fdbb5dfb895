// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/rootless.h"

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "namespaces/id_map.h"
#include "namespaces/map_writer.h"
#include "runtime/diagnosis/remedy.h"
#include "runtime/oci/config_error.h"
#include "runtime/oci/mount_id_maps.h"
#include "runtime/oci/spec_facts.h"
#include "sys/file.h"

namespace minirun {
namespace {

bool maps_root_to(const std::vector<oci::IdMapping>& mappings, uint32_t id) {
  return std::any_of(mappings.begin(), mappings.end(), [&](const oci::IdMapping& map) {
    return map.container_id == 0 && map.host_id == id && map.size > 0;
  });
}

Result<void> make_namespace(const oci::Linux& linux_config) {
  MapWriter writer;
  TRY(writer.start(to_id_maps(linux_config.uid_mappings), to_id_maps(linux_config.gid_mappings)));
  if (unshare(CLONE_NEWUSER) < 0) {
    int code = errno;
    const char* why = code == EPERM ? " (the host's settings forbid it to ordinary users)" : "";
    return fail(code, "make a user namespace{}", why);
  }
  return writer.finish();
}

Result<void> enter(const oci::Spec& spec, const oci::Namespace& user) {
  if (user.path.empty()) {
    TRY(make_namespace(spec.linux_));
  } else {
    UniqueFd fd = TRY(open_at(AT_FDCWD, user.path, O_RDONLY));
    if (setns(fd.get(), CLONE_NEWUSER) < 0) return fail(errno, "join the user namespace {}", user.path);
  }
  if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) return fail(errno, "become root of the user namespace");
  if (unshare(CLONE_NEWNS) < 0) return fail(errno, "make a mount namespace");
  return {};
}

}  // namespace

Result<void> check_rootless(const oci::Spec& spec, uint32_t uid, uint32_t gid) {
  const oci::Namespace* user = oci::find_namespace(spec, CLONE_NEWUSER);
  if (user == nullptr)
    return config_error("/linux/namespaces",
                        "must have a user namespace where an ordinary user runs minirun (`minirun spec --rootless` "
                        "writes such a configuration)");
  if (!user->path.empty()) return {};
  constexpr const char* kMustMap = "must map containerID 0 to hostID {}, the {} that runs minirun";
  const oci::Linux& given = spec.linux_;
  if (!maps_root_to(given.uid_mappings, uid))
    return config_error("/linux/uidMappings", fmt::format(kMustMap, uid, "user"));
  if (!maps_root_to(given.gid_mappings, gid))
    return config_error("/linux/gidMappings", fmt::format(kMustMap, gid, "group"));
  bool has_groups = spec.process && !spec.process->user.additional_gids.empty();
  if (has_groups && maps_only(to_id_maps(given.gid_mappings), gid))
    return config_error("/process/user/additionalGids",
                        "must be empty: setgroups(2) is denied in a user namespace whose only group is the user's own");
  return {};
}

Result<bool> enter_user_namespace(Bundle* bundle) {
  if (geteuid() == 0) return false;
  const oci::Spec& spec = *bundle->spec;
  TRY(check_rootless(spec, geteuid(), getegid()));
  auto entered = enter(spec, *oci::find_namespace(spec, CLONE_NEWUSER));
  if (!entered.ok()) {
    Error error = wrap(entered.error(), "/linux/namespaces");
    return with_remedy(error, {.what = kClone, .code = error.code});
  }
  TRY(reopen_rootfs(bundle));
  return true;
}

}  // namespace minirun
