// SPDX-License-Identifier: Apache-2.0
// `minirun check`: whether this host can run a bundle for this user, and why not. Makes nothing that stays.
#pragma once

#include <chrono>
#include <string>

#include "runtime/check/report.h"
#include "runtime/launch/request.h"
#include "runtime/resources/systemd_scope.h"
#include "sys/result.h"

namespace minirun {

struct CheckRequest {
  LaunchOptions options{};  // as of run
  bool init = true;         // the same
  std::string state_root{};
  CgroupDriver driver = CgroupDriver::cgroupfs;
  std::chrono::milliseconds limit{10'000};
};

// Looks in a child process, which enters the container's user namespace where run does, and which a filesystem that
// does not answer can stop: after the limit it is killed, and what it could not look at is unknown.
// Error: no bundle here.
Result<CheckReport> check_bundle(const CheckRequest& request);

// What this host offers this user, whatever the bundle.
CheckReport check_host();

}  // namespace minirun
