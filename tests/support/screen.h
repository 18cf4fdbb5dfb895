// SPDX-License-Identifier: Apache-2.0
// A terminal for the programs that the tests start.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/support/command.h"

namespace minirun::testing {

// A terminal: this side is the keyboard and the screen.
class Screen {
 public:
  Screen() : master_(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)) {
    EXPECT_EQ(grantpt(master_.get()), 0);
    EXPECT_EQ(unlockpt(master_.get()), 0);
    std::array<char, 64> name{};
    EXPECT_EQ(ptsname_r(master_.get(), name.data(), name.size()), 0);
    slave_ = UniqueFd(open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC));
    resize(33, 101);
  }
  // Makes it the controlling terminal of a program and its stdio.
  StartOptions options() const {
    StartOptions options;
    options.stdin_fd = options.stdout_fd = options.stderr_fd = slave_.get();
    options.in_child = [] {
      if (setsid() < 0 || ioctl(0, TIOCSCTTY, 0) != 0) _exit(97);
    };
    return options;
  }
  void resize(unsigned short rows, unsigned short columns) {
    winsize size{rows, columns, 0, 0};
    EXPECT_EQ(ioctl(master_.get(), TIOCSWINSZ, &size), 0);
  }
  void type(const std::string& keys) const {
    EXPECT_EQ(write(master_.get(), keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }
  bool wait_for(const std::string& text, int milliseconds = 5000) {
    return eventually(
        [&] {
          std::array<char, 4096> block;
          for (ssize_t n = 0; (n = read(master_.get(), block.data(), block.size())) > 0;)
            shown_.append(block.data(), static_cast<size_t>(n));
          return shown_.find(text) != std::string::npos;
        },
        milliseconds);
  }
  // As the end of a connection or of a terminal's window. Nothing can be seen or typed after it.
  void hang_up() { master_.reset(); }
  const std::string& shown() const { return shown_; }
  void clear() { shown_.clear(); }
  termios settings() const {
    termios now{};
    EXPECT_EQ(tcgetattr(slave_.get(), &now), 0);
    return now;
  }

 private:
  UniqueFd master_;
  UniqueFd slave_;
  std::string shown_;
};

inline bool same(const termios& a, const termios& b) {
  return a.c_iflag == b.c_iflag && a.c_oflag == b.c_oflag && a.c_cflag == b.c_cflag && a.c_lflag == b.c_lflag &&
         memcmp(a.c_cc, b.c_cc, sizeof a.c_cc) == 0;
}

}  // namespace minirun::testing
