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

// What is written to the schemata file, one write(2) for each: first l3CacheSchema and memBwSchema together, then
// schemata (runtime-spec 1.3 config-linux.md, "IntelRdt"). Lines beginning with MB: in l3CacheSchema give way to
// memBwSchema. Each ends with a line feed, which resctrl insists on. Empty when nothing is set.
std::vector<std::string> schemata_to_write(const oci::IntelRdt& rdt);

// Compares what would be written with what the file says, value by value; what is not asked for may be anything.
// bandwidth_step: the kernel rounds bandwidths up to it (info/MB/bandwidth_gran). Returns the first difference, for a
// person.
std::optional<std::string> schemata_mismatch(const oci::IntelRdt& rdt, std::string_view file, uint64_t bandwidth_step);

}  // namespace minirun
