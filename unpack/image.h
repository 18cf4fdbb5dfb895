// SPDX-License-Identifier: Apache-2.0
// From a source to the one image in it that is asked for: an OCI image layout (index.json), or an archive of
// `docker save` or `podman save` (manifest.json).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"
#include "unpack/digest.h"
#include "unpack/image_config.h"
#include "unpack/limits.h"
#include "unpack/platform.h"
#include "unpack/source.h"

namespace minirun::unpack {

// A file of the source. The archives of `docker save` name files by themselves, and have no digests of compressed
// bytes.
struct Blob {
  std::string path;
  std::optional<Digest> digest{};
  std::optional<uint64_t> size{};
};

struct Image {
  ImageConfig config;
  std::vector<Blob> layers;  // as many as config.diff_ids
};

struct Choice {
  std::string name{};                  // NAME[:TAG]; "": the only one
  std::optional<Platform> platform{};  // absent: this machine's
};

Result<Image> find_image(Source& source, const Choice& choice, const Limits& limits);

// The parts of it.

// Whether NAME[:TAG] means the image of that name: the same, or the same behind a "/", with the tag latest if it has
// none.
bool names_image(std::string_view wanted, std::string_view name);

// Checked against its digest and size. what: for messages.
Result<std::string> read_blob(Source& source, const Blob& blob, const std::string& what, const Limits& limits);

Result<Image> find_in_layout(Source& source, const Choice& choice, const Limits& limits, std::string_view index);
Result<Image> find_in_docker_archive(Source& source, const Choice& choice, const Limits& limits,
                                     std::string_view manifest);
// The config of the blob, with its number of layers held against `layers`.
Result<Image> complete_image(Source& source, const Blob& config, std::vector<Blob> layers, const Choice& choice,
                             const Limits& limits);

}  // namespace minirun::unpack
