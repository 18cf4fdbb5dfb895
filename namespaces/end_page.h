// SPDX-License-Identifier: Apache-2.0
// The page in which the resident init of a container that outlives minirun writes how its workload ended: a file in the
// state directory, which minirun makes and the init maps. Shared with the freestanding init program.
#pragma once

#include <stdint.h>

namespace minirun {

struct EndPage {
  // minirun writes these when it makes the page. Another release may read it (docs/upgrades.md).
  uint64_t magic;
  uint32_t format;
  // The init, at the end; this word last.
  uint32_t state;                // 0, or kEndWritten
  int32_t wait_status;           // the workload's, as wait4(2) gives it
  uint32_t last_signal;          // that the init passed on to the workload last; 0: none
  int64_t seconds, nanoseconds;  // CLOCK_REALTIME
  // getrusage(2), of the workload and of the children that it has waited for.
  int64_t user_seconds, user_us, system_seconds, system_us;
  int64_t max_rss_kib;
};

constexpr uint64_t kEndPageBytes = 4096;
constexpr uint64_t kEndPageMagic = 0x444e455552494dULL;  // "MIRUEND"
constexpr uint32_t kEndPageFormat = 1;
constexpr uint32_t kEndWritten = 1;
static_assert(sizeof(EndPage) == 80 && sizeof(EndPage) <= kEndPageBytes, "a new format: docs/upgrades.md");

}  // namespace minirun
