// SPDX-License-Identifier: Apache-2.0
// The stdin of a program that waits for a line before it goes on.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include "sys/pipe.h"
#include "tests/support/command.h"

namespace minirun::testing {

class Input {
 public:
  Input() {
    auto pipe = make_pipe();
    EXPECT_TRUE(pipe.ok()) << pipe.error().text();
    if (pipe.ok()) pipe_ = std::move(pipe).value();
  }
  StartOptions options() const {
    StartOptions options;
    options.stdin_fd = pipe_.reader.get();
    return options;
  }
  void line(const std::string& line = "") const { text(line + "\n"); }
  void text(const std::string& whole) const {
    EXPECT_EQ(write(pipe_.writer.get(), whole.data(), whole.size()), static_cast<ssize_t>(whole.size()));
  }
  void close() { pipe_.writer.reset(); }

 private:
  Pipe pipe_;
};

}  // namespace minirun::testing
