// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/terminal_relay.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <string>
#include <utility>

namespace minirun {

namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

void RelayBuffer::take(size_t bytes) {
  begin_ += bytes;
  if (begin_ == end_) clear();
}

Stream::Stream(int fd, int access_mode) : borrowed_(fd) {
  struct stat facts {};
  if (fstat(fd, &facts) < 0) {  // closed by the caller
    open_ = false;
    return;
  }
  socket_ = S_ISSOCK(facts.st_mode);
  if (!S_ISFIFO(facts.st_mode) && isatty(fd) == 0) return;
  std::string again = fmt::format("/proc/self/fd/{}", fd);
  own_.reset(::open(again.c_str(), access_mode | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  may_wait_ = !own_;
}

void Stream::close() {
  open_ = false;
  own_.reset();
}

ssize_t Stream::read(char* to, size_t bytes) {
  return socket_ ? recv(fd(), to, bytes, MSG_DONTWAIT) : ::read(fd(), to, bytes);
}

ssize_t Stream::write(const char* from, size_t bytes) {
  // poll(2) promises that a pipe accepts this much without waiting.
  if (may_wait_) bytes = std::min<size_t>(bytes, PIPE_BUF);
  return socket_ ? send(fd(), from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL) : ::write(fd(), from, bytes);
}

Relay::Relay(UniqueFd master, UniqueFd peer, int input, int output)
    : master_(std::move(master)), peer_(std::move(peer)), input_(input, O_RDONLY), output_(output, O_WRONLY) {}

Result<Relay> Relay::start(UniqueFd master, int input, int output) {
  int flags = fcntl(master.get(), F_GETFL);
  if (flags < 0 || fcntl(master.get(), F_SETFL, flags | O_NONBLOCK) < 0)
    return fail(errno, "prepare the container's terminal");
  UniqueFd peer(ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!peer) return fail(errno, "open the container's side of its terminal");
  return Relay(std::move(master), std::move(peer), input, output);
}

// Leaves out (-1) a descriptor from which nothing is wanted: poll(2) would keep reporting its hangup.
void Relay::prepare(pollfd* polls, bool read_input) const {
  bool input = read_input && input_.is_open() && !to_container_.full();
  bool output = output_.is_open() && !to_caller_.empty();
  short master = 0;
  if (master_open_ && !to_caller_.full()) master |= POLLIN;
  if (master_open_ && !to_container_.empty()) master |= POLLOUT;
  polls[0] = {input ? input_.fd() : -1, POLLIN, 0};
  polls[1] = {output ? output_.fd() : -1, POLLOUT, 0};
  polls[2] = {master != 0 ? master_.get() : -1, master, 0};
}

// Does only what poll(2) reported: then a stream that could not be opened without blocking is safe to use.
int Relay::pump(const pollfd* polls) {
  int denied = polls[0].revents != 0 ? read_input() : 0;
  if ((polls[2].revents & POLLOUT) != 0) write_master();
  if ((polls[2].revents & ~POLLOUT) != 0) read_master();
  if (polls[1].revents != 0) (void)write_output();
  if (input_ended_) type_end_of_file();
  return denied;
}

int Relay::patience_ms() const {
  if (!input_ended_ || !master_open_) return -1;
  auto left = std::chrono::ceil<std::chrono::milliseconds>(look_at_ - Clock::now()).count();
  return static_cast<int>(std::clamp<long>(left, 0, kLastLookMs));
}

// A terminal's only end of file is its key, which ends one read(2). The input's end is permanent, so the key is typed
// again whenever the last one has been read. Until then it must wait: a change of the terminal's mode would turn it
// into a NUL (n_tty), and no event marks that moment. In raw mode the key is an ordinary byte; line editors take it for
// the end, so it is typed once.
void Relay::type_end_of_file() {
  if (!master_open_ || !to_container_.empty() || Clock::now() < look_at_) return;
  look_at_ = Clock::now() + std::chrono::milliseconds(next_look_ms_);
  next_look_ms_ = std::min(next_look_ms_ * 2, kLastLookMs);
  pollfd unread{peer_.get(), POLLIN, 0};
  termios settings{};
  if (poll(&unread, 1, 0) != 0 || tcgetattr(peer_.get(), &settings) < 0) return;
  bool raw = (settings.c_lflag & static_cast<tcflag_t>(ICANON)) == 0;
  cc_t key = settings.c_cc[VEOF];
  if (key == _POSIX_VDISABLE || (raw && sent_in_raw_)) return;
  sent_in_raw_ = raw;
  to_container_.add_byte(static_cast<char>(key));
  next_look_ms_ = kFirstLookMs;
  write_master();
}

int Relay::read_input() {
  ssize_t n = input_.read(to_container_.space(), to_container_.space_size());
  if (n > 0) {
    to_container_.add(static_cast<size_t>(n));
    return 0;
  }
  if (n < 0 && errno == EIO) return EIO;
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return 0;
  input_ended_ = n == 0;
  close_input();
  return 0;
}

void Relay::write_master() {
  ssize_t n = write(master_.get(), to_container_.data(), to_container_.size());
  if (n > 0) to_container_.take(static_cast<size_t>(n));
  if (n < 0 && errno != EINTR && errno != EAGAIN) {  // its reader is gone
    to_container_.clear();
    input_ended_ = false;
    close_input();
  }
}

// Reads until nothing more is available or the buffer is full. True if more may come.
bool Relay::read_master() {
  while (master_open_ && !to_caller_.full()) {
    ssize_t n = read(master_.get(), to_caller_.space(), to_caller_.space_size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) master_open_ = false;  // EIO
    if (n > 0 && output_.is_open()) to_caller_.add(static_cast<size_t>(n));
  }
  return master_open_;
}

// True when something was written.
bool Relay::write_output() {
  ssize_t n = output_.write(to_caller_.data(), to_caller_.size());
  if (n > 0) to_caller_.take(static_cast<size_t>(n));
  if (n < 0 && errno != EINTR && errno != EAGAIN) {
    output_error_ = errno;
    output_.close();
    to_caller_.clear();
  }
  return n > 0;
}

void Relay::drain() {
  const auto limit = std::chrono::milliseconds(kDrainMs);
  const auto end_of_reading = Clock::now() + limit;
  auto end_of_writing = end_of_reading;
  for (;;) {
    bool more = Clock::now() < end_of_reading && read_master();
    if (to_caller_.empty()) {
      if (!more) return;
      continue;
    }
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end_of_writing - Clock::now()).count();
    pollfd output{output_.fd(), POLLOUT, 0};
    int ready = left <= 0 ? 0 : poll(&output, 1, static_cast<int>(left));
    if (ready == 0) return;
    if (ready > 0 && write_output()) end_of_writing = Clock::now() + limit;
  }
}

}  // namespace minirun
