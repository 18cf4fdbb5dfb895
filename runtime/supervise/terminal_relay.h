// SPDX-License-Identifier: Apache-2.0
// Relays bytes between the container's terminal and the caller's stdin and stdout, without ever waiting for either.
#pragma once

#include <poll.h>

#include <chrono>
#include <memory>

#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// A bounded buffer between two descriptors.
class RelayBuffer {
 public:
  static constexpr size_t kCapacity = 65536;
  bool empty() const { return begin_ == end_; }
  bool full() const { return end_ == kCapacity; }
  char* space() { return data_.get() + end_; }
  size_t space_size() const { return kCapacity - end_; }
  const char* data() const { return data_.get() + begin_; }
  size_t size() const { return end_ - begin_; }
  void add(size_t bytes) { end_ += bytes; }
  void add_byte(char byte) { data_[end_++] = byte; }
  void take(size_t bytes);
  void clear() { begin_ = end_ = 0; }

 private:
  std::unique_ptr<char[]> data_ = std::make_unique_for_overwrite<char[]>(kCapacity);
  size_t begin_ = 0;
  size_t end_ = 0;
};

// One of the caller's descriptors. The caller and its other children share the open file description, so O_NONBLOCK
// must not be set on it: pipes and terminals are opened a second time through /proc/self/fd, sockets have MSG_DONTWAIT,
// and files do not wait. If the second opening is refused, the descriptor itself is used whenever poll(2) says that it
// is ready.
class Stream {
 public:
  Stream(int fd, int access_mode);  // O_RDONLY or O_WRONLY
  int fd() const { return own_ ? own_.get() : borrowed_; }
  bool is_open() const { return open_; }
  void close();
  ssize_t read(char* to, size_t bytes);  // as read(2)
  ssize_t write(const char* from, size_t bytes);

 private:
  int borrowed_;
  UniqueFd own_;
  bool socket_ = false;
  bool may_wait_ = false;
  bool open_ = true;
};

class Relay {
 public:
  static constexpr int kPolls = 3;
  static constexpr int kDrainMs = 1000;
  static constexpr int kFirstLookMs = 10;
  static constexpr int kLastLookMs = 1000;

  // master: the container's terminal. input, output: the caller's, borrowed.
  static Result<Relay> start(UniqueFd master, int input, int output);

  int master() const { return master_.get(); }

  // Fills in what to wait for; read_input: whether to read the input at present.
  void prepare(pollfd* polls, bool read_input) const;
  // Moves what can be moved. Returns EIO when a terminal refused a read because minirun is a background job or the
  // terminal is gone: call it again in the foreground, or close_input(). Otherwise 0.
  int pump(const pollfd* polls);

  // Ends the input without typing an end of file.
  void close_input() { input_.close(); }

  // The longest wait until the next pump(); -1: forever.
  int patience_ms() const;

  // After the container's end: copies the rest of its terminal to the output. Ends when all is written, when the output
  // accepts nothing for kDrainMs, or when a process keeps writing to the terminal for kDrainMs.
  void drain();

  // errno value that ended the copying to the output (later output is read and discarded, so that the workload does not
  // block); 0: none. EPIPE is how `| head` ends, and is not reported.
  int output_error() const { return output_error_; }

 private:
  Relay(UniqueFd master, UniqueFd peer, int input, int output);
  int read_input();
  void write_master();
  void type_end_of_file();
  bool read_master();
  bool write_output();

  UniqueFd master_;
  // The other side, held open so that the terminal survives a workload that closes it and opens it again (a login
  // prompt, systemd on /dev/console): without it the master would only say EIO and POLLHUP in between.
  UniqueFd peer_;
  Stream input_;
  Stream output_;
  RelayBuffer to_container_;
  RelayBuffer to_caller_;
  bool master_open_ = true;
  int output_error_ = 0;
  // The input has ended.
  bool input_ended_ = false;
  bool sent_in_raw_ = false;  // the end of file, in the terminal's present raw mode
  int next_look_ms_ = kFirstLookMs;
  std::chrono::steady_clock::time_point look_at_{};
};

}  // namespace minirun
