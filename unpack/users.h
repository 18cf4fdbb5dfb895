// SPDX-License-Identifier: Apache-2.0
// The user of an image's config, found in the image's own /etc/passwd and /etc/group (image-spec, config.md, "User").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun::unpack {

struct UserIds {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;  // where the config names no group

  bool operator==(const UserIds&) const = default;
};

// user: "", "NAME", "UID", and each with ":GROUP" or ":GID". The texts are those of the two files.
Result<UserIds> resolve_user(std::string_view user, std::string_view passwd, std::string_view group);

// The same with the files of a root filesystem, whose links lead to no file outside of it. A missing file is empty.
Result<UserIds> resolve_user_in(int rootfs, std::string_view user);

}  // namespace minirun::unpack
