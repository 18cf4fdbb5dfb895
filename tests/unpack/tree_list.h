// SPDX-License-Identifier: Apache-2.0
// All that a tree of files is, as lines to compare.
#pragma once

#include <map>
#include <string>

namespace minirun::unpack::testing {

// By path below the directory ("." is itself): type, mode, owner, time in ns, size and hash of the content, target,
// device, attributes, and for a file with several names the first of them. Never follows a link.
std::map<std::string, std::string> list_tree(const std::string& directory);

// What differs, one line each; "" when nothing does.
std::string difference(const std::map<std::string, std::string>& wanted,
                       const std::map<std::string, std::string>& found);

}  // namespace minirun::unpack::testing
