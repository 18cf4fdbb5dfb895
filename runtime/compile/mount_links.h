// SPDX-License-Identifier: Apache-2.0
// Bind mounts with the option copy-symlink: what compile() needs to know about their sources.
#pragma once

#include <string>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun {

// The source's path for the kernel: relative sources start at the bundle.
std::string bind_source(const oci::Mount& mount, const std::string& bundle);

// For each mount of the list: the target of its source, if the mount has copy-symlink and the source is a symbolic
// link; else "". Empty if no mount has the option.
std::vector<std::string> mount_links(const oci::Spec& spec, const std::string& bundle);

}  // namespace minirun
