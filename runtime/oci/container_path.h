// SPDX-License-Identifier: Apache-2.0
// Paths inside the container, as text.
#pragma once

#include <string>
#include <string_view>

namespace minirun {

// Without "//", "/./", a "/" at the end and what ".." takes away; always absolute. For comparing and for names that are
// made: what a path leads to is decided by the kernel, under the container's root.
std::string clean_path(std::string_view path);

}  // namespace minirun
