// SPDX-License-Identifier: Apache-2.0
// The options for criu, as runc's flags name them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace minirun {

// Those that both directions have.
struct CriuOptions {
  std::string image_path = "checkpoint";
  std::string work_path;
  std::string manage_cgroups_mode;
  std::vector<std::string> empty_ns;
  bool tcp_established = false;
  bool ext_unix_sk = false;
  bool shell_job = false;
  bool file_locks = false;
  bool auto_dedup = false;
  bool lazy_pages = false;
};

struct DumpOptions : CriuOptions {
  std::string parent_path;
  std::string page_server;
  std::optional<int> status_fd;
  bool leave_running = false;
  bool tcp_skip_in_flight = false;
  bool link_remap = false;
  bool pre_dump = false;
};

struct RestoreOptions : CriuOptions {
  std::string lsm_profile;
  std::string lsm_mount_context;
};

}  // namespace minirun
