// SPDX-License-Identifier: Apache-2.0
// Labels of Linux security modules for the workload: process.apparmorProfile and process.selinuxLabel. The plan writes
// them (compile/process.cc). This file checks whether the host supports them, and explains a failure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

// The modules that this kernel runs.
struct SecurityModules {
  bool apparmor = false;
  bool selinux = false;
};

// From /sys/module/apparmor/parameters/enabled and /proc/filesystems, below the given root directory. A missing file
// counts as "no".
SecurityModules probe_security_modules(int root_fd);

// An error if the process asks for a label that this host does not support. Asks the kernel only if it has one.
Result<void> check_labels(const oci::Process& process);
Result<void> check_labels(const oci::Process& process, const SecurityModules& modules);

// What a label's step writes to, below /proc.
constexpr const char* kAppArmorExec = "self/attr/apparmor/exec";  // Linux 5.8
constexpr const char* kSelinuxExec = "self/attr/exec";

// Why the step that sets a label of the process failed with this errno; nothing if the step with this JSON pointer does
// something else. Engines recognize such an error by the file in back-ticks. It must not contain "permission denied" or
// "no such file or directory": they would blame the workload's program.
std::optional<Error> label_error(const oci::Process& process, std::string_view pointer, int code);

}  // namespace minirun
