// SPDX-License-Identifier: Apache-2.0
// The caller's end of --console-socket: takes the terminals that minirun sends and hears what is said there.
#pragma once

#include <string>
#include <vector>

#include "sys/fd.h"

namespace minirun::testing {

class Console {
 public:
  static constexpr const char* kPath = "/run/tests/console.sock";

  Console();
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // What was said in the terminals that came since the last listen_anew(), without carriage returns.
  std::string text();
  // Of the terminals that came since then.
  size_t count();
  // Keeps the existing terminals, whose sessions would otherwise end, and begins with an empty text.
  void listen_anew();
  // Closes all terminals.
  void forget();

 private:
  void take_terminals();

  UniqueFd listener_;
  std::vector<UniqueFd> older_, newer_;
  std::string text_;
};

}  // namespace minirun::testing
