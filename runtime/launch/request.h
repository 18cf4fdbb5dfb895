// SPDX-License-Identifier: Apache-2.0
// A request for a launch, from any command.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/supervise/deadline.h"

namespace minirun {

// The options that create, run and restore share.
struct LaunchOptions {
  std::string bundle = ".";
  std::string pid_file;
  std::string console_socket;
  std::string pidfd_socket;
  uint32_t preserve_fds = 0;
  std::optional<uint64_t> status_fd{};
  bool no_pivot = false;
  bool no_new_keyring = false;
  bool strict = false;                        // of run and create: refuses properties that minirun does not know
  std::optional<std::string> overlay{};       // of run and create: a size, "" for the default
  std::optional<std::string> keep_changes{};  // the same, a directory

  bool has_overlay() const { return overlay || keep_changes; }
};

struct LaunchRequest {
  LaunchOptions options{};
  std::string id{};
  bool create = false;   // waits for `minirun start`
  bool detach = false;   // without create: keeps running without minirun's caller
  bool stays = false;    // with detach: this process stays with it, in the background
  bool init = true;      // the workload has minirun's init as PID 1; with create the annotation org.minirun.init, too
  Deadline deadline{};   // enforced by this process, which has to stay; its stop signal is the image's
  bool restore = false;  // criu makes the first process
  bool explain_seccomp = false;  // counts what the seccomp filter refuses; not with create or detach
  bool report = false;           // its end will be reported: what is counted before it exists is recorded
};

}  // namespace minirun
