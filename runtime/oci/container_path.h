// SPDX-License-Identifier: Apache-2.0
// Paths inside the container, as text.
#pragma once

#include <string>
#include <string_view>

namespace minirun {

// Absolute, without "//", "/./" and a trailing "/", and with ".." resolved as text. For comparisons and for generated
// names: where a path really leads is for the kernel to decide, under the container's root.
std::string clean_path(std::string_view path);

}  // namespace minirun
