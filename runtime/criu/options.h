// SPDX-License-Identifier: Apache-2.0
// The options for criu, as runc's flags name them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace minirun {

struct DumpOptions {
  std::string image_path = "checkpoint";
  std::string work_path;
  std::string parent_path;
  std::string page_server;
  std::string manage_cgroups_mode;
  std::vector<std::string> empty_ns;
  std::optional<int> status_fd;
  bool leave_running = false;
  bool tcp_established = false;
  bool tcp_skip_in_flight = false;
  bool link_remap = false;
  bool ext_unix_sk = false;
  bool shell_job = false;
  bool lazy_pages = false;
  bool file_locks = false;
  bool pre_dump = false;
  bool auto_dedup = false;
};

struct RestoreOptions {
  std::string image_path = "checkpoint";
  std::string work_path;
  std::string manage_cgroups_mode;
  std::vector<std::string> empty_ns;
  std::string lsm_profile;
  std::string lsm_mount_context;
  bool tcp_established = false;
  bool ext_unix_sk = false;
  bool shell_job = false;
  bool file_locks = false;
  bool auto_dedup = false;
  bool lazy_pages = false;
};

}  // namespace minirun
