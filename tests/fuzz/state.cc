// SPDX-License-Identifier: Apache-2.0
// A state record of any text: refused, or read as something that is written and read again as the same.
#include "runtime/container/record.h"
#include "tests/fuzz/fuzz.h"

FUZZ(input) {
  using namespace minirun;
  std::string text(input.rest());
  auto record = record_from_json(text);
  if (!record.ok()) {
    HOLDS(!record.error().message.empty(), text);
    return;
  }
  // No signal is ever sent to 0, to -1 or to what is no process.
  HOLDS(record->init.pid >= 0 && record->init.pid <= 1 << 22, std::to_string(record->init.pid));
  for (const minirun::ProcessIdentity& keeper : record->keepers)
    HOLDS(keeper.pid >= 0 && keeper.pid <= 1 << 22, std::to_string(keeper.pid));
  HOLDS(!record->exit_status || (*record->exit_status >= 0 && *record->exit_status <= 255), text);
  HOLDS(record->format > 0 && check_format(*record).ok() == (record->format <= kRecordFormat), text);
  std::string written = record_to_json(*record);
  auto again = record_from_json(written);
  HOLDS(again.ok(), written);
  HOLDS(record_to_json(*again) == written, written);
  HOLDS(again->cgroup.made == record->cgroup.made && again->annotations == record->annotations, written);
}
