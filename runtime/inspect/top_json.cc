// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "runtime/inspect/top_table.h"
#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

// A key only for what is known.
class Members {
 public:
  explicit Members(JsonWriter& json) : json_(json) {}
  void add(const char* key, const std::optional<uint64_t>& number) const {
    if (number) json_.key(key).unsigned_number(*number);
  }
  void add(const char* key, const std::optional<double>& number) const {
    if (number) json_.key(key).decimal(fmt::format("{:.1f}", *number));
  }

 private:
  JsonWriter& json_;
};

void append_process(JsonWriter& json, const ProcessUsage& process) {
  Members members(json.begin_object());
  json.key("pid").number(process.pid).key("parent").number(process.parent);
  if (process.uid) json.key("uid").unsigned_number(*process.uid);
  json.key("state").string(std::string_view(&process.state, 1));
  members.add("cpu_percent", process.cpu_percent);
  members.add("memory_bytes", process.memory_bytes);
  json.key("threads").unsigned_number(process.threads);
  members.add("open_files", process.open_files);
  members.add("open_files_limit", process.open_files_limit);
  if (!process.wait_channel.empty()) json.key("wait_channel").string(process.wait_channel);
  json.key("name").string(process.name).end_object();
}

void append_fullest(JsonWriter& json, const FullestProcess& fullest) {
  json.key("fullest").begin_object().key("pid").number(fullest.pid).key("name").string(fullest.name);
  json.key("open_files").unsigned_number(fullest.open);
  Members(json).add("open_files_limit", fullest.limit);
  json.end_object();
}

void append_container(JsonWriter& json, const ContainerUsage& row, bool each_process) {
  Members members(json.begin_object());
  json.key("id").string(row.id).key("status").string(row.status);
  if (!row.problem.empty()) json.key("problem").string(row.problem);
  if (row.pid != 0) json.key("pid").number(row.pid);
  members.add("cpu_percent", row.cpu_percent);
  members.add("cpu_quota_percent", row.cpu_quota_percent);
  members.add("throttled_percent", row.throttled_percent);
  members.add("memory_bytes", row.memory_bytes);
  members.add("memory_limit_bytes", row.memory_limit_bytes);
  members.add("swap_bytes", row.swap_bytes);
  members.add("cpu_wait_percent", row.cpu_wait_percent);
  members.add("memory_wait_percent", row.memory_wait_percent);
  members.add("io_wait_percent", row.io_wait_percent);
  members.add("processes", row.processes);
  members.add("zombies", row.zombies);
  members.add("tasks", row.tasks);
  members.add("tasks_limit", row.tasks_limit);
  if (row.fullest) append_fullest(json, *row.fullest);
  members.add("oom_kills", row.oom_kills);
  if (!row.unseen.empty()) {
    json.key("unseen").begin_array();
    for (const std::string& unseen : row.unseen) json.string(unseen);
    json.end_array();
  }
  if (each_process && row.pid != 0) {
    json.key("process_list").begin_array();
    for (const ProcessUsage& process : row.of_each) append_process(json, process);
    json.end_array();
  }
  json.end_object();
}

}  // namespace

std::string top_json(const std::vector<ContainerUsage>& containers, const std::string& time, double interval_s,
                     bool each_process) {
  JsonWriter json;
  json.begin_object().key("time").string(time);
  json.key("interval_s").decimal(fmt::format("{:.3f}", interval_s));
  json.key("containers").begin_array();
  for (const ContainerUsage& row : containers) append_container(json, row, each_process);
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace minirun
