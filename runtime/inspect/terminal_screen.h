// SPDX-License-Identifier: Apache-2.0
// The whole terminal, for a program that shows something until its user has seen enough.
#pragma once

#include <sys/types.h>
#include <termios.h>

#include <chrono>
#include <csignal>
#include <optional>
#include <vector>

#include "runtime/inspect/top_table.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Whether stdout is a terminal that can move its cursor: TERM is set, and not "dumb".
bool has_screen();
// Not where NO_COLOR has a value (https://no-color.org).
bool wants_colours();

// Columns of the terminal on stdout; 80 if that is not known, or stdout is none.
size_t terminal_width();

// While it lives, the terminal shows its other screen, and signals wait for wait() and is_left(). Its destructor
// restores both. Ctrl-Z and SIGTSTP stop the program with the terminal as it was; SIGCONT takes it again.
class TerminalScreen {
 public:
  static Result<TerminalScreen> open();
  TerminalScreen(TerminalScreen&& other) noexcept;
  TerminalScreen& operator=(TerminalScreen&&) = delete;
  TerminalScreen(const TerminalScreen&) = delete;
  TerminalScreen& operator=(const TerminalScreen&) = delete;
  ~TerminalScreen();

  enum class Event : uint8_t { time_is_over, redraw, left };
  // Waits until then, or until the terminal has another size, or the user leaves: q, Ctrl-C, or a signal that ends.
  Result<Event> wait(std::chrono::steady_clock::time_point until);
  // Whether the user has left by now; for long work.
  bool is_left();
  // 0 for q and Ctrl-C, else 128 + signal.
  int exit_status() const { return exit_status_; }

  // Shows the lines, as many as fit. left: the user left, since the terminal takes no output (Ctrl-S).
  Result<void> draw(const std::vector<Line>& lines);
  size_t width() const;

 private:
  TerminalScreen() = default;

  Result<void> take();
  void restore();
  void stop();
  Result<bool> write_text(std::string_view text);
  bool poll_once(int milliseconds);
  void read_signals();
  void read_keys();
  void leave(int status);

  bool owned_ = true;
  UniqueFd terminal_;  // an open file of its own, which does not block; -1: stdout
  UniqueFd signals_;
  bool has_keys_ = false;
  std::optional<termios> settings_;  // of stdin before
  sigset_t mask_{};                  // of signals before
  bool left_ = false;
  bool changed_ = false;  // its size, or all that it shows
  int exit_status_ = 0;
};

}  // namespace minirun
