// SPDX-License-Identifier: Apache-2.0
// Platforms as the image-spec names them: Go's words for an operating system and an architecture (image-index.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun::unpack {

struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;  // "": not said

  std::string text() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }
};

// "os/arch" or "os/arch/variant"; x86_64 and aarch64 mean amd64 and arm64.
Result<Platform> parse_platform(std::string_view text);

// Linux on this machine (uname(2)).
Platform host_platform();

// Which of the offered ones serves best, or nullopt. One with the very variant comes first, then one without a variant,
// then any where none is wanted. Among equals the first, as image-index.md has it.
std::optional<size_t> choose_platform(const Platform& wanted, const std::vector<Platform>& offered);

}  // namespace minirun::unpack
