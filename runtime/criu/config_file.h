// SPDX-License-Identifier: Apache-2.0
// A file of options for criu, named by an annotation as with runc and crun.
#pragma once

#include <optional>
#include <string>

#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Opens the file that the annotation names; an empty value names none. criu runs programs that the file names, with
// minirun's rights, and annotations come from an engine's users. So the path must be absolute and free of links, the
// file must be a regular one that root owns and only root may write, its directories likewise, and the container must
// not reach it: not below its root filesystem or the source of a bind mount. Anything else is an error.
Result<std::optional<UniqueFd>> open_criu_config(const oci::Spec& spec, const std::string& bundle,
                                                 const std::string& rootfs);

// The path by which criu opens it.
std::string criu_config_path(int fd);

}  // namespace minirun
