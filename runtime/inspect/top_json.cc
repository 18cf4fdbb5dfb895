// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "runtime/inspect/top_table.h"
#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

void write_percent(JsonWriter& json, const char* key, const std::optional<double>& percent) {
  if (percent) json.key(key).decimal(fmt::format("{:.1f}", *percent));
}

void append_process(JsonWriter& json, const ProcessUsage& process) {
  json.begin_object().key("pid").number(process.pid).key("parent").number(process.parent);
  if (process.uid) json.key("uid").unsigned_number(*process.uid);
  json.key("state").string(std::string_view(&process.state, 1));
  write_percent(json, "cpu_percent", process.cpu_percent);
  json.known("memory_bytes", process.memory_bytes);
  json.key("threads").unsigned_number(process.threads);
  json.known("open_files", process.open_files);
  json.known("open_files_limit", process.open_files_limit);
  json.known("wait_channel", process.wait_channel).key("name").string(process.name).end_object();
}

void append_fullest(JsonWriter& json, const FullestProcess& fullest) {
  json.key("fullest").begin_object().key("pid").number(fullest.pid).key("name").string(fullest.name);
  json.key("open_files").unsigned_number(fullest.open);
  json.known("open_files_limit", fullest.limit).end_object();
}

void append_container(JsonWriter& json, const ContainerUsage& row, bool each_process) {
  json.begin_object().key("id").string(row.id).key("status").string(row.status).known("problem", row.problem);
  if (row.pid != 0) json.key("pid").number(row.pid);
  write_percent(json, "cpu_percent", row.cpu_percent);
  write_percent(json, "cpu_quota_percent", row.cpu_quota_percent);
  write_percent(json, "throttled_percent", row.throttled_percent);
  json.known("memory_bytes", row.memory_bytes);
  json.known("memory_limit_bytes", row.memory_limit_bytes);
  json.known("swap_bytes", row.swap_bytes);
  write_percent(json, "cpu_wait_percent", row.cpu_wait_percent);
  write_percent(json, "memory_wait_percent", row.memory_wait_percent);
  write_percent(json, "io_wait_percent", row.io_wait_percent);
  json.known("processes", row.processes);
  json.known("zombies", row.zombies);
  json.known("tasks", row.tasks);
  json.known("tasks_limit", row.tasks_limit);
  if (row.fullest) append_fullest(json, *row.fullest);
  json.known("oom_kills", row.oom_kills);
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
