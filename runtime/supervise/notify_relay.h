// SPDX-License-Identifier: Apache-2.0
// A service that says when it is ready (sd_notify(3)): who starts minirun with NOTIFY_SOCKET waits for the workload's
// word, not for minirun's. The container gets a socket of its own at kNotifyPath, and what may be said there goes on.
//
// Nothing that comes from the container is believed further than that: of a datagram go READY=1 and STATUS=. For
// BARRIER=1, where it stands alone with a descriptor, the host gets a barrier of minirun's, and the container's ends
// with that: no descriptor of a container is ever received, or sent to the host. A main process of its own, stored
// descriptors, watchdogs and the rest would be the container's words about a unit of the host.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/supervise/signals.h"
#include "sys/fd.h"
#include "sys/result.h"

namespace minirun {

// NOTIFY_SOCKET of minirun's own environment, else "". Also "", with one warning, where nothing can be sent there:
// neither an absolute path nor an abstract name (@NAME), no listener, or no permission. The answer of the first call
// stands.
Result<std::string> own_notify_socket();
// The same of any name, with a warning each time.
Result<std::string> reachable_notify_socket(const std::string& name);

// What of a datagram goes on, as another datagram; "": nothing. READY=1 is followed by MAINPID=main_pid where that is
// not 0: of a container that minirun does not stay with.
std::string relayed_notification(std::string_view datagram, pid_t main_pid);

// The folder for the container's socket in a state directory, and a detached clone of it (open_tree(2)) to be put at
// kNotifyDirectory. Read-only there, so that the folder stays minirun's.
Result<UniqueFd> make_notify_directory(int state_fd);
// Whether the container was made with one.
bool has_notify_directory(int state_fd);

// Unlinks the container's socket on destruction: later senders get an error.
class NotifyRelay {
 public:
  // Connects to the host's socket and makes the container's, anew if it exists. state_fd is borrowed for good.
  static Result<NotifyRelay> start(int state_fd, const std::string& host);
  NotifyRelay(NotifyRelay&& other) noexcept = default;
  NotifyRelay& operator=(NotifyRelay&&) = delete;
  NotifyRelay(const NotifyRelay&) = delete;
  NotifyRelay& operator=(const NotifyRelay&) = delete;
  ~NotifyRelay();

  // MAINPID= for the host; not sent without it.
  void set_main_pid(pid_t pid) { main_pid_ = pid; }
  // To wait for in poll(2), and how long at most (-1: for ever): the container's socket, or the host's while that is
  // full, or the end of a barrier.
  pollfd wanted() const;
  int patience_ms() const;
  // Moves what is there, up to a bound, so that a container that never stops sending cannot keep minirun busy. Never
  // waits. Errors: the host's socket is gone; no descriptor is free for a barrier.
  Result<void> turn();
  // The container has ended: what it said last does not wait behind a barrier of its own.
  void set_ended() { ended_ = true; }
  // READY=1 has gone on.
  bool ready() const { return ready_; }
  // Waits until the host has seen all that went before (sd_notify_barrier(3)), a signal to give up comes, or kBarrierMs
  // are over.
  Result<void> barrier(Signals& signals);

 private:
  struct Datagram {
    std::string text;
    UniqueFd descriptor;
  };
  NotifyRelay(UniqueFd directory, UniqueFd socket, UniqueFd host)
      : directory_(std::move(directory)), socket_(std::move(socket)), host_(std::move(host)) {}
  Result<bool> flush();
  Result<UniqueFd> send_barrier();
  Result<bool> take();

  UniqueFd directory_;
  UniqueFd socket_;
  UniqueFd host_;
  std::optional<Datagram> pending_;  // while it is set nothing more is taken: the container waits for the host
  UniqueFd barrier_;                 // set while the container waits behind one: until this hangs up
  std::chrono::steady_clock::time_point barrier_until_;  // the host may never let go of it
  pid_t main_pid_ = 0;
  bool ready_ = false;
  bool ended_ = false;
};

constexpr int kBarrierMs = 30000;

}  // namespace minirun
