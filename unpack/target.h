// SPDX-License-Identifier: Apache-2.0
// The new bundle. It grows in a directory beside its place, .NAME.unpacking, and gets its name once it is whole: what
// is there under its name is a bundle.
#pragma once

#include <optional>
#include <string>

#include "sys/fd.h"
#include "sys/result.h"
#include "unpack/removal.h"

namespace minirun::unpack {

class Target {
 public:
  // The path of the bundle, which must not exist. What a killed minirun-unpack has left under the temporary name is
  // removed first. Errors: busy when another one works there.
  static Result<Target> begin(const std::string& path);
  Target(Target&&) = default;
  Target& operator=(Target&&) = delete;
  ~Target();  // discards what was not committed

  int rootfs() const { return rootfs_.get(); }  // borrowed
  // Of the same filesystem, for removals.
  Result<UniqueFd> trash_directory() const;

  Result<void> write_config(const std::string& text);
  Result<void> commit();
  // Removes all of it.
  Result<void> discard();

 private:
  Target() = default;
  Result<void> claim();
  Result<void> make_rootfs();
  Result<void> empty();

  std::string path_, name_, temporary_;
  UniqueFd parent_;
  UniqueFd directory_;  // the temporary one, locked (flock(2)) as long as it is open
  UniqueFd rootfs_;
};

}  // namespace minirun::unpack
