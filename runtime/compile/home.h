// SPDX-License-Identifier: Apache-2.0
// HOME of the container's user, from the image's /etc/passwd.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/oci/spec.h"
#include "sys/result.h"

namespace minirun {

constexpr size_t kMaxPasswdBytes = 1 << 20;

// The home directory of the first entry with this uid (passwd(5)), else "/". The file belongs to the image, so it is
// opened under the rootfs (openat2(2)), must be a regular file, and at most kMaxPasswdBytes of it are read as data;
// anything else counts as no entry. Errors: transient ones alone (sys/transient_error.h).
Result<std::string> home_of(int rootfs_fd, uint32_t uid);

// Whether an environment has one, so that the image is not read.
bool has_home(const oci::Strings& env);

// HOME for a container's process, if it has a process.
Result<std::string> home_in_image(int rootfs_fd, const std::optional<oci::Process>& process);

// The same for a process with this environment that joins the container of process pid.
Result<std::string> home_in_container(pid_t pid, const oci::Strings& env, uint32_t uid);

// The same from the file's text. Lines that are not seven fields, and homes that are not absolute, are skipped.
std::string home_in_passwd(std::string_view passwd, uint32_t uid);

}  // namespace minirun
