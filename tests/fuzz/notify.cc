// SPDX-License-Identifier: Apache-2.0
// What a container says to the service manager: whatever comes in, only its readiness and one line of text go on.
#include "runtime/supervise/notify_relay.h"
#include "runtime/text/shown.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

void check(std::string_view datagram, pid_t main_pid) {
  std::string relayed = relayed_notification(datagram, main_pid);
  HOLDS(relayed.size() <= 4096, relayed);
  bool ready = false;
  int statuses = 0;
  for (std::string_view rest = relayed; !rest.empty();) {
    size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    HOLDS(end != rest.size() - 1, relayed);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line == "READY=1") {
      HOLDS(!ready && statuses == 0, relayed);
      ready = true;
    } else if (line.starts_with("MAINPID=")) {
      HOLDS(ready && main_pid != 0 && line == "MAINPID=" + std::to_string(main_pid), relayed);
    } else {
      HOLDS(line.starts_with("STATUS=") && ++statuses == 1, relayed);
      HOLDS(shown_line(line) == line, relayed);
    }
  }
  HOLDS(!ready || datagram.find("READY=1") != std::string_view::npos, relayed);
  HOLDS(relayed_notification(relayed, 0).size() <= relayed.size(), relayed);
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  pid_t main_pid = input.coin() ? static_cast<pid_t>(input.below(1 << 22)) : 0;
  minirun::check(input.rest(), main_pid);
}
