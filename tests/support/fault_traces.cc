// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fault_traces.h"

#include <fcntl.h>

#include <sstream>

#include "sys/file.h"

namespace minirun::testing {

Traces take_all_traces() {
  Traces traces = take_traces();
  auto devices = read_file(AT_FDCWD, "/proc/net/dev", 1 << 20);
  std::istringstream lines(devices.ok() ? *devices : "");
  for (std::string line; std::getline(lines, line);) {
    size_t colon = line.find(':');
    if (colon != std::string::npos) traces.insert("network device " + line.substr(0, colon));
  }
  // "Num RefCount Protocol Flags Type St Inode Path"; without a path they are as many as descriptors of processes.
  auto sockets = read_file(AT_FDCWD, "/proc/net/unix", 1 << 20);
  lines = std::istringstream(sockets.ok() ? *sockets : "");
  std::string headings;
  std::getline(lines, headings);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string word, last;
    int count = 0;
    for (; fields >> word; ++count) last = word;
    traces.insert("socket " + (count > 7 ? last : "without a name, " + last));
  }
  return traces;
}

}  // namespace minirun::testing
