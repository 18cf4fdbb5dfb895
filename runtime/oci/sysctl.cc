// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/sysctl.h"

#include <linux/sched.h>

#include <climits>

namespace minirun {

static bool is_key_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("_-.:@").find(c) != std::string_view::npos;
}

std::optional<std::string> sysctl_path(std::string_view key) {
  std::string path(key);
  size_t first = path.find_first_of("./");
  if (first == std::string::npos) return std::nullopt;
  if (path[first] == '.')
    for (char& c : path) c = c == '.' ? '/' : c == '/' ? '.' : c;
  size_t start = 0;
  for (size_t i = 0; i <= path.size(); ++i) {
    if (i < path.size() && path[i] != '/') {
      if (!is_key_character(path[i])) return std::nullopt;
      continue;
    }
    std::string_view part = std::string_view(path).substr(start, i - start);
    if (part.empty() || part == "." || part == ".." || part.size() > NAME_MAX) return std::nullopt;
    start = i + 1;
  }
  return path;
}

uint32_t sysctl_namespace(std::string_view path) {
  static constexpr struct {
    std::string_view path;  // or what it begins with, where it ends in a slash
    uint32_t type;
  } kTable[] = {
      {"net/", CLONE_NEWNET},
      {"fs/mqueue/", CLONE_NEWIPC},
      {"kernel/auto_msgmni", CLONE_NEWIPC},
      {"kernel/msg_next_id", CLONE_NEWIPC},
      {"kernel/msgmax", CLONE_NEWIPC},
      {"kernel/msgmnb", CLONE_NEWIPC},
      {"kernel/msgmni", CLONE_NEWIPC},
      {"kernel/sem", CLONE_NEWIPC},
      {"kernel/sem_next_id", CLONE_NEWIPC},
      {"kernel/shm_next_id", CLONE_NEWIPC},
      {"kernel/shm_rmid_forced", CLONE_NEWIPC},
      {"kernel/shmall", CLONE_NEWIPC},
      {"kernel/shmmax", CLONE_NEWIPC},
      {"kernel/shmmni", CLONE_NEWIPC},
      {"kernel/domainname", CLONE_NEWUTS},
      {"kernel/hostname", CLONE_NEWUTS},
      {"user/", CLONE_NEWUSER},
  };
  for (const auto& entry : kTable) {
    bool prefix = entry.path.back() == '/';
    if (path == entry.path || (prefix && path.substr(0, entry.path.size()) == entry.path)) return entry.type;
  }
  return 0;
}

}  // namespace minirun
