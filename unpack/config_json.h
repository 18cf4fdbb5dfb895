// SPDX-License-Identifier: Apache-2.0
// From an image's config to a config.json (image-spec, conversion.md).
#pragma once

#include <string>

#include "namespaces/id_map.h"
#include "runtime/oci/spec.h"
#include "sys/result.h"
#include "unpack/image_config.h"
#include "unpack/notes.h"
#include "unpack/users.h"

namespace minirun::unpack {

// Whose containers the bundle is for: with no maps root's, else those of a user with these (0 is the user's own id).
struct BundleOwner {
  IdMaps uids, gids;
};

// The config.json of `minirun spec`, with the image's process, and a root filesystem that may be written.
Result<std::string> make_config_json(const ImageConfig& image, const UserIds& user, const BundleOwner& owner,
                                     Notes* notes);

// Annotations of the image's config, without those that would change how the container is made: the maker of an image
// may describe it, and not command the runtime.
oci::StringMap image_annotations(const ImageConfig& image, Notes* notes);

}  // namespace minirun::unpack
