// SPDX-License-Identifier: Apache-2.0
// A file of options for criu, named by an annotation as with runc and crun.
#pragma once

#include <optional>
#include <string>

#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Open, where the annotation names one; an empty value is none. criu runs programs that the file names, with the rights
// of minirun, and annotations come from an engine's users. So it has to be an absolute path without a link, to a
// regular file that root owns and only root may write, in directories of the same kind, and nothing that the
// container can reach: not below its root filesystem or the source of a bind mount. Anything else is an error.
Result<std::optional<UniqueFd>> open_criu_config(const oci::Spec& spec, const std::string& bundle,
                                                 const std::string& rootfs);

// The path that criu opens it by.
std::string criu_config_path(int fd);

}  // namespace minirun
