// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/end_record.h"

#include "runtime/text/timestamp.h"

namespace minirun {
namespace {

std::optional<JsonValue> end_member(JsonValue object, std::string_view key, JsonType type) {
  auto value = object.find(key);
  return value && value->type() == type ? value : std::nullopt;
}

std::optional<uint64_t> end_number(JsonValue object, std::string_view key, uint64_t most = UINT64_MAX) {
  auto value = end_member(object, key, JsonType::integer);
  auto number = value ? value->uint64() : std::nullopt;
  return number && *number <= most ? number : std::nullopt;
}

std::string end_text(JsonValue object, std::string_view key) {
  auto value = end_member(object, key, JsonType::string);
  return value ? std::string(value->text()) : std::string();
}

bool end_flag(JsonValue object, std::string_view key) {
  auto value = end_member(object, key, JsonType::boolean);
  return value && value->boolean();
}

}  // namespace

void write_end(JsonWriter& json, const EndRecord& end) {
  json.key("end").begin_object();
  if (end.wait_status) json.key("waitStatus").number(*end.wait_status);
  json.known("limit", end.limit);
  if (end.stop_signal != 0) json.key("stopSignal").number(end.stop_signal).key("killed").boolean(end.killed);
  json.known("time", end.time);
  if (end.reported) json.key("reported").boolean(true);
  json.end_object();
}

void write_baseline(JsonWriter& json, const Baseline& baseline) {
  json.key("baseline").begin_object().key("whole").boolean(baseline.ancestors.whole).key("ancestors").begin_array();
  for (const LimitedAncestor& ancestor : baseline.ancestors.limited)
    json.begin_object().key("path").string(ancestor.path).key("ooms").unsigned_number(ancestor.ooms).end_object();
  json.end_array().key("counters").begin_object();
  for (const UsageCounterName& counter : usage_counter_names())
    json.known(counter.name, baseline.counters.*counter.member);
  json.end_object().end_object();
}

std::optional<EndRecord> read_end(JsonValue root) {
  constexpr uint64_t kMostStatus = 0xffff, kMostSignal = 64;
  auto object = end_member(root, "end", JsonType::object);
  if (!object) return std::nullopt;
  EndRecord end;
  if (auto status = end_number(*object, "waitStatus", kMostStatus)) end.wait_status = static_cast<int>(*status);
  std::string limit = end_text(*object, "limit");
  if (limit == "timeout" || limit == "cpu-time") end.limit = limit;
  end.stop_signal = static_cast<int>(end_number(*object, "stopSignal", kMostSignal).value_or(0));
  end.killed = end_flag(*object, "killed");
  std::string time = end_text(*object, "time");
  if (is_rfc3339(time)) end.time = time;
  end.reported = end_flag(*object, "reported");
  return end;
}

std::optional<Baseline> read_baseline(JsonValue root) {
  auto object = end_member(root, "baseline", JsonType::object);
  if (!object) return std::nullopt;
  Baseline baseline;
  baseline.ancestors.whole = end_flag(*object, "whole");
  if (auto list = end_member(*object, "ancestors", JsonType::array))
    for (auto entry = list->first(); entry; entry = entry->next())
      if (entry->type() == JsonType::object)
        baseline.ancestors.limited.push_back({end_text(*entry, "path"), end_number(*entry, "ooms").value_or(0)});
  if (auto counters = end_member(*object, "counters", JsonType::object))
    for (const UsageCounterName& counter : usage_counter_names())
      baseline.counters.*counter.member = end_number(*counters, counter.name);
  return baseline;
}

}  // namespace minirun
