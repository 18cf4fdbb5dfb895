// SPDX-License-Identifier: Apache-2.0
#include "unpack/own_namespace.h"

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "namespaces/map_writer.h"
#include "sys/child_program.h"
#include "sys/file.h"

namespace minirun::unpack {
namespace {

// "0 0 4294967295": the first user namespace has all ids, each as itself.
Result<bool> in_first_user_namespace() {
  std::string map = TRY(read_file(AT_FDCWD, "/proc/self/uid_map"));
  return map.find("4294967295") != std::string::npos;
}

bool has_program(const char* name) {
  const char* directories = getenv("PATH");
  return !find_program(name, directories != nullptr ? directories : "/usr/local/bin:/usr/bin:/bin").empty();
}

std::string name_of_user(uid_t uid) {
  const passwd* entry = getpwuid(uid);
  return entry != nullptr ? entry->pw_name : "";
}

Result<std::string> ranges_in(const char* path) {
  auto text = read_file(AT_FDCWD, path);
  if (!text.ok() && text.error().code == ENOENT) return std::string();
  return text;
}

Result<BundleOwner> maps_of_caller() {
  uid_t uid = geteuid();
  gid_t gid = getegid();
  BundleOwner own{{{0, uid, 1}}, {{0, gid, 1}}};
  if (!has_program("newuidmap") || !has_program("newgidmap")) return own;
  std::string name = name_of_user(uid);
  BundleOwner ranges{maps_with_ranges(uid, TRY(ranges_in("/etc/subuid")), name, uid),
                     maps_with_ranges(gid, TRY(ranges_in("/etc/subgid")), name, uid)};
  bool both = ranges.uids.size() > 1 && ranges.gids.size() > 1;
  return both ? ranges : own;
}

Result<void> enter_namespace(const BundleOwner& owner) {
  MapWriter writer;
  TRY(writer.start(owner.uids, owner.gids));
  if (unshare(CLONE_NEWUSER) < 0) return fail(errno, "make a user namespace");
  TRY(writer.finish());
  if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) return fail(errno, "become root of the user namespace");
  return {};
}

}  // namespace

IdMaps maps_with_ranges(uint32_t own_id, std::string_view text, std::string_view user_name, uint32_t user_id) {
  IdMaps maps = {{0, own_id, 1}};
  uint32_t next = 1;
  std::string number = std::to_string(user_id);
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    std::string_view user = line.substr(0, first);
    if (user.empty() || (user != user_name && user != number)) continue;
    uint32_t start = 0, count = 0;
    auto start_end = std::from_chars(line.data() + first + 1, line.data() + second, start);
    auto count_end = std::from_chars(line.data() + second + 1, line.data() + line.size(), count);
    if (start_end.ec != std::errc() || count_end.ec != std::errc() || count == 0) continue;
    IdMaps longer = maps;
    longer.push_back({next, start, count});
    if (id_map_problem(longer)) continue;  // a range twice, or the user's own id in it
    maps = std::move(longer);
    next += count;
  }
  return maps;
}

Result<Caller> become_able(Notes* notes) {
  if (geteuid() == 0) return Caller{{TRY(in_first_user_namespace()), true}, {}};
  Caller caller{{false, true}, TRY(maps_of_caller())};
  auto entered = enter_namespace(caller.owner);
  if (entered.ok()) {
    if (caller.owner.uids.size() == 1)
      notes->say(
          "all files belong to you: to map the image's other ids takes newuidmap and newgidmap (Debian: uidmap) "
          "and ranges in /etc/subuid and /etc/subgid");
    return caller;
  }
  // In the namespace without its maps nothing works; before it, all goes on with what an ordinary user may do.
  if (geteuid() == static_cast<uid_t>(caller.owner.uids[0].host_id)) {
    notes->say("all files belong to you: " + entered.error().text());
    caller.rights.owners = false;
    return caller;
  }
  return entered.error();
}

}  // namespace minirun::unpack
