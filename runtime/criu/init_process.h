// SPDX-License-Identifier: Apache-2.0
// minirun's init in a container that is saved.
#pragma once

#include <sys/types.h>

#include "runtime/criu/images.h"
#include "sys/result.h"

namespace minirun {

// What is kept of it beside criu's images. Errors: it holds a socket to a minirun that waits for its end, in another
// network namespace, which criu cannot save: the foreground run's, or that of an older minirun.
Result<SavedInit> saved_init(pid_t init);

// The process that it supervises: the oldest of its children, as all that come to it later descend from that one.
Result<pid_t> workload_of(pid_t init);

}  // namespace minirun
