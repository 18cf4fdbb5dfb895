// SPDX-License-Identifier: Apache-2.0
// From an image to a bundle.
#pragma once

#include <string>

#include "sys/result.h"
#include "unpack/image.h"
#include "unpack/limits.h"
#include "unpack/notes.h"

namespace minirun::unpack {

struct Request {
  std::string image;   // a layout, or an archive of docker save or podman save
  std::string bundle;  // a new directory
  Choice choice{};
  Limits limits{};
};

// All or nothing: after an error the bundle is not there, nor anything else.
Result<void> unpack_image(const Request& request, Notes* notes);

}  // namespace minirun::unpack
