// SPDX-License-Identifier: Apache-2.0
// The parts of a check of one bundle. Each looks, and changes nothing that stays: no hook runs, no mount is placed, no
// sysctl, cgroup or file is written. A part says "no" only if `run` is sure to fail, and "yes" only if it is sure to
// get past; else "unknown".
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/check/report.h"
#include "runtime/launch/prepare.h"
#include "runtime/resources/systemd_scope.h"

namespace minirun {

// Called before something that may not answer: a filesystem whose server hangs. what: for a line about it.
using Progress = std::function<void(const std::string& pointer, const std::string& what)>;

struct CheckedBundle {
  const oci::Spec& spec;
  const Prepared& prepared;
  bool entered;         // this process is in the container's user namespace
  bool user_namespace;  // the container has another user namespace than the host's
  bool new_user;        // of these, a new one that run makes as root
  const Progress& progress;
};

// Takes what a rehearsal says, and asks the other parts for what it does not.
void check_launch(const CheckedBundle& bundle, const Compiled& rehearsal, bool overlay, CheckReport* report);

void check_namespaces(const CheckedBundle& bundle, CheckReport* report);
void check_id_maps(const CheckedBundle& bundle, CheckReport* report);
void check_cgroup(const CheckedBundle& bundle, CgroupDriver driver, CheckReport* report);
void check_host_resources(const CheckedBundle& bundle, CheckReport* report);  // netDevices, intelRdt
void check_mount_list(const CheckedBundle& bundle, CheckReport* report);
// Whether the rootfs itself takes the files and directories that run makes in it, which a rehearsal makes in memory.
void check_room_in_rootfs(const CheckedBundle& bundle, CheckReport* report);
void check_kept_changes(const CheckedBundle& bundle, const std::string& directory, CheckReport* report);
void check_sysctls(const CheckedBundle& bundle, CheckReport* report);
void check_program(const CheckedBundle& bundle, CheckReport* report);  // and the working directory
void check_limits_of_process(const CheckedBundle& bundle, CheckReport* report);
void check_filter(const CheckedBundle& bundle, CheckReport* report);
void check_hooks(const CheckedBundle& bundle, CheckReport* report);
void check_state_root(const std::string& path, CheckReport* report);
void find_risks(const CheckedBundle& bundle, CheckReport* report);

// The exit status of a child process that runs `work`, which returns it: 0..255. -1: it could not be made or read.
int in_child(int (*work)(const void*), const void* argument);

// 0: a child process could make these namespaces (CLONE_NEW*), which ended with it; else its errno. -1: as in_child().
int try_namespaces(int flags);

// Whether /proc/filesystems lists it. Nothing: that cannot be read.
std::optional<bool> has_filesystem(const std::string& type);
// Whether the kernel can load modules, and so have a filesystem that is not listed: without them it has no
// /proc/modules.
bool loads_modules();

// The directory that the path is in; "/" is in itself.
std::string directory_of(const std::string& path);

// Whether the destination of a mount lies over the path or above it, as text.
bool is_over(const std::string& destination, const std::string& path);

}  // namespace minirun
