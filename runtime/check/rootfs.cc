// SPDX-License-Identifier: Apache-2.0
// What a rehearsal over an overlay cannot know: whether the real filesystem takes what run makes.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/magic.h>
#include <linux/stat.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "runtime/check/parts.h"
#include "runtime/oci/container_path.h"
#include "runtime/resources/kept_changes.h"
#include "sys/image_path.h"

namespace minirun {
namespace {

// Those that answer as the kernel does by itself: no server and no program decides.
bool is_local(int directory) {
  constexpr unsigned long kXfs = 0x58465342, kZfs = 0x2fc12fc1;
  static constexpr std::array kLocal = {
      static_cast<unsigned long>(EXT4_SUPER_MAGIC),      kXfs,
      static_cast<unsigned long>(BTRFS_SUPER_MAGIC),     static_cast<unsigned long>(TMPFS_MAGIC),
      static_cast<unsigned long>(RAMFS_MAGIC),           static_cast<unsigned long>(F2FS_SUPER_MAGIC),
      static_cast<unsigned long>(OVERLAYFS_SUPER_MAGIC), kZfs};
  struct statfs info {};
  return fstatfs(directory, &info) == 0 &&
         std::find(kLocal.begin(), kLocal.end(), static_cast<unsigned long>(info.f_type)) != kLocal.end();
}

bool is_full(int directory) {
  struct statvfs info {};
  if (fstatvfs(directory, &info) < 0) return true;
  return (info.f_blocks != 0 && info.f_bavail == 0) || (info.f_files != 0 && info.f_favail == 0);
}

bool is_immutable(int directory) {
  struct statx info {};
  if (statx(directory, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &info) < 0) return true;
  return (info.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND)) != 0;
}

// Where run makes something.
std::vector<std::string> places(const oci::Spec& spec) {
  std::vector<std::string> places;
  for (const oci::Mount& mount : spec.mounts) places.push_back(mount.target);
  for (const oci::Device& device : spec.linux_.devices) places.push_back(clean_path(device.path));
  if (spec.process) places.push_back(clean_path(spec.process->cwd));
  return places;
}

}  // namespace

void check_room_in_rootfs(const CheckedBundle& bundle, CheckReport* report) {
  const int root = bundle.prepared.bundle.rootfs.get();
  for (const std::string& place : places(bundle.spec)) {
    if (open_in_image(root, place.c_str(), O_PATH)) continue;
    std::string above = place;
    UniqueFd nearest;
    while (!nearest && above.size() > 1) {
      above = directory_of(above);
      nearest = open_in_image(root, above.c_str(), O_PATH | O_DIRECTORY);
    }
    if (nearest && is_local(nearest.get()) && !is_full(nearest.get()) && !is_immutable(nearest.get())) continue;
    report->unknown("rootfs", "/root/path", fmt::format("whether its filesystem lets {} be made", place));
    return;
  }
}

void check_kept_changes(const CheckedBundle& bundle, const std::string& directory, CheckReport* report) {
  auto surveyed = survey_changes(directory, bundle.prepared.rootfs_path);
  if (!surveyed.ok()) return report->no("overlay", surveyed.error());
  report->unknown("overlay", "", fmt::format("whether the filesystem of {} can have an overlay's changes", directory));
}

}  // namespace minirun
