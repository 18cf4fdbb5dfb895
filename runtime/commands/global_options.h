// SPDX-License-Identifier: Apache-2.0
// The options before a command, which hold for all of them.
#pragma once

#include <string>

#include "runtime/commands/options.h"
#include "runtime/resources/systemd_scope.h"
#include "sys/result.h"

namespace minirun {

struct GlobalOptions {
  std::string root;        // as given, or default_root()
  std::string report_dir;  // "": default_report_directory()
  std::string log;
  std::string log_format = "text";
  std::string log_level;
  bool debug = false;
  bool systemd_cgroup = false;
  std::string cgroup_manager = "cgroupfs";
};

void describe(Options& options, GlobalOptions& global);

// By --debug or --log-level.
bool wants_debug(const GlobalOptions& global);

// The cgroup driver that --systemd-cgroup and --cgroup-manager name.
CgroupDriver cgroup_driver(const GlobalOptions& global);

// /run/minirun for root; $XDG_RUNTIME_DIR/minirun for others and for root of a user's namespace (which rootless engines
// make); /tmp/minirun-UID for others if that is not set.
Result<std::string> default_root();

}  // namespace minirun
