// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/overlay.h"

#include <algorithm>

#include "namespaces/overlay.h"
#include "runtime/compile/compile.h"
#include "runtime/oci/config_error.h"
#include "runtime/text/byte_size.h"
#include "runtime/text/json.h"
#include "sys/mountinfo.h"

namespace minirun {

constexpr uint64_t kDefaultOverlayBytes = uint64_t{64} << 20;

Result<std::optional<uint64_t>> overlay_bytes(const LaunchOptions& options) {
  using Size = std::optional<uint64_t>;
  const bool sized = options.overlay && !options.overlay->empty();
  if (options.keep_changes && options.keep_changes->empty())
    return fail(ErrorKind::usage, "--keep-changes: must name a directory: found \"\"");
  if (options.keep_changes && sized)
    return fail(ErrorKind::usage,
                "--overlay={}: must have no size beside --keep-changes, whose directory takes what its filesystem has",
                *options.overlay);
  if (!options.has_overlay()) return Size();
  if (options.keep_changes) return Size(0);
  if (!sized) return Size(kDefaultOverlayBytes);
  auto bytes = parse_byte_size(*options.overlay);
  if (bytes.ok() && *bytes >= static_cast<int64_t>(kLeastOverlayBytes)) return Size(static_cast<uint64_t>(*bytes));
  return fail(ErrorKind::usage, "--overlay: must be a size from 4k, in bytes or with k, m, g, t or p: found {}",
              quoted(*options.overlay));
}

Result<void> check_overlay(const LaunchOptions& options, const oci::Spec& spec) {
  if (!options.has_overlay() || has_mount_namespace(spec)) return {};
  return config_error("/linux/namespaces", options.keep_changes ? "must have a mount namespace for --keep-changes"
                                                                : "must have a mount namespace for --overlay");
}

Result<std::string> mounts_left_out(const oci::Spec& spec, const std::string& rootfs) {
  std::string names;
  size_t count = 0;
  for (const MountBelow& mount : TRY(mounts_below(rootfs))) {
    const std::string path = "/" + mount.below;
    bool covered = std::any_of(spec.mounts.begin(), spec.mounts.end(), [&](const oci::Mount& entry) {
      return path == entry.target || path.starts_with(entry.target + "/");
    });
    if (path == "/" || covered) continue;
    constexpr size_t kMostNames = 5;
    if (++count <= kMostNames) names += (names.empty() ? "" : ", ") + path;
    if (count == kMostNames + 1) names += ", ...";
  }
  if (count == 0) return std::string();
  return fmt::format("the overlay leaves out what is mounted below the rootfs: {}", names);
}

}  // namespace minirun
