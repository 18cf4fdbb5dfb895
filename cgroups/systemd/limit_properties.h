// SPDX-License-Identifier: Apache-2.0
// Turns writes to control files into systemd's properties, so that the limits survive when systemd writes its own view
// of them (`systemctl daemon-reload`). systemd.resource-control(5). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cgroups/limits.h"
#include "cgroups/systemd/property.h"

namespace minirun::systemd {

// Leaves out limits without a property (hugetlb, rdma, cpu.max.burst ...) in this version of systemd: systemd never
// writes them, so the files keep them. Of two writes to one file the later one counts. systemd keeps a CPU quota in
// whole percents: it is rounded up to the next, and the file has the exact one until then.
enum class Moment : uint8_t { birth, update };  // some properties can be set only at the unit's birth
Properties limit_properties(const std::vector<Write>& writes, uint32_t version, Moment moment);

// "0-2,8" → "\x07\x01": bit i of the bytes is CPU (or node) i. Empty when the list is not one.
std::string cpu_mask_bytes(const std::string& list);

}  // namespace minirun::systemd
