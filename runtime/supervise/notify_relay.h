// SPDX-License-Identifier: Apache-2.0
// Relays a service's readiness (sd_notify(3)): a caller that starts minirun with NOTIFY_SOCKET waits for the workload's
// message, not minirun's. The container gets its own socket at kNotifyPath, and the allowed messages are forwarded.
//
// minirun trusts the container no further: it forwards only READY=1 and STATUS= of a datagram. For a lone BARRIER=1
// with a descriptor, minirun sends the host a barrier of its own, and the container's ends with that: no descriptor of
// a container is ever received, or sent to the host. MAINPID=, stored descriptors, watchdogs and the rest would let the
// container control a unit of the host.
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

// NOTIFY_SOCKET of minirun's own environment, else "". Also "", with one warning, if nothing can be sent there: neither
// an absolute path nor an abstract name (@NAME), no listener, or no permission. Caches the answer of the first call.
Result<std::string> own_notify_socket();
// The same for any name, with a warning each time.
Result<std::string> reachable_notify_socket(const std::string& name);

// The datagram to forward for this one; "": none. MAINPID=main_pid follows READY=1 if main_pid is not 0, for a
// container that minirun leaves.
std::string relayed_notification(std::string_view datagram, pid_t main_pid);

// Makes the folder for the container's socket in a state directory, and returns a detached clone of it (open_tree(2))
// for kNotifyDirectory. It is read-only there, so that only minirun writes to the folder.
Result<UniqueFd> make_notify_directory(int state_fd);
// Whether the container was made with one.
bool has_notify_directory(int state_fd);

// The destructor unlinks the container's socket, so later senders get an error.
class NotifyRelay {
 public:
  // Connects to the host's socket and makes the container's, anew if it exists. state_fd is borrowed and must outlive
  // this object.
  static Result<NotifyRelay> start(int state_fd, const std::string& host);
  NotifyRelay(NotifyRelay&& other) noexcept = default;
  NotifyRelay& operator=(NotifyRelay&&) = delete;
  NotifyRelay(const NotifyRelay&) = delete;
  NotifyRelay& operator=(const NotifyRelay&) = delete;
  ~NotifyRelay();

  // Sets MAINPID= for the host, which otherwise is not sent.
  void set_main_pid(pid_t pid) { main_pid_ = pid; }
  // What to poll(2) for, and for how long at most (-1: forever): the container's socket, the host's while that is full,
  // or the end of a barrier.
  pollfd wanted() const;
  int patience_ms() const;
  // Forwards what has arrived, up to a bound, so that a container that never stops sending cannot keep minirun busy.
  // Never waits. Errors: the host's socket is gone; no descriptor is free for a barrier.
  Result<void> turn();
  // The container has ended: its last messages no longer wait behind its own barrier.
  void set_ended() { ended_ = true; }
  // READY=1 has been forwarded.
  bool ready() const { return ready_; }
  // Waits until the host has seen all earlier messages (sd_notify_barrier(3)), an abort request comes, or kBarrierMs
  // have passed.
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
  std::optional<Datagram> pending_;  // while set, nothing more is received: the container waits for the host
  UniqueFd barrier_;                 // set while the container waits behind one, until it hangs up
  std::chrono::steady_clock::time_point barrier_until_;  // the host may never close it
  pid_t main_pid_ = 0;
  bool ready_ = false;
  bool ended_ = false;
};

constexpr int kBarrierMs = 30000;

}  // namespace minirun
