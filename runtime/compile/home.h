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

// The home directory of the first entry with this uid (passwd(5)), else "/". The file belongs to the
// image: it is opened under the rootfs only (openat2(2)), must be a regular file, and kMaxPasswdBytes of it are read as
// data; whatever else is found counts as no entry. Errors: transient ones alone (sys/transient_error.h).
Result<std::string> home_of(int rootfs_fd, uint32_t uid);

// Whether an environment has one already: then the image is not read.
bool has_home(const oci::Strings& env);

// What becomes HOME of a container's process, if it has one.
Result<std::string> home_in_image(int rootfs_fd, const std::optional<oci::Process>& process);

// The same of a process that joins the container of a process, with this environment.
Result<std::string> home_in_container(pid_t pid, const oci::Strings& env, uint32_t uid);

// The same from the file's text. Lines that are not seven fields, and homes that are not absolute, are skipped.
std::string home_in_passwd(std::string_view passwd, uint32_t uid);

}  // namespace minirun
