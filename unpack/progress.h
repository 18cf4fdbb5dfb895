// SPDX-License-Identifier: Apache-2.0
// A line on stderr that says how far it is, where stderr is a terminal.
#pragma once

#include <chrono>
#include <cstddef>

#include "unpack/limits.h"

namespace minirun::unpack {

class Progress {
 public:
  Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress();  // takes the line away

  void begin_layer(size_t number, size_t of);
  // Called as often as one likes.
  void show(const Usage& usage);

 private:
  bool is_terminal_;
  bool shown_ = false;
  size_t number_ = 0, of_ = 0;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace minirun::unpack
