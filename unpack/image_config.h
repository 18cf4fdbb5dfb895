// SPDX-License-Identifier: Apache-2.0
// An image's config (image-spec, config.md) as typed data.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/result.h"
#include "unpack/digest.h"
#include "unpack/platform.h"

namespace minirun::unpack {

struct ImageConfig {
  Platform platform;
  std::string os_version;
  std::vector<std::string> os_features;
  std::string created, author;
  std::string user, working_dir, stop_signal;
  std::vector<std::string> env, entrypoint, command;
  std::vector<std::string> exposed_ports, volumes;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<Digest> diff_ids;  // of the layers once they are decompressed, from bottom to top
};

// file: for messages.
Result<ImageConfig> parse_image_config(const std::string& file, std::string_view text);

}  // namespace minirun::unpack
