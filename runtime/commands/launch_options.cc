// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/launch_options.h"

#include "runtime/compile/socket_activation.h"

namespace minirun {

void describe(Options& options, LaunchOptions& launch) {
  options.value("-b,--bundle", "DIR", launch.bundle, kBundleText);
  describe_without_bundle(options, launch);
}

void describe_without_bundle(Options& options, LaunchOptions& launch) {
  options.flag("--no-pivot", launch.no_pivot,
               "change the root without pivot_root, for a host whose root is an initramfs");
  options.flag("--no-new-keyring", launch.no_new_keyring, "keep the caller's session keyring");
  options.group("Files and descriptors");
  describe_status_fd(options, launch.status_fd);
  options.value("--pid-file", "FILE", launch.pid_file, "write the pid of the container's first process here");
  options.value("--console-socket", "SOCKET", launch.console_socket, "send the terminal to this Unix socket");
  options.value("--pidfd-socket", "SOCKET", launch.pidfd_socket,
                "send a pidfd of the container's first process to this Unix socket");
  options.value("--preserve-fds", "N", launch.preserve_fds, "pass N descriptors after stdin, stdout and stderr");
  options.ignored_flag("--no-subreaper", kNoSubreaperText);
}

void describe_overlay(Options& options, LaunchOptions& launch) {
  options.group("Changes to the root filesystem");
  options.optional_value("--overlay", "SIZE", launch.overlay,
                         "leave the rootfs as it is: changes go to memory, at most SIZE (default: 64m), and vanish "
                         "with the container");
  options.value("--keep-changes", "DIR", launch.keep_changes,
                "leave the rootfs as it is: changes go to this directory, new or empty, and stay");
}

void describe_status_fd(Options& options, std::optional<uint64_t>& place) {
  options.value("--status-fd", "N", place, "write events as lines of JSON to this descriptor");
}

void describe_strict(Options& options, bool& place) {
  options.flag("--strict", place, "refuse properties of config.json that minirun does not know");
}

Descriptors descriptors_of(const LaunchOptions& launch) {
  return {uint64_t{own_listen_fds().count} + launch.preserve_fds, launch.status_fd};
}

}  // namespace minirun
