// Writes to control files as systemd's properties, so that the limits stay when systemd writes its own view of them
// (`systemctl daemon-reload`). systemd.resource-control(5). Pure.
#pragma once

#include <vector>

#include "cgroups/limits.h"
#include "cgroups/systemd/property.h"

namespace minirun::systemd {

// What has no property (hugetlb, rdma, cpu.max.burst, memory.oom.group ...), or none in this version of systemd, is
// left out: systemd never writes it, so the file keeps it. Of two writes to one file the later one counts.
// systemd keeps a CPU quota in whole percents: it is rounded up to the next, and the file has the exact one until then.
Properties limit_properties(const std::vector<Write>& writes, uint32_t version);

// "0-2,8" → "\x07\x01": bit i of the bytes is CPU (or node) i. Empty when the list is not one.
std::string cpu_mask_bytes(const std::string& list);

}  // namespace minirun::systemd
