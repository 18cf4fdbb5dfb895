// SPDX-License-Identifier: Apache-2.0
// Removal of what an image has made: of any depth. A tree may be deeper than a path is long, since a layer may enter a
// directory by a link (sys/tree.h removes small trees of minirun's own).
#pragma once

#include <cstdint>
#include <string>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun::unpack {

// Takes directories that lie deeper than a removal goes at once. It is a directory on the same filesystem.
class Trash {
 public:
  explicit Trash(UniqueFd directory) : directory_(std::move(directory)) {}

  // Removes the entry, of any type, with all below it; never follows a link. A missing one is success.
  Result<void> remove(int dirfd, const std::string& name);
  // Removes what is in the directory.
  Result<void> empty();

 private:
  Result<void> remove_level(int dirfd, const std::string& name, int level);

  UniqueFd directory_;
  uint64_t number_ = 0;
  bool used_ = false;
};

}  // namespace minirun::unpack
