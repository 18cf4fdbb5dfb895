// SPDX-License-Identifier: Apache-2.0
// The lines of a resctrl schemata file: "L3:0=7f0;1=1f". Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/oci/spec.h"

namespace minirun {

// The texts for the schemata file, one write(2) each: first l3CacheSchema and memBwSchema together, then schemata
// (runtime-spec 1.3 config-linux.md, "IntelRdt"). memBwSchema replaces lines beginning with MB: in l3CacheSchema. Each
// ends with a line feed, which resctrl requires. Empty if nothing is set.
std::vector<std::string> schemata_to_write(const oci::IntelRdt& rdt);

// Compares the texts with the file, value by value, and ignores values that were not asked for. bandwidth_step: the
// kernel rounds bandwidths up to it (info/MB/bandwidth_gran). Returns the first difference, for messages.
std::optional<std::string> schemata_mismatch(const oci::IntelRdt& rdt, std::string_view file, uint64_t bandwidth_step);

}  // namespace minirun
