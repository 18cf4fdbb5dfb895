// SPDX-License-Identifier: Apache-2.0
// What create and exec of the bundles of the fault sweeps touch, as tests/attacks/file_trace.h writes it. A line that
// is new here is to be judged by docs/security.md first.
#pragma once

#include <set>
#include <string>

namespace minirun::testing {

using Lines = std::set<std::string>;
Lines operator+(Lines a, const Lines& b);

// Of every create, before the container's root is entered: the caller's arguments, the state, the cgroup, /proc about
// itself and its init, the image's passwd, a tmpfs filled from the image.
Lines touched_by_create();
// What is made and mounted in the root, which is named so: "" after it was entered, else the clone of the rootfs.
Lines touched_in_root(const std::string& root);
// The nodes of /dev: made, or those of the host mounted over empty files.
Lines touched_by_mknod(const std::string& root);
Lines touched_by_nodes_of_the_host(const std::string& root);
// By the init, once the root is its own.
Lines touched_on_entering();

// Of every exec, outside and inside.
Lines touched_by_exec();
Lines touched_by_joining();
// For the process's oom_score_adj: through a procfs that no image can mount over.
Lines touched_by_a_score();

}  // namespace minirun::testing
