// SPDX-License-Identifier: Apache-2.0
// Signals that ask minirun-unpack to end: it ends by itself, once it has removed what it has made.
#pragma once

#include "sys/result.h"

namespace minirun::unpack {

// From here on SIGTERM, SIGINT, SIGHUP and SIGQUIT are noted, unless the caller had them ignored.
void heed_interrupts();
// The first that came, or 0.
int interrupted_by();
// An error of kind aborted once one has come.
Result<void> unless_interrupted();

}  // namespace minirun::unpack
