// SPDX-License-Identifier: Apache-2.0
// The options that run, create and restore share.
#pragma once

#include <cstdint>

#include "runtime/commands/options.h"
#include "runtime/launch/request.h"

namespace minirun {

inline constexpr const char* kBundleText = "the bundle's directory (default: the current one)";
inline constexpr const char* kNoSubreaperText =
    "accepted for compatibility, ignored: minirun is a subreaper only while a hook runs";

void describe(Options& options, LaunchOptions& launch);
void describe_without_bundle(Options& options, LaunchOptions& launch);

// How many after stdio the caller means for the container: those of socket activation, and --preserve-fds behind them.
uint64_t descriptors_of(const LaunchOptions& launch);

}  // namespace minirun
