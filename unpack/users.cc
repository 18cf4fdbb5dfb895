// SPDX-License-Identifier: Apache-2.0
#include "unpack/users.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>

#include "runtime/text/json.h"
#include "sys/file.h"
#include "sys/image_path.h"
#include "sys/transient_error.h"

namespace minirun::unpack {
namespace {

constexpr size_t kMostAdditionalGroups = 1000;

std::string_view cut(std::string_view* text, char separator) {
  size_t end = text->find(separator);
  std::string_view part = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return part;
}

// (uid_t)-1 is no id: chown(2) and setresuid(2) take it for "unchanged".
std::optional<uint32_t> id_in(std::string_view text) {
  uint32_t id = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  bool whole = error == std::errc() && end == text.data() + text.size() && !text.empty();
  return whole && id != UINT32_MAX ? std::optional(id) : std::nullopt;
}

// passwd(5): "name:password:uid:gid:..."
struct PasswdLine {
  std::string_view name;
  uint32_t uid, gid;
};

std::optional<PasswdLine> find_passwd(std::string_view passwd, std::string_view name, std::optional<uint32_t> uid) {
  while (!passwd.empty()) {
    std::string_view line = cut(&passwd, '\n');
    std::string_view found = cut(&line, ':');
    cut(&line, ':');
    auto its_uid = id_in(cut(&line, ':'));
    auto its_gid = id_in(cut(&line, ':'));
    if (!its_uid || !its_gid) continue;
    if (uid ? *its_uid == *uid : found == name) return PasswdLine{found, *its_uid, *its_gid};
  }
  return std::nullopt;
}

// group(5): "name:password:gid:user,user"
struct GroupLine {
  std::string_view name, members;
  uint32_t gid;
};

std::optional<GroupLine> next_group(std::string_view* group) {
  while (!group->empty()) {
    std::string_view line = cut(group, '\n');
    GroupLine found{cut(&line, ':'), "", 0};
    cut(&line, ':');
    auto gid = id_in(cut(&line, ':'));
    found.members = line;
    if (gid) {
      found.gid = *gid;
      return found;
    }
  }
  return std::nullopt;
}

bool has_member(std::string_view members, std::string_view name) {
  while (!members.empty())
    if (cut(&members, ',') == name) return true;
  return false;
}

Result<uint32_t> group_id(std::string_view wanted, std::string_view group) {
  while (auto line = next_group(&group))
    if (line->name == wanted) return line->gid;
  if (auto gid = id_in(wanted)) return *gid;
  return fail(ErrorKind::config,
              "image config: /config/User: must name a group of the image's /etc/group, or an id: found {}",
              quoted(wanted));
}

Result<std::string> read_in_image(int rootfs, const char* path) {
  constexpr size_t kMostBytes = size_t{8} << 20;
  // O_NONBLOCK: a FIFO of the image must not hold minirun-unpack up.
  UniqueFd fd = open_in_image(rootfs, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!fd && is_transient(errno)) return fail(errno, "open /{} of the image", path);
  if (!fd) return std::string();
  struct stat facts {};
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat /{} of the image", path);
  if (!S_ISREG(facts.st_mode)) return std::string();
  return read_all(fd.get(), kMostBytes, std::string("/") + path + " of the image");
}

}  // namespace

Result<UserIds> resolve_user(std::string_view user, std::string_view passwd, std::string_view group) {
  std::string_view rest = user;
  std::string_view name = cut(&rest, ':');
  bool names_group = !rest.empty();
  if (name.empty()) name = "0";
  auto line = find_passwd(passwd, name, std::nullopt);
  auto number = id_in(name);
  if (!line && number) line = find_passwd(passwd, "", number);
  if (!line && !number)
    return fail(ErrorKind::config,
                "image config: /config/User: must name a user of the image's /etc/passwd, or an id: found {}",
                quoted(name));
  UserIds ids;
  ids.uid = line ? line->uid : *number;
  ids.gid = line ? line->gid : 0;
  if (names_group) {
    ids.gid = TRY(group_id(rest, group));
    return ids;
  }
  while (auto found = line ? next_group(&group) : std::nullopt)
    if (has_member(found->members, line->name) && found->gid != ids.gid) ids.additional_gids.push_back(found->gid);
  std::sort(ids.additional_gids.begin(), ids.additional_gids.end());
  ids.additional_gids.erase(std::unique(ids.additional_gids.begin(), ids.additional_gids.end()),
                            ids.additional_gids.end());
  if (ids.additional_gids.size() > kMostAdditionalGroups)
    return fail(ErrorKind::config, "image: /etc/group: must have the user in at most {} groups", kMostAdditionalGroups);
  return ids;
}

Result<UserIds> resolve_user_in(int rootfs, std::string_view user) {
  return resolve_user(user, TRY(read_in_image(rootfs, "etc/passwd")), TRY(read_in_image(rootfs, "etc/group")));
}

}  // namespace minirun::unpack
