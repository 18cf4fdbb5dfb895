// SPDX-License-Identifier: Apache-2.0
#include "unpack/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

namespace minirun::unpack {
namespace {

// What the terminal does not take is lost.
void print_progress(const std::string& text) {
  (void)!write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

Progress::Progress() : is_terminal_(isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) print_progress("\r\x1b[K");
}

void Progress::begin_layer(size_t number, size_t of) {
  number_ = number;
  of_ = of;
}

void Progress::show(const Usage& usage) {
  constexpr std::chrono::milliseconds kBetween{100};
  if (!is_terminal_) return;
  auto now = std::chrono::steady_clock::now();
  if (now < next_) return;
  next_ = now + kBetween;
  shown_ = true;
  print_progress(
      fmt::format("\rlayer {} of {}: {} MiB, {} files\x1b[K", number_, of_, usage.streamed >> 20, usage.entries));
}

}  // namespace minirun::unpack
