// SPDX-License-Identifier: Apache-2.0
// The container's first process, from clone to its workload's exec. Whatever fails, its guard takes it away.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cgroups/cgroup.h"
#include "namespaces/spawn.h"
#include "runtime/compile/compile.h"
#include "runtime/launch/source_turns.h"
#include "runtime/resources/limited_cgroup.h"
#include "runtime/supervise/supervisor.h"
#include "sys/result.h"

namespace minirun {

// The child of clone. Killed and reaped on destruction, as by end(), unless it was waited for or is let go.
class Launched {
 public:
  // Opens the sources, embeds the init and clones. Errors of clone3 that the cgroup explains say so.
  static Result<Launched> start(const Compiled& compiled, HostDescriptors host, int state_fd, Cgroup& cgroup);
  // A child of another minirun, which is not this process's to kill or to wait for.
  static Launched adopt(Child child) {
    Launched adopted(std::move(child));
    adopted.owned_ = false;
    return adopted;
  }
  // A child of this process that something else than a plan has made: killed and reaped as any other.
  static Launched take(Child child) { return Launched(std::move(child)); }
  Launched(Launched&& other) noexcept;
  Launched& operator=(Launched&&) = delete;
  Launched(const Launched&) = delete;
  Launched& operator=(const Launched&) = delete;
  ~Launched();

  Child& child() { return child_; }
  // The container's root, where it is known before: the failed process may be gone. Borrowed.
  void look_from(int root) { root_ = root; }
  int root() const { return root_; }
  // The child is not this process's to kill any more: it has ended, or it is detached.
  void let_go() { owned_ = false; }
  // Kills it and waits for its end, for at most kRemovalTime. False: the kernel does not let it die.
  bool end();

  // A tracer of the init (a container with CAP_SYS_PTRACE) can make it send without end, and have hooks run again
  // and again: it comes to each gate, and hands over its terminal, once. EPROTO the second time.
  static constexpr uint32_t kTerminal = 0;  // and the numbers of gates
  Result<void> once(uint32_t what);
  // Answers Message::sources.
  Result<void> send_sources(int32_t turn);
  // At the setup gate: SourceTurns::rejoin().
  Result<void> rejoin_peers() { return turns_ ? turns_->rejoin() : Result<void>(); }

 private:
  explicit Launched(Child child, std::optional<SourceTurns> turns = std::nullopt)
      : child_(std::move(child)), turns_(std::move(turns)) {}
  Child child_;
  uint32_t said_ = 0;
  bool owned_ = true;
  int root_ = -1;
  std::optional<SourceTurns> turns_;
};

// What the container sends while it is being set up.
struct LaunchEvents {
  UniqueFd terminal;         // of Message::terminal
  std::optional<Gate> gate;  // where it waits
};

// Waits until the container is at a gate (events.gate), waits for start, or runs its workload; an error when it never
// will. Its exit status is 126 or 127 for an exec that failed (ErrorKind::exec), 128 + signal when minirun was asked to
// give up. Call again after the gate was opened. process: nullptr without one to execute.
Result<void> await_launch(Launched& launched, const Compiled& compiled, const oci::Process* process,
                          const Cgroup& cgroup, Signals& signals, LaunchEvents* events);

// The failure that start is sure to end in, of a container that waits for it: engines take what `create` says for the
// reason why a container cannot run, and what `start` says for a failure of the runtime.
Result<void> foresee_start(Launched& launched, const oci::Process& process);

// The same of a container that start has let go: until it is at a gate or its workload runs.
Result<void> await_start(Launched& launched, const oci::Process& process, bool resident_init, const Cgroup& cgroup,
                         Signals& signals, LaunchEvents* events);

// The container as its own processes see it, for as long as that one is there. Empty: it is gone.
UniqueFd open_container_root(pid_t pid);

}  // namespace minirun
