// SPDX-License-Identifier: Apache-2.0
#include "cgroups/saved_files.h"

#include "sys/file.h"

namespace minirun {
namespace {

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find(' '));
}

// The line of a "KEY ..." file (cgroup-v2.rst, "Format") that has this key.
std::optional<std::string> line_of(std::string_view content, std::string_view key) {
  while (!content.empty()) {
    std::string_view line = content.substr(0, content.find('\n'));
    if (first_word(line) == key) return std::string(line);
    content.remove_prefix(std::min(content.size(), line.size() + 1));
  }
  return std::nullopt;
}

// A device without a line has the defaults.
std::optional<std::string> default_line(std::string_view file, std::string_view key) {
  if (file == "io.max") return std::string(key) + " rbps=max wbps=max riops=max wiops=max";
  if (file == "io.weight" || file == "io.bfq.weight") return std::string(key) + " default";
  if (file == "rdma.max") return std::string(key) + " hca_handle=max hca_object=max";
  return std::nullopt;
}

}  // namespace

std::optional<std::string> undo_value(std::string_view file, std::string_view content, std::string_view value) {
  bool keyed = file.starts_with("io.") || file.starts_with("rdma.") || file.starts_with("misc.");
  if (keyed) {
    std::string_view key = first_word(value);
    if (key.find_first_not_of("0123456789") == key.npos) key = "default";  // a weight without a device
    auto line = line_of(content, key);
    return line ? line : default_line(file, key);
  }
  std::string_view line = content.substr(0, content.find('\n'));
  if (line.size() + 1 < content.size()) return std::nullopt;
  if (file == "cpu.weight" && line == "0") return std::nullopt;  // cpu.idle is 1: restoring that sets the weight
  return line.empty() ? "\n" : std::string(line);                // an empty cpuset.cpus: writing nothing has no effect
}

void SavedFiles::save_file(const std::string& file, const std::string& value) {
  auto content = read_file(cgroup_fd_, file);
  if (content) saved_.push_back({file, std::move(content).value(), value});
}

void SavedFiles::save(const Write& write) {
  if (write.file == "cpu.idle") save_file("cpu.weight", "");  // leaving idle resets the weight to its default
  save_file(write.file, write.value);
  if (!write.fallback_file.empty()) save_file(write.fallback_file, write.fallback_value);
}

std::string SavedFiles::restore() {
  std::string failed;
  for (auto saved = saved_.rbegin(); saved != saved_.rend(); ++saved) {
    auto now = read_file(cgroup_fd_, saved->file);
    if (now && *now == saved->content) continue;
    auto value = undo_value(saved->file, saved->content, saved->value);
    if (!value && saved->file == "cpu.weight") continue;
    if (!value || !write_control(cgroup_fd_, saved->file, *value)) failed += (failed.empty() ? "" : ", ") + saved->file;
  }
  saved_.clear();
  return failed;
}

}  // namespace minirun
