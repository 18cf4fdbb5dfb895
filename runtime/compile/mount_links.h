// SPDX-License-Identifier: Apache-2.0
// Bind mounts with the option copy-symlink: what compile() has to know of their sources.
#pragma once

#include <string>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun {

// As the kernel is given it: relative sources start at the bundle.
std::string bind_source(const oci::Mount& mount, const std::string& bundle);

// For each mount of the list: what its source points to, where the mount has copy-symlink and the source is a symbolic
// link; "" for all others. Empty when no mount has the option.
std::vector<std::string> mount_links(const oci::Spec& spec, const std::string& bundle);

}  // namespace minirun
