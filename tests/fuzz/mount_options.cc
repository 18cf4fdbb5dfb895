// SPDX-License-Identifier: Apache-2.0
// Any list of mount options: known attributes only, the last of two that contradict each other counts, and what is for
// the filesystem is handed on in order.
#include "runtime/oci/mount_options.h"

#include <linux/mount.h>
#include <sys/mount.h>

#include "runtime/oci/mount_id_maps.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

constexpr uint64_t kAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC |
                                 MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME | 0x00200000;  // MOUNT_ATTR_NOSYMFOLLOW

// As mount_setattr(2) takes it.
void check_change(const AttributeChange& change, const std::string& text) {
  HOLDS((change.set & ~kAttributes) == 0 && (change.clear & ~kAttributes) == 0, text);
  HOLDS((change.set & change.clear & ~uint64_t{MOUNT_ATTR__ATIME}) == 0, text);
  if (((change.set | change.clear) & MOUNT_ATTR__ATIME) == 0) return;
  HOLDS((change.clear & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME, text);
  uint64_t mode = change.set & MOUNT_ATTR__ATIME;
  HOLDS(mode == MOUNT_ATTR_RELATIME || mode == MOUNT_ATTR_NOATIME || mode == MOUNT_ATTR_STRICTATIME, text);
}

bool same(const AttributeChange& a, const AttributeChange& b) {
  return a.set == b.set && a.clear == b.clear;
}

void check_id_map(const oci::Spec& spec, const MountOptions& options, const std::string& text) {
  oci::Mount mount;
  mount.destination = "/m";
  mount.source = "/s";
  auto result = mount_id_map(spec, mount, options);
  if (!result.problem.empty()) {
    HOLDS(!result.map.any(), text);
    return;
  }
  HOLDS(options.id_map == MountOptions::IdMap::none || result.map.any(), text);
  for (const IdMaps* maps : {&result.map.uids, &result.map.gids})
    for (const IdMap& map : *maps) {
      HOLDS(map.size > 0, text);
      HOLDS(uint64_t{map.container_id} + map.size <= 0xffffffff && uint64_t{map.host_id} + map.size <= 0xffffffff,
            text);
    }
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  oci::Spec spec;
  if (input.coin()) {
    spec.linux_.uid_mappings = {{0, 100000, 65536}};
    spec.linux_.gid_mappings = {{0, 200000, 1000}, {1000, 300000, 1}};
  }
  std::string text(input.rest());
  oci::Strings list;
  while (!input.empty()) list.emplace_back(input.part('\n'));
  MountOptions options = parse_mount_options(list);
  check_change(options.own, text);
  check_change(options.below, text);
  uint64_t type = options.propagation & ~uint64_t{MS_REC};
  HOLDS((type & (type - 1)) == 0, text);
  HOLDS((type & ~uint64_t{MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE}) == 0, text);
  HOLDS(options.parameters.empty() || options.first_parameter < list.size(), text);

  oci::Strings twice = list;
  twice.insert(twice.end(), list.begin(), list.end());
  MountOptions again = parse_mount_options(twice);
  HOLDS(same(again.own, options.own) && same(again.below, options.below), text);
  HOLDS(again.propagation == options.propagation && again.bind == options.bind, text);
  HOLDS(again.parameters.size() == 2 * options.parameters.size(), text);
  check_id_map(spec, options, text);
}
