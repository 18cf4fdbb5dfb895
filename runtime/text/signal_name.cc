// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/signal_name.h"

#include <charconv>
#include <csignal>
#include <cstring>
#include <string>

namespace minirun {
namespace {

constexpr int kLastSignal = 64;

bool parse_number(std::string_view text, int* number) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc{} && end == text.data() + text.size();
}

// "RTMIN", "RTMIN+3", "RTMAX-2"; 0 when it is none of these.
int parse_realtime(std::string_view name) {
  int base = 0;
  if (name.starts_with("RTMIN")) base = SIGRTMIN;
  if (name.starts_with("RTMAX")) base = SIGRTMAX;
  if (base == 0) return 0;
  std::string_view offset = name.substr(5);
  if (offset.empty()) return base;
  char sign = base == SIGRTMIN ? '+' : '-';
  int distance = 0;
  if (offset[0] != sign || !parse_number(offset.substr(1), &distance) || distance < 0) return 0;
  int number = sign == '+' ? base + distance : base - distance;
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : 0;
}

}  // namespace

Result<int> parse_signal(std::string_view text) {
  int number = 0;
  if (parse_number(text, &number) && number >= 1 && number <= kLastSignal) return number;
  std::string name;
  for (char c : text) name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  std::string_view bare = name;
  if (bare.starts_with("SIG")) bare.remove_prefix(3);
  for (int signal = 1; signal < SIGRTMIN; signal++) {
    const char* known = sigabbrev_np(signal);  // never localised
    if (known != nullptr && bare == known) return signal;
  }
  if (bare == "IOT") return SIGABRT;
  if (bare == "CLD") return SIGCHLD;
  if (int realtime = parse_realtime(bare); realtime != 0) return realtime;
  return fail(ErrorKind::usage,
              "unknown signal \"{}\": a number from 1 to 64, or a name such as TERM, SIGTERM or RTMIN+3", text);
}

}  // namespace minirun
