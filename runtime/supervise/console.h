// SPDX-License-Identifier: Apache-2.0
// Terminals on minirun's side: the caller's, and the console socket for engines that keep a container's terminal.
#pragma once

#include <sys/ioctl.h>
#include <termios.h>

#include <optional>
#include <string>

#include "runtime/oci/spec.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// Checks the options against each other, before anything is made. console_socket: "" if absent.
Result<void> check_console(bool terminal, bool detach, const std::string& console_socket);

// Window size of the first of minirun's stdin, stdout and stderr that is a terminal and has one. In the foreground it
// overrides consoleSize of the configuration, since the user looks at this window.
std::optional<winsize> caller_window_size();

// The initial size of a process's terminal, if minirun relays it: a quick workload would see another size if it were
// set later.
std::optional<oci::ConsoleSize> first_console_size(const std::optional<oci::Process>& process, bool relayed);

// Whether a container's terminal should leave "\n" alone instead of turning it into the "\r\n" that a screen needs: if
// its output goes to minirun's stdout, and that is a file or a pipe. With a console socket, the receiver sets the
// terminal up (conmon sets ONLCR itself).
bool keeps_line_ends(const std::string& console_socket);
Result<void> keep_line_ends(int terminal);

// An error unless the descriptor is the master side of a pseudo terminal of the kernel's own devpts: it comes from a
// container, and goes to minirun's caller.
Result<void> check_terminal(int fd);

// Sends a terminal's descriptor to the listener of --console-socket: one message, a name as its text, one descriptor
// (SCM_RIGHTS, unix(7)). The path may be longer than the 107 bytes that fit into an address. timeout_ms bounds each of
// connecting and sending (ETIMEDOUT); a listener that never reads does not delay it.
Result<void> send_console(const std::string& path, int terminal, unsigned timeout_ms = 5000);

// The same for a process's pidfd and the listener of --pidfd-socket.
Result<void> send_pidfd(const std::string& path, int pidfd, unsigned timeout_ms = 5000);

// The caller's terminal in raw mode, so that every key reaches the container unchanged. restore() and the destructor
// restore its settings.
class RawTerminal {
 public:
  RawTerminal() = default;  // no terminal: does nothing
  // fd: a terminal, borrowed. Saves its settings; changes nothing yet. ENOTTY: not a terminal.
  static Result<RawTerminal> open(int fd);
  RawTerminal(RawTerminal&& other) noexcept;
  RawTerminal& operator=(RawTerminal&& other) noexcept;
  ~RawTerminal() { restore(); }

  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  const termios& saved() const { return saved_; }

  // False while minirun is a background job: its settings are then for the shell to choose (tcsetattr would work, as
  // SIGTTOU is blocked) and reading fails with EIO. True also where the terminal is not the controlling one.
  bool is_foreground() const;

  Result<void> make_raw();
  // Call it after the shell has taken the terminal from a stopped minirun: nothing to restore.
  void forget_raw() { raw_ = false; }
  void restore();

 private:
  int fd_ = -1;
  bool raw_ = false;
  termios saved_{};
};

}  // namespace minirun
