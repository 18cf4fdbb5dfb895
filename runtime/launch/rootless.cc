// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/rootless.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "namespaces/id_map.h"
#include "runtime/diagnosis/remedy.h"
#include "runtime/oci/config_error.h"
#include "runtime/oci/mount_id_maps.h"
#include "sys/file.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

const oci::Namespace* user_namespace(const oci::Spec& spec) {
  for (const oci::Namespace& ns : spec.linux_.namespaces)
    if (ns.type == CLONE_NEWUSER) return &ns;
  return nullptr;
}

bool maps_root_to(const std::vector<oci::IdMapping>& mappings, uint32_t id) {
  return std::any_of(mappings.begin(), mappings.end(), [&](const oci::IdMapping& map) {
    return map.container_id == 0 && map.host_id == id && map.size > 0;
  });
}

// A process that stays outside of the new user namespace and writes its mappings: newuidmap(1) has its rights only
// there. Waited for on destruction; it ends with this process at the latest.
class MapWriter {
 public:
  MapWriter() = default;
  MapWriter(const MapWriter&) = delete;
  MapWriter& operator=(const MapWriter&) = delete;
  ~MapWriter() { end(); }

  Result<void> start(const IdMaps& uids, const IdMaps& gids) {
    Pipe go = TRY(make_pipe());
    go_ = std::move(go.writer);
    Pipe said = TRY(make_pipe());
    said_ = std::move(said.reader);
    pid_t target = getpid();
    pid_ = fork();
    if (pid_ < 0) return fail(errno, "fork");
    if (pid_ > 0) return {};
    go_.reset();
    char byte = 0;
    if (read(go.reader.get(), &byte, 1) != 1) _exit(0);  // given up
    auto written = write_id_maps(target, uids, gids);
    std::string text = written.ok() ? "" : written.error().text();
    (void)!write(said.writer.get(), text.data(), text.size());
    _exit(written.ok() ? 0 : 1);
  }

  // The namespace is there now.
  Result<void> finish() {
    if (write(go_.get(), "x", 1) != 1) return fail(errno, "write id maps");
    std::string text = TRY(read_all(said_.get(), 65536, "what the id maps' writer says"));
    int status = end();
    if (status == 0) return {};
    return fail(ErrorKind::host, "{}", text.empty() ? "the writer of the id maps died" : text);
  }

 private:
  int end() {
    go_.reset();
    int status = 0;
    if (pid_ <= 0) return status;
    while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status;
  }

  UniqueFd go_, said_;
  pid_t pid_ = -1;
};

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
  const oci::Namespace* user = user_namespace(spec);
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
  auto entered = enter(spec, *user_namespace(spec));
  if (!entered.ok()) {
    Error error = wrap(entered.error(), "/linux/namespaces");
    return with_remedy(error, {.what = kClone, .code = error.code});
  }
  TRY(reopen_rootfs(bundle));
  return true;
}

}  // namespace minirun
