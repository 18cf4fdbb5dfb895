// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/console.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/oci/config_error.h"
#include "runtime/text/unix_socket.h"

namespace minirun {

static constexpr const char* kTerminalPointer = "/process/terminal";

Result<void> check_console(bool terminal, bool detach, const std::string& console_socket) {
  bool socket = !console_socket.empty();
  if (terminal && detach && !socket)
    return at_property(
        kTerminalPointer,
        fail(ErrorKind::config, "needs --console-socket here, as minirun does not stay to relay the terminal"));
  if (socket && !terminal)
    return fail(ErrorKind::usage, "--console-socket {}: the container has no terminal (/process/terminal is not true)",
                console_socket);
  if (socket && !detach)
    return fail(ErrorKind::usage,
                "--console-socket {}: needs --detach: in the foreground minirun relays the terminal itself",
                console_socket);
  return {};
}

std::optional<winsize> caller_window_size() {
  for (int fd = 0; fd < 3; fd++) {
    winsize size{};
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row != 0 && size.ws_col != 0) return size;
  }
  return std::nullopt;
}

std::optional<oci::ConsoleSize> first_console_size(const std::optional<oci::Process>& process, bool relayed) {
  if (!relayed || !process || !process->terminal) return std::nullopt;
  auto window = caller_window_size();
  if (!window) return std::nullopt;
  return oci::ConsoleSize{window->ws_row, window->ws_col};
}

bool keeps_line_ends(const std::string& console_socket) {
  return console_socket.empty() && isatty(STDOUT_FILENO) == 0;
}

Result<void> keep_line_ends(int terminal) {
  termios settings{};
  if (tcgetattr(terminal, &settings) < 0) return fail(errno, "read the settings of the container's terminal");
  settings.c_oflag &= ~static_cast<tcflag_t>(ONLCR);
  if (tcsetattr(terminal, TCSANOW, &settings) < 0) return fail(errno, "set up the container's terminal");
  return {};
}

Result<void> check_terminal(int fd) {
  constexpr unsigned kTtyAux = 5, kPtmx = 2;  // admin-guide/devices.txt
  struct stat facts {};
  struct statfs filesystem {};
  if (fstat(fd, &facts) < 0 || fstatfs(fd, &filesystem) < 0) return fail(errno, "inspect the container's terminal");
  if (!S_ISCHR(facts.st_mode) || facts.st_rdev != makedev(kTtyAux, kPtmx) || filesystem.f_type != DEVPTS_SUPER_MAGIC)
    return at_property(kTerminalPointer,
                       fail(ErrorKind::setup, "the container sent something other than a terminal of the kernel's"));
  return {};
}

// --- the console socket

static Result<void> send_to(const std::string& path, const char* option, const char* text, int fd, const char* what,
                            unsigned timeout_ms) {
  UniqueFd socket = TRY(connect_stream(path, option, timeout_ms));
  auto sent = send_descriptor(socket.get(), text, fd);
  if (!sent.ok()) return fail(sent.error().code, "send the {} to {}", what, path);
  return {};
}

Result<void> send_console(const std::string& path, int terminal, unsigned timeout_ms) {
  return send_to(path, "--console-socket", "/dev/ptmx", terminal, "terminal", timeout_ms);
}

Result<void> send_pidfd(const std::string& path, int pidfd, unsigned timeout_ms) {
  return send_to(path, "--pidfd-socket", "pidfd", pidfd, "pidfd", timeout_ms);
}

// --- the caller's terminal

Result<RawTerminal> RawTerminal::open(int fd) {
  RawTerminal terminal;
  if (tcgetattr(fd, &terminal.saved_) < 0) return fail(errno, "read the settings of the terminal on descriptor {}", fd);
  terminal.fd_ = fd;
  return terminal;
}

RawTerminal::RawTerminal(RawTerminal&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), raw_(std::exchange(other.raw_, false)), saved_(other.saved_) {}

RawTerminal& RawTerminal::operator=(RawTerminal&& other) noexcept {
  restore();
  fd_ = std::exchange(other.fd_, -1);
  raw_ = std::exchange(other.raw_, false);
  saved_ = other.saved_;
  return *this;
}

bool RawTerminal::is_foreground() const {
  pid_t group = tcgetpgrp(fd_);
  return group < 0 || group == getpgrp();
}

// Not TCSADRAIN, which would wait for a terminal that ^S has stopped.
Result<void> RawTerminal::make_raw() {
  if (fd_ < 0) return {};
  termios settings = saved_;
  cfmakeraw(&settings);
  if (tcsetattr(fd_, TCSANOW, &settings) < 0) return fail(errno, "set the terminal to raw mode");
  raw_ = true;
  return {};
}

void RawTerminal::restore() {
  if (!raw_) return;
  raw_ = false;
  (void)tcsetattr(fd_, TCSANOW, &saved_);  // EIO: the terminal is gone
}

}  // namespace minirun
