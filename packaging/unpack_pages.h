// SPDX-License-Identifier: Apache-2.0
// The manual page and completions of minirun-unpack, made from the table of its options.
#pragma once

#include <map>
#include <string>

namespace minirun::packaging {

// By file name.
std::map<std::string, std::string> unpack_pages(const std::string& version);

}  // namespace minirun::packaging
