// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/timing_option.h"

#include <utility>

#include "runtime/diagnosis/timing_table.h"
#include "runtime/text/log.h"

namespace minirun {

void describe_timing(Options& options, TimingOption& option) {
  options.flag("--timing", option.table, "print on stderr how long each phase and each step of the plan took");
  options.flag("--timing-json", option.json, "the same as one line of JSON");
}

TimedCommand::TimedCommand(const TimingOption& option, std::string command, std::string id) : option_(option) {
  if (option_.table || option_.json) begin_timing(std::move(command), std::move(id));
}

void TimedCommand::print() {
  auto timing = take_timing();
  if (!timing) return;
  if (option_.table) report_line(timing_table(*timing));
  if (!option_.json) return;
  JsonWriter json;
  write_timing(json, *timing);
  report_line(json.text());
}

}  // namespace minirun
