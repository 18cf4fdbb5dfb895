// Lists of cpus and memory nodes as the kernel prints them: "0-3,8". cpuset(7), "List format".
#pragma once

#include <string_view>

namespace minirun {

// Whether each number of the inner list is in the outer one. Text that is no list counts as an empty one.
bool cpu_list_within(std::string_view inner, std::string_view outer);

}  // namespace minirun
