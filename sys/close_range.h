// SPDX-License-Identifier: Apache-2.0
// close_range(2), Linux 5.9, around descriptors that stay open.
#pragma once

#include <span>

namespace minirun {

// Closes every descriptor from `first` on but those in `kept`, which rises; negative ones are skipped. System calls
// only: it may be called between fork and exec. False: the kernel refused a range (errno), and the others are closed.
bool close_all_but(std::span<const int> kept, unsigned first);

}  // namespace minirun
