// SPDX-License-Identifier: Apache-2.0
// Lists of cpus and memory nodes as the kernel prints them: "0-3,8". cpuset(7), "List format".
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace minirun {

// Whether each number of the inner list is in the outer one. Text that is not a list counts as empty.
bool cpu_list_within(std::string_view inner, std::string_view outer);

// As sched_setaffinity(2) takes it: bit n of the array for CPU n. Empty if the text is not a list.
std::vector<uint64_t> cpu_mask(std::string_view list);

}  // namespace minirun
