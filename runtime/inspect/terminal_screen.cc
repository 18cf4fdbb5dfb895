// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/terminal_screen.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include "sys/file.h"

namespace minirun {
namespace {

using std::chrono::steady_clock;

// Escape sequences that every terminal of today has (ECMA-48, and xterm's for the other screen).
constexpr std::string_view kTake = "\033[?1049h\033[?25l\033[?7l\033[H\033[2J";  // other screen, no cursor, no wrap
constexpr std::string_view kRestore = "\033[0m\033[?7h\033[?25h\033[?1049l";

constexpr int kSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT, SIGWINCH};

winsize size_of(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) < 0) return {};
  return size;
}

const char* sequence_of(Tone tone, bool colours) {
  if (tone == Tone::title) return "\033[7m";  // reversed, which is no colour
  if (!colours || tone == Tone::plain) return "";
  return tone == Tone::critical ? "\033[31m" : "\033[33m";
}

}  // namespace

bool wants_colours() {
  const char* none = getenv("NO_COLOR");
  return none == nullptr || none[0] == '\0';
}

bool has_screen() {
  const char* terminal = getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 && terminal != nullptr && terminal[0] != '\0' &&
         std::string_view(terminal) != "dumb";
}

size_t terminal_width() {
  size_t columns = size_of(STDOUT_FILENO).ws_col;
  return columns > 0 ? columns : 80;
}

TerminalScreen::TerminalScreen(TerminalScreen&& other) noexcept
    : owned_(std::exchange(other.owned_, false)),
      terminal_(std::move(other.terminal_)),
      signals_(std::move(other.signals_)),
      has_keys_(other.has_keys_),
      settings_(other.settings_),
      mask_(other.mask_),
      left_(other.left_),
      changed_(other.changed_),
      exit_status_(other.exit_status_) {}

Result<TerminalScreen> TerminalScreen::open() {
  TerminalScreen screen;
  screen.owned_ = false;
  sigset_t set;
  sigemptyset(&set);
  for (int signal : kSignals) sigaddset(&set, signal);
  screen.signals_ = UniqueFd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!screen.signals_) return fail(errno, "signalfd");
  // O_NONBLOCK on stdout itself would be on the shell's too.
  auto own = open_at(AT_FDCWD, "/proc/self/fd/1", O_WRONLY | O_NOCTTY | O_NONBLOCK);
  if (own.ok()) screen.terminal_ = std::move(own).value();
  screen.has_keys_ = isatty(STDIN_FILENO) == 1;
  sigprocmask(SIG_BLOCK, &set, &screen.mask_);
  screen.owned_ = true;
  TRY(screen.take());
  return screen;
}

TerminalScreen::~TerminalScreen() {
  if (!owned_) return;
  restore();
  signalfd_siginfo seen{};
  while (read(signals_.get(), &seen, sizeof seen) == sizeof seen) {
  }
  sigprocmask(SIG_SETMASK, &mask_, nullptr);
}

// Keys come one by one and unseen; Ctrl-C and Ctrl-Z still make signals.
Result<void> TerminalScreen::take() {
  termios settings{};
  if (has_keys_ && tcgetattr(STDIN_FILENO, &settings) == 0) {
    settings_ = settings;
    settings.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    settings.c_cc[VMIN] = 1;
    settings.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &settings) < 0) return fail(errno, "tcsetattr");
  }
  changed_ = true;
  TRY(write_text(kTake));
  return {};
}

void TerminalScreen::restore() {
  // A terminal that takes no output, or is gone, is left as it is.
  if (terminal_)
    (void)!write(terminal_.get(), kRestore.data(), kRestore.size());
  else
    (void)!write(STDOUT_FILENO, kRestore.data(), kRestore.size());
  if (settings_) (void)tcsetattr(STDIN_FILENO, TCSANOW, &*settings_);
  settings_.reset();
}

void TerminalScreen::stop() {
  restore();
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTSTP);
  (void)raise(SIGTSTP);
  sigprocmask(SIG_UNBLOCK, &set, nullptr);  // stops here, until SIGCONT
  sigprocmask(SIG_BLOCK, &set, nullptr);
  if (!take().ok()) leave(1);
}

void TerminalScreen::leave(int status) {
  if (!left_) exit_status_ = status;
  left_ = true;
}

void TerminalScreen::read_signals() {
  signalfd_siginfo info{};
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    const int signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGWINCH) {
      changed_ = true;
    } else if (signal == SIGTSTP) {
      stop();
    } else if (signal == SIGCONT) {  // after a SIGSTOP, which nothing can prepare for
      if (!settings_ && !take().ok()) leave(1);
      changed_ = true;
    } else {
      leave(signal == SIGINT ? 0 : 128 + signal);
    }
  }
}

void TerminalScreen::read_keys() {
  std::array<char, 256> keys;
  ssize_t count = read(STDIN_FILENO, keys.data(), keys.size());
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (count <= 0) return leave(128 + SIGHUP);  // the terminal is gone
  for (char key : std::string_view(keys.data(), static_cast<size_t>(count)))
    if (key == 'q' || key == 'Q') leave(0);
}

// False: nothing has happened.
bool TerminalScreen::poll_once(int milliseconds) {
  pollfd fds[] = {{signals_.get(), POLLIN, 0}, {has_keys_ ? STDIN_FILENO : -1, POLLIN, 0}};
  if (poll(fds, 2, milliseconds) <= 0) return false;
  if (fds[0].revents != 0) read_signals();
  if (fds[1].revents != 0 && !left_) read_keys();
  return true;
}

bool TerminalScreen::is_left() {
  if (!left_) (void)poll_once(0);
  return left_;
}

Result<TerminalScreen::Event> TerminalScreen::wait(steady_clock::time_point until) {
  while (true) {
    if (left_) return Event::left;
    if (std::exchange(changed_, false)) return Event::redraw;
    auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
    if (left.count() <= 0) {
      if (is_left() || changed_) continue;
      return Event::time_is_over;
    }
    (void)poll_once(static_cast<int>(std::min<int64_t>(left.count(), INT_MAX)));
  }
}

// False: the user left meanwhile.
Result<bool> TerminalScreen::write_text(std::string_view text) {
  int fd = terminal_ ? terminal_.get() : STDOUT_FILENO;
  while (!text.empty()) {
    ssize_t count = write(fd, text.data(), text.size());
    if (count > 0) text.remove_prefix(static_cast<size_t>(count));
    if (count >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN) return fail(errno, "write to the terminal");
    pollfd fds[] = {{signals_.get(), POLLIN, 0}, {fd, POLLOUT, 0}};
    if (poll(fds, 2, -1) > 0 && fds[0].revents != 0 && is_left()) return false;
  }
  return true;
}

size_t TerminalScreen::width() const {
  return terminal_width();
}

Result<void> TerminalScreen::draw(const std::vector<Line>& lines) {
  winsize size = size_of(STDOUT_FILENO);
  const size_t rows = size.ws_row > 0 ? size.ws_row : 24;
  const bool colours = wants_colours();
  const size_t shown = lines.size() <= rows ? lines.size() : rows - 1;
  std::string text = "\033[H";
  for (size_t i = 0; i < shown; ++i) {
    const char* sequence = sequence_of(lines[i].tone, colours);
    text +=
        std::string(i > 0 ? "\r\n" : "") + sequence + lines[i].text + (*sequence != '\0' ? "\033[0m" : "") + "\033[K";
  }
  if (shown < lines.size())
    text += "\r\n" + cut_to_width("+ " + std::to_string(lines.size() - shown) + " more lines", width()) + "\033[K";
  auto written = write_text(text + "\033[J");
  if (written.ok()) return {};
  if (written.error().code != EIO) return written.error();
  leave(128 + SIGHUP);  // the terminal is gone
  return {};
}

}  // namespace minirun
