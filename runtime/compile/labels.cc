// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/labels.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "runtime/oci/config_error.h"
#include "runtime/text/json.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kAppArmorPointer = "/process/apparmorProfile";
constexpr const char* kSelinuxPointer = "/process/selinuxLabel";

std::string apparmor_reason(int code) {
  switch (code) {
    case ENOENT:
      return "the kernel has no profile of that name (apparmor_parser loads one)";
    case EACCES:
    case EPERM:
      return "AppArmor does not allow minirun to change to it";
    default:
      return errno_text(code);
  }
}

std::string selinux_reason(int code) {
  switch (code) {
    case EINVAL:
      return "the loaded policy does not know that label";
    case EACCES:
    case EPERM:
      return "the policy does not allow minirun to set it (process setexec)";
    default:
      return errno_text(code);
  }
}

}  // namespace

SecurityModules probe_security_modules(int root_fd) {
  SecurityModules modules;
  auto enabled = read_file(root_fd, "sys/module/apparmor/parameters/enabled");
  modules.apparmor = enabled.ok() && enabled->starts_with('Y');
  // Registered if SELinux is enabled at boot, mounted or not.
  auto filesystems = read_file(root_fd, "proc/filesystems");
  modules.selinux = filesystems.ok() && filesystems->find("\tselinuxfs\n") != std::string::npos;
  return modules;
}

Result<void> check_labels(const oci::Process& process) {
  if (process.apparmor_profile.empty() && process.selinux_label.empty()) return {};
  UniqueFd root = TRY(open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  return check_labels(process, probe_security_modules(root.get()));
}

Result<void> check_labels(const oci::Process& process, const SecurityModules& modules) {
  if (!process.apparmor_profile.empty() && !modules.apparmor)
    return config_error(kAppArmorPointer, quoted(process.apparmor_profile) + ": AppArmor is not enabled on this host",
                        ErrorKind::host);
  if (!process.selinux_label.empty() && !modules.selinux)
    return config_error(kSelinuxPointer, quoted(process.selinux_label) + ": SELinux is not enabled on this host",
                        ErrorKind::host);
  return {};
}

static Error refused_label(const char* pointer, const std::string& label, const std::string& reason,
                           const std::string& file) {
  Error error = fail(ErrorKind::setup, "{}: {}: {}: write to `{}`", pointer, quoted(label), reason, file);
  ErrorDetail& detail = error.change_details();
  detail.pointer = pointer;
  detail.call = "write";
  detail.path = file;
  return error;
}

std::optional<Error> label_error(const oci::Process& process, std::string_view pointer, int code) {
  if (pointer == kAppArmorPointer)
    return refused_label(kAppArmorPointer, process.apparmor_profile, apparmor_reason(code),
                         std::string("/proc/") + kAppArmorExec);
  if (pointer == kSelinuxPointer)
    return refused_label(kSelinuxPointer, process.selinux_label, selinux_reason(code),
                         std::string("/proc/") + kSelinuxExec);
  return std::nullopt;
}

}  // namespace minirun
