// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/global_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>

#include "runtime/compile/host_facts.h"

namespace minirun {

void describe(Options& options, GlobalOptions& global) {
  options.version_flag("-v,-V,--version", "print the version");
  options.value("--root", "DIR", global.root, "keep the state of containers here");
  options.value("--report-dir", "DIR", global.report_dir,
                "reports that annotations ask for go here (default: .reports in the state root)");
  options.group("Log");
  options.value("--log", "FILE", global.log, "also write errors to this file and, with --debug, each step");
  options.choice("--log-format", {"text", "json"}, global.log_format, "format of the file (default: text)");
  options.flag("--debug", global.debug, "log what minirun does");
  options.choice("--log-level", {"debug", "info", "warn", "warning", "error"}, global.log_level,
                 "debug: same as --debug; all other levels: errors only");
  options.group("Cgroup");
  options.choice("--cgroup-manager", {"cgroupfs", "systemd", "disabled"}, global.cgroup_manager,
                 "how the cgroup is made (default: cgroupfs)");
  options.flag("--systemd-cgroup", global.systemd_cgroup, "same as --cgroup-manager systemd");
  options.group("Options");
  options.ignored_flag("--rootless", "accepted for compatibility, ignored: minirun detects the caller");
}

bool wants_debug(const GlobalOptions& global) {
  return global.debug || global.log_level == "debug";
}

CgroupDriver cgroup_driver(const GlobalOptions& global) {
  if (global.systemd_cgroup || global.cgroup_manager == "systemd") return CgroupDriver::systemd;
  return global.cgroup_manager == "disabled" ? CgroupDriver::disabled : CgroupDriver::cgroupfs;
}

Result<std::string> default_root() {
  const char* runtime = secure_getenv("XDG_RUNTIME_DIR");
  bool known = runtime != nullptr && runtime[0] == '/';
  if (geteuid() == 0 && (!known || !TRY(is_in_user_namespace()))) return std::string("/run/minirun");
  if (known) return std::string(runtime) + "/minirun";
  return fmt::format("/tmp/minirun-{}", geteuid());
}

}  // namespace minirun
