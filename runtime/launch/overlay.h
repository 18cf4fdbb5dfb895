// SPDX-License-Identifier: Apache-2.0
// --overlay and --keep-changes of a launch: what they mean, and what they cannot have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/launch/request.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// RunOptions::overlay. ErrorKind::usage: no size, one below a page, or one for changes that have a directory.
Result<std::optional<uint64_t>> overlay_bytes(const LaunchOptions& options);

// Refuses a container without a mount namespace: nothing is mounted for it.
Result<void> check_overlay(const LaunchOptions& options, const oci::Spec& spec);

// A warning for mounts of the host below the rootfs that the container does not see, as none can be in a layer. ""
// without one; mounts of config.json that cover them do not count.
Result<std::string> mounts_left_out(const oci::Spec& spec, const std::string& rootfs);

}  // namespace minirun
