// SPDX-License-Identifier: Apache-2.0
// The options that run, create and restore share.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/commands/command.h"
#include "runtime/commands/options.h"
#include "runtime/launch/request.h"

namespace minirun {

inline constexpr const char* kBundleText = "the bundle's directory (default: the current one)";
inline constexpr const char* kNoSubreaperText =
    "accepted for compatibility, ignored: minirun is a subreaper only while a hook runs";

void describe(Options& options, LaunchOptions& launch);
void describe_without_bundle(Options& options, LaunchOptions& launch);

// --overlay and --keep-changes, of run and create. The list is for `features`.
inline constexpr const char* kOverlayFeatures = "overlay keep-changes";
void describe_overlay(Options& options, LaunchOptions& launch);

// --strict, of run, create and check.
void describe_strict(Options& options, bool& place);

// --status-fd, also for start and exec.
void describe_status_fd(Options& options, std::optional<uint64_t>& place);

// The container gets those of socket activation, then those of --preserve-fds.
Descriptors descriptors_of(const LaunchOptions& launch);

}  // namespace minirun
