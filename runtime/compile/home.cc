// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/home.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "sys/fd.h"
#include "sys/image_path.h"
#include "sys/transient_error.h"

namespace minirun {

// Takes the text up to the separator, and the separator.
static std::string_view take_part(std::string_view* text, char separator) {
  size_t end = text->find(separator);
  std::string_view part = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return part;
}

// The home in a line "name:password:uid:gid:comment:home:shell", or "" if it is malformed or for another uid.
static std::string_view home_in_line(std::string_view line, uint32_t uid) {
  std::string_view fields[6];
  for (auto& field : fields) {
    if (line.find(':') == std::string_view::npos) return {};
    field = take_part(&line, ':');
  }
  if (line.find(':') != std::string_view::npos) return {};
  uint32_t found = 0;
  auto [end, error] = std::from_chars(fields[2].data(), fields[2].data() + fields[2].size(), found);
  bool number = error == std::errc() && end == fields[2].data() + fields[2].size();
  if (!number || found != uid || fields[5].substr(0, 1) != "/") return {};
  return fields[5];
}

std::string home_in_passwd(std::string_view passwd, uint32_t uid) {
  while (!passwd.empty()) {
    std::string_view home = home_in_line(take_part(&passwd, '\n'), uid);
    if (!home.empty() && home.find('\0') == std::string_view::npos) return std::string(home);
  }
  return "/";
}

bool has_home(const oci::Strings& env) {
  return std::any_of(env.begin(), env.end(), [](const std::string& entry) { return entry.starts_with("HOME="); });
}

Result<std::string> home_of(int rootfs_fd, uint32_t uid) {
  // O_NONBLOCK: a FIFO in the image must not block minirun.
  UniqueFd fd = open_in_image(rootfs_fd, "etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
  struct stat facts {};
  if (!fd && is_transient(errno)) return fail(errno, "open /etc/passwd of the image");
  if (!fd) return std::string("/");
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat /etc/passwd of the image");
  if (!S_ISREG(facts.st_mode)) return std::string("/");
  std::string text(
      facts.st_size < static_cast<off_t>(kMaxPasswdBytes) ? static_cast<size_t>(facts.st_size) : kMaxPasswdBytes, '\0');
  size_t used = 0;
  while (used < text.size()) {
    ssize_t n = read(fd.get(), text.data() + used, text.size() - used);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno, "read /etc/passwd of the image");
    if (n == 0) break;
    used += static_cast<size_t>(n);
  }
  return home_in_passwd(std::string_view(text).substr(0, used), uid);
}

Result<std::string> home_in_image(int rootfs_fd, const std::optional<oci::Process>& process) {
  if (!process || has_home(process->env)) return std::string("/");  // not used
  return home_of(rootfs_fd, process->user.uid);
}

Result<std::string> home_in_container(pid_t pid, const oci::Strings& env, uint32_t uid) {
  if (has_home(env)) return std::string("/");  // not used
  UniqueFd root(open(fmt::format("/proc/{}/root", pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root && is_transient(errno)) return fail(errno, "open the container's root");
  if (!root) return std::string("/");
  return home_of(root.get(), uid);
}

}  // namespace minirun
