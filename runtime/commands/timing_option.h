// SPDX-License-Identifier: Apache-2.0
// --timing and --timing-json of the commands that launch.
#pragma once

#include <string>

#include "runtime/commands/options.h"

namespace minirun {

struct TimingOption {
  bool table = false;
  bool json = false;
};

// The options, for `features`.
inline constexpr const char* kTimingFeatures = "timing timing-json";
void describe_timing(Options& options, TimingOption& option);

// Measures from its beginning to its end, and then prints on stderr what it was asked for, after a failure too. Make it
// before anything that the launch makes.
class TimedCommand {
 public:
  TimedCommand(const TimingOption& option, std::string command, std::string id);
  ~TimedCommand() { print(); }
  TimedCommand(const TimedCommand&) = delete;
  TimedCommand& operator=(const TimedCommand&) = delete;

  // Before the end, by a command that goes on without its caller.
  void print();

 private:
  TimingOption option_;
};

}  // namespace minirun
