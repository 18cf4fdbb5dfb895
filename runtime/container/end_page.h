// SPDX-License-Identifier: Apache-2.0
// How the workload of a container that outlives minirun ended, as its init wrote it into a page of the state directory
// (namespaces/end_page.h). A process of the container with CAP_SYS_PTRACE can make its init write anything: what comes
// from here is the container's own word, and every value in it may be any.
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/container/state_directory.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// What the init says. A value that cannot be is absent.
struct OwnEnd {
  int wait_status = 0;                                        // the workload's, as waitpid(2) may give it
  int last_signal = 0;                                        // that the init passed on to it last, up to 64; 0: none
  std::string time;                                           // RFC 3339; "": not known
  std::optional<uint64_t> user_us, system_us, max_rss_bytes;  // getrusage(2)
};

// Makes the page of a new container, readable and writable, for its init to map. All of it exists on return, so that
// the init needs no memory of the filesystem at its end.
Result<UniqueFd> make_end_page(int state_fd);

// Opens it for reading. ENOENT: the container has none.
Result<UniqueFd> open_end_page(int state_fd);

// What the page says; nothing if the workload has not ended, or another release wrote a newer format.
std::optional<OwnEnd> read_end_page(const StateDirectory& state, const ContainerRecord& record);

// The same of its bytes. created: RFC 3339; the end was neither before nor after `now`.
std::optional<OwnEnd> parse_end_page(std::string_view bytes, const std::string& created, const timespec& now);

}  // namespace minirun
