// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/interval_option.h"

#include "runtime/text/duration.h"
#include "runtime/text/json.h"

namespace minirun {

Result<std::chrono::nanoseconds> parse_interval(const std::string& text, const char* option) {
  const bool is_bare = !text.empty() && text.find_first_not_of("0123456789.") == text.npos;
  auto interval = parse_duration(is_bare ? text + "s" : text);
  if (!interval.ok()) return wrap(interval.error(), option);
  if (*interval < std::chrono::milliseconds(10) || *interval > std::chrono::hours(1))
    return fail(ErrorKind::usage, "{}: must be from 0.01 to 3600 seconds: found {}", option, quoted(text));
  return interval;
}

}  // namespace minirun
