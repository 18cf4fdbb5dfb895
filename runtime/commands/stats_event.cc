// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/stats_event.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/text/json_writer.h"
#include "sys/directory.h"
#include "sys/file.h"

namespace minirun {
namespace {

std::string_view take(std::string_view* rest, char separator) {
  size_t end = std::min(rest->find(separator), rest->size());
  std::string_view word = rest->substr(0, end);
  rest->remove_prefix(std::min(rest->size(), end + 1));
  return word;
}

uint64_t number(std::string_view text) {
  uint64_t value = 0;
  if (text.starts_with("max")) return UINT64_MAX;  // as in runc
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// A "KEY VALUE" file in its order.
using Table = std::vector<std::pair<std::string, uint64_t>>;

uint64_t value_in(const Table& table, std::string_view key) {
  for (const auto& [name, value] : table)
    if (name == key) return value;
  return 0;
}

// Appends the members of "data", each from its files.
class StatsWriter {
 public:
  StatsWriter(JsonWriter& json, int cgroup_fd) : json_(json), cgroup_fd_(cgroup_fd) {}

  Result<void> cpu();
  Result<void> cpuset();
  Result<void> memory();
  Result<void> pids();
  Result<void> block_io();
  Result<void> hugepages();

 private:
  // Empty without such a file, or if pressure is not measured (EOPNOTSUPP).
  Result<std::optional<std::string>> read(const std::string& file);
  Result<uint64_t> read_number(const std::string& file);
  Result<Table> read_table(const std::string& file);
  Result<void> pressure(const char* file);
  Result<void> list(const char* key, const char* file);
  void entry(uint64_t limit, uint64_t usage, uint64_t max);
  void io_table(const char* name, std::string_view text, std::string_view read_key, std::string_view write_key);
  Result<std::vector<std::string>> page_sizes();

  JsonWriter& json_;
  int cgroup_fd_;
};

Result<std::optional<std::string>> StatsWriter::read(const std::string& file) {
  auto text = read_file(cgroup_fd_, file);
  if (text) return std::optional<std::string>(std::move(text).value());
  int code = text.error().code;
  if (code != ENOENT && code != EOPNOTSUPP) return text.error();
  // A removed cgroup has no files either.
  if (faccessat(cgroup_fd_, "cgroup.events", F_OK, 0) < 0) return fail(ENODEV, "read {}", file);
  return std::optional<std::string>();
}

Result<uint64_t> StatsWriter::read_number(const std::string& file) {
  auto text = TRY(read(file));
  return text ? number(*text) : 0;
}

Result<Table> StatsWriter::read_table(const std::string& file) {
  Table table;
  std::string text = TRY(read(file)).value_or("");
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view line = take(&rest, '\n');
    std::string_view key = take(&line, ' ');
    table.emplace_back(key, number(line));
  }
  return table;
}

// "some avg10=0.00 avg60=0.00 avg300=0.00 total=0": Documentation/accounting/psi.rst
Result<void> StatsWriter::pressure(const char* file) {
  auto text = TRY(read(file));
  if (!text) return {};
  json_.key("psi").begin_object();
  for (std::string_view rest = *text; !rest.empty();) {
    std::string_view line = take(&rest, '\n');
    json_.key(take(&line, ' ')).begin_object();
    while (!line.empty()) {
      std::string_view value = take(&line, ' ');
      std::string_view key = take(&value, '=');
      json_.key(key).decimal(value);
    }
    json_.end_object();
  }
  json_.end_object();
  return {};
}

Result<void> StatsWriter::cpu() {
  Table stat = TRY(read_table("cpu.stat"));
  auto ns = [&](const char* key) { return value_in(stat, key) * 1000; };
  json_.key("cpu").begin_object();
  json_.key("usage").begin_object().key("total").unsigned_number(ns("usage_usec"));
  json_.key("kernel").unsigned_number(ns("system_usec")).key("user").unsigned_number(ns("user_usec")).end_object();
  json_.key("throttling").begin_object().key("periods").unsigned_number(value_in(stat, "nr_periods"));
  json_.key("throttledPeriods").unsigned_number(value_in(stat, "nr_throttled"));
  json_.key("throttledTime").unsigned_number(ns("throttled_usec")).end_object();
  TRY(pressure("cpu.pressure"));
  json_.end_object();
  return {};
}

// "0-3,8" as numbers.
Result<void> StatsWriter::list(const char* key, const char* file) {
  auto text = TRY(read(file));
  if (!text) return {};
  std::string_view rest = *text;
  rest = take(&rest, '\n');
  json_.key(key).begin_array();
  while (!rest.empty()) {
    std::string_view last = take(&rest, ',');
    std::string_view first = take(&last, '-');
    uint64_t to = std::min<uint64_t>(last.empty() ? number(first) : number(last), UINT16_MAX);
    for (uint64_t i = number(first); i <= to; ++i) json_.unsigned_number(i);
  }
  json_.end_array();
  return {};
}

Result<void> StatsWriter::cpuset() {
  json_.key("cpuset").begin_object();
  TRY(list("cpus", "cpuset.cpus.effective"));
  TRY(list("mems", "cpuset.mems.effective"));
  json_.end_object();
  return {};
}

void StatsWriter::entry(uint64_t limit, uint64_t usage, uint64_t max) {
  json_.begin_object().key("limit").unsigned_number(limit).key("usage").unsigned_number(usage);
  if (max != 0) json_.key("max").unsigned_number(max);
  json_.key("failcnt").unsigned_number(0).end_object();  // cgroup v2 counts events instead: event_count
}

Result<void> StatsWriter::memory() {
  Table stat = TRY(read_table("memory.stat"));
  uint64_t usage = TRY(read_number("memory.current"));
  uint64_t limit = TRY(read_number("memory.max"));
  uint64_t peak = TRY(read_number("memory.peak"));
  uint64_t swap = TRY(read_number("memory.swap.current"));
  uint64_t swap_limit = TRY(read_number("memory.swap.max"));
  bool unlimited = limit == UINT64_MAX || swap_limit == UINT64_MAX;
  json_.key("memory").begin_object().key("cache").unsigned_number(value_in(stat, "file"));
  json_.key("usage");
  entry(limit, usage, peak);
  json_.key("swap");  // memory and swap together, as everywhere in the specification
  entry(unlimited ? UINT64_MAX : limit + swap_limit, usage + swap, 0);
  json_.key("kernel");
  entry(0, value_in(stat, "kernel"), 0);
  json_.key("kernelTCP");
  entry(0, value_in(stat, "sock"), 0);
  json_.key("raw").begin_object();
  for (const auto& [key, value] : stat) json_.key(key).unsigned_number(value);
  json_.end_object();
  TRY(pressure("memory.pressure"));
  json_.key("event_count").begin_object();
  for (const auto& [key, value] : TRY(read_table("memory.events"))) json_.key(key).unsigned_number(value);
  json_.end_object().end_object();
  return {};
}

Result<void> StatsWriter::pids() {
  uint64_t current = TRY(read_number("pids.current"));
  uint64_t limit = TRY(read_number("pids.max"));
  json_.key("pids").begin_object().key("current").unsigned_number(current);
  if (limit != UINT64_MAX && limit != 0) json_.key("limit").unsigned_number(limit);  // runc's 0, left out: no limit
  json_.end_object();
  return {};
}

// "8:0 rbytes=1459200 wbytes=314773504 rios=192 wios=353 ...": one table of cgroup v1.
void StatsWriter::io_table(const char* name, std::string_view text, std::string_view read_key,
                           std::string_view write_key) {
  json_.key(name).begin_array();
  while (!text.empty()) {
    std::string_view line = take(&text, '\n');
    std::string_view device = take(&line, ' ');
    uint64_t major = number(take(&device, ':'));
    while (!line.empty()) {
      std::string_view value = take(&line, ' ');
      std::string_view key = take(&value, '=');
      if (key != read_key && key != write_key) continue;
      json_.begin_object().key("major").unsigned_number(major).key("minor").unsigned_number(number(device));
      json_.key("op").string(key == read_key ? "Read" : "Write").key("value").unsigned_number(number(value));
      json_.end_object();
    }
  }
  json_.end_array();
}

Result<void> StatsWriter::block_io() {
  auto text = TRY(read("io.stat"));
  json_.key("blkio").begin_object();
  if (text) {
    io_table("ioServiceBytesRecursive", *text, "rbytes", "wbytes");
    io_table("ioServicedRecursive", *text, "rios", "wios");
  }
  TRY(pressure("io.pressure"));
  json_.end_object();
  return {};
}

// The sizes in file names like "hugetlb.2MB.current".
Result<std::vector<std::string>> StatsWriter::page_sizes() {
  std::vector<std::string> sizes;
  TRY(for_each_entry(cgroup_fd_, ".", [&](const dirent& entry) -> Result<bool> {
    std::string_view name = static_cast<const char*>(entry.d_name);
    if (!name.starts_with("hugetlb.") || !name.ends_with("B.current")) return true;
    name.remove_prefix(sizeof "hugetlb." - 1);
    sizes.emplace_back(name.substr(0, name.find('.')));
    return true;
  }));
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

Result<void> StatsWriter::hugepages() {
  json_.key("hugetlb").begin_object();
  for (const std::string& size : TRY(page_sizes())) {
    uint64_t usage = TRY(read_number("hugetlb." + size + ".current"));
    Table events = TRY(read_table("hugetlb." + size + ".events"));
    json_.key(size).begin_object().key("usage").unsigned_number(usage);
    json_.key("failcnt").unsigned_number(value_in(events, "max")).end_object();
  }
  json_.end_object();
  return {};
}

}  // namespace

Result<std::string> stats_event(const std::string& id, int cgroup_fd) {
  JsonWriter json;
  StatsWriter stats(json, cgroup_fd);
  json.begin_object().key("type").string("stats").key("id").string(id).key("data").begin_object();
  TRY(stats.cpu());
  TRY(stats.cpuset());
  TRY(stats.memory());
  TRY(stats.pids());
  TRY(stats.block_io());
  TRY(stats.hugepages());
  json.key("intel_rdt").begin_object().end_object();
  json.key("network_interfaces").null();  // runc has them only for veth pairs that it made itself
  json.end_object().end_object();
  return json.take() + "\n";
}

std::string oom_event(const std::string& id) {
  JsonWriter json;
  json.begin_object().key("type").string("oom").key("id").string(id).end_object();
  return json.take() + "\n";
}

}  // namespace minirun
