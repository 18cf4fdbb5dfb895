// SPDX-License-Identifier: Apache-2.0
// minirun's init in a container for checkpoint.
#pragma once

#include <sys/types.h>

#include "runtime/criu/images.h"
#include "sys/result.h"

namespace minirun {

// What to keep of it beside criu's images. state_fd: the container's state directory. Errors: it holds a socket to a
// minirun in another network namespace that waits for its end (a foreground run's, or an older minirun's), which criu
// cannot save.
Result<SavedInit> saved_init(pid_t init, int state_fd);

// The process that it supervises: its oldest child, from which all later ones descend.
Result<pid_t> workload_of(pid_t init);

}  // namespace minirun
