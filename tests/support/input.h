// SPDX-License-Identifier: Apache-2.0
// The stdin of a program that waits for a line before it goes on.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/command.h"

namespace minirun::testing {

class Input {
 public:
  Input() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end_.reset(ends[0]);
    write_end_.reset(ends[1]);
  }
  StartOptions options() const {
    StartOptions options;
    options.stdin_fd = read_end_.get();
    return options;
  }
  void line(const std::string& line = "") const { text(line + "\n"); }
  void text(const std::string& whole) const {
    EXPECT_EQ(write(write_end_.get(), whole.data(), whole.size()), static_cast<ssize_t>(whole.size()));
  }
  void close() { write_end_.reset(); }

 private:
  UniqueFd read_end_;
  UniqueFd write_end_;
};

}  // namespace minirun::testing
