// SPDX-License-Identifier: Apache-2.0
// What this minirun can do, for engines: runtime-spec features.md and features-linux.md.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace minirun {

// The features document. Generated from the tables that the rest of minirun works with; "enabled" speaks of minirun,
// not of the host (features-linux.md), but for what the kernel says of capabilities and seccomp flags.
std::string features_document();

// Annotations of config.json that change what minirun does: whoever takes bundles from others has to look at them. One
// that ends with a dot stands for all that begin with it.
std::span<const std::string_view> unsafe_annotations();

}  // namespace minirun
