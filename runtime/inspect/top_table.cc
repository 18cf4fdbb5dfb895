// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/top_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "runtime/inspect/shares.h"
#include "runtime/text/shown.h"

namespace minirun {
namespace {

constexpr const char* kUnknown = "-";

std::string shown(const std::optional<uint64_t>& number) {
  return number ? std::to_string(*number) : kUnknown;
}

// At most five characters: "0.3", "12", "1200".
std::string shown(const std::optional<double>& number) {
  if (!number) return kUnknown;
  return *number < 9.95 ? fmt::format("{:.1f}", *number) : fmt::format("{:.0f}", *number);
}

// At most five characters: "212M".
std::string short_bytes(const std::optional<uint64_t>& bytes) {
  if (!bytes) return kUnknown;
  std::string text = shown_bytes(*bytes);  // "212 MiB"
  size_t blank = text.find(' ');
  return text.substr(0, blank) + (text[blank + 1] == 'B' ? "" : text.substr(blank + 1, 1));
}

std::string of_limit(const std::optional<uint64_t>& number, const std::optional<uint64_t>& limit) {
  if (!number) return kUnknown;
  return limit ? fmt::format("{}/{}", *number, *limit) : std::to_string(*number);
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string padded(const std::string& text, size_t width, bool left) {
  std::string cut = cut_to_width(text, width);
  std::string blanks(width - characters(cut), ' ');
  return left ? cut + blanks : blanks + cut;
}

template <class Row>
struct Column {
  const char* title;
  size_t width;
  size_t from;  // the least width of the terminal to show it in
  std::string (*text)(const Row& row);
  bool left = false;
};

// The largest wait, with the first letter of what for: "m 40".
std::string longest_wait(const ContainerUsage& row) {
  std::pair<std::optional<double>, char> all[] = {
      {row.cpu_wait_percent, 'c'}, {row.memory_wait_percent, 'm'}, {row.io_wait_percent, 'i'}};
  auto most = *std::max_element(std::begin(all), std::end(all));
  if (!most.first) return kUnknown;
  return *most.first < 0.5 ? "0" : fmt::format("{}{:.0f}", most.second, *most.first);
}

std::string fullest(const ContainerUsage& row) {
  return row.fullest ? of_limit(row.fullest->open, row.fullest->limit) : kUnknown;
}

std::string fullest_name(const ContainerUsage& row) {
  return row.fullest ? fmt::format("{} ({})", shown_line(row.fullest->name), row.fullest->pid) : kUnknown;
}

using Containers = Column<ContainerUsage>;
constexpr Containers kContainerColumns[] = {
    {"STATUS", 8, 100, [](const ContainerUsage& row) { return row.status; }, true},
    {"PID", 8, 120, [](const ContainerUsage& row) { return row.pid != 0 ? std::to_string(row.pid) : kUnknown; }},
    {"CPU%", 5, 0, [](const ContainerUsage& row) { return shown(row.cpu_percent); }},
    {"QUOTA", 5, 0, [](const ContainerUsage& row) { return shown(row.cpu_quota_percent); }},
    {"THR%", 4, 0, [](const ContainerUsage& row) { return shown(row.throttled_percent); }},
    {"MEM", 5, 0, [](const ContainerUsage& row) { return short_bytes(row.memory_bytes); }},
    {"LIMIT", 5, 0, [](const ContainerUsage& row) { return short_bytes(row.memory_limit_bytes); }},
    {"SWAP", 5, 140, [](const ContainerUsage& row) { return short_bytes(row.swap_bytes); }},
    {"WAIT", 4, 0, longest_wait},
    {"CPUW%", 5, 140, [](const ContainerUsage& row) { return shown(row.cpu_wait_percent); }},
    {"MEMW%", 5, 140, [](const ContainerUsage& row) { return shown(row.memory_wait_percent); }},
    {"IOW%", 5, 140, [](const ContainerUsage& row) { return shown(row.io_wait_percent); }},
    {"PROCS", 5, 0, [](const ContainerUsage& row) { return shown(row.processes); }},
    {"TASKS", 11, 140, [](const ContainerUsage& row) { return of_limit(row.tasks, row.tasks_limit); }},
    {"Z", 3, 0, [](const ContainerUsage& row) { return shown(row.zombies); }},
    {"FDS", 9, 0, fullest},
    {"OOM", 3, 0, [](const ContainerUsage& row) { return shown(row.oom_kills); }},
    {"OPENED BY", 24, 160, fullest_name, true},
};

using Processes = Column<ProcessUsage>;
constexpr Processes kProcessColumns[] = {
    {"PID", 7, 0, [](const ProcessUsage& row) { return std::to_string(row.pid); }},
    {"PPID", 7, 60, [](const ProcessUsage& row) { return std::to_string(row.parent); }},
    {"UID", 10, 100, [](const ProcessUsage& row) { return row.uid ? std::to_string(*row.uid) : kUnknown; }},
    {"S", 1, 0, [](const ProcessUsage& row) { return std::string(1, row.state); }},
    {"CPU%", 5, 0, [](const ProcessUsage& row) { return shown(row.cpu_percent); }},
    {"MEM", 5, 0, [](const ProcessUsage& row) { return short_bytes(row.memory_bytes); }},
    {"THR", 4, 60, [](const ProcessUsage& row) { return std::to_string(row.threads); }},
    {"FDS", 13, 60, [](const ProcessUsage& row) { return of_limit(row.open_files, row.open_files_limit); }},
    {"WAITS IN", 26, 100,
     [](const ProcessUsage& row) { return row.wait_channel.empty() ? kUnknown : row.wait_channel; }, true},
};

// All columns but the first or last one, which takes the rest of the width.
template <class Row>
std::string columns_of(std::span<const Column<Row>> columns, size_t width, const Row* row) {
  std::string line;
  for (const Column<Row>& column : columns) {
    if (width < column.from) continue;
    line += line.empty() ? "" : " ";
    line += padded(row != nullptr ? column.text(*row) : column.title, column.width, column.left);
  }
  return line;
}

Tone tone_of(const ContainerUsage& row) {
  auto part = [](double some, double whole) { return percent(some, whole); };
  double memory = row.memory_bytes && row.memory_limit_bytes
                      ? part(static_cast<double>(*row.memory_bytes), static_cast<double>(*row.memory_limit_bytes))
                      : 0;
  double files = row.fullest && row.fullest->limit
                     ? part(static_cast<double>(row.fullest->open), static_cast<double>(*row.fullest->limit))
                     : 0;
  double tasks =
      row.tasks && row.tasks_limit ? part(static_cast<double>(*row.tasks), static_cast<double>(*row.tasks_limit)) : 0;
  if (std::max({memory, files, tasks}) >= 99) return Tone::critical;
  bool some = std::max({memory, files, tasks}) >= 90 || row.throttled_percent.value_or(0) >= 10 ||
              row.oom_kills.value_or(0) > 0 || row.zombies.value_or(0) >= 5 || !row.problem.empty();
  return some ? Tone::warning : Tone::plain;
}

Tone tone_of(const ProcessUsage& row) {
  double files = row.open_files && row.open_files_limit
                     ? percent(static_cast<double>(*row.open_files), static_cast<double>(*row.open_files_limit))
                     : 0;
  if (files >= 99) return Tone::critical;
  return files >= 90 || row.state == 'D' || row.state == 'Z' || row.state == 'T' ? Tone::warning : Tone::plain;
}

}  // namespace

std::string cut_to_width(const std::string& text, size_t width) {
  if (characters(text) <= width) return text;
  size_t bytes = 0;
  for (size_t left = width == 0 ? 0 : width - 1; bytes < text.size(); ++bytes) {
    if ((text[bytes] & 0xc0) == 0x80) continue;
    if (left == 0) break;
    --left;
  }
  return text.substr(0, bytes) + (width == 0 ? "" : "+");
}

std::vector<Line> container_table(const std::vector<ContainerUsage>& containers, size_t width) {
  width = std::max(width, kLeastWidth);
  std::span<const Containers> columns(kContainerColumns);
  std::string title = columns_of<ContainerUsage>(columns, width, nullptr);
  size_t longest = 8;
  for (const ContainerUsage& row : containers) longest = std::max(longest, characters(row.id));
  size_t rest = width > title.size() + 1 ? width - title.size() - 1 : 0;
  size_t id_width = std::clamp(rest, size_t{8}, longest);
  std::vector<Line> lines{{cut_to_width(padded("ID", id_width, true) + " " + title, width), Tone::title}};
  for (const ContainerUsage& row : containers) {
    std::string text =
        row.problem.empty() ? columns_of<ContainerUsage>(columns, width, &row) : "unknown: " + row.problem;
    if (row.pid == 0 && row.problem.empty()) text = row.status;
    lines.push_back({cut_to_width(padded(row.id, id_width, true) + " " + text, width), tone_of(row)});
  }
  return lines;
}

std::vector<Line> process_table(const ContainerUsage& container, size_t width) {
  width = std::max(width, kLeastWidth);
  std::span<const Processes> columns(kProcessColumns);
  std::vector<Line> lines{
      {cut_to_width(columns_of<ProcessUsage>(columns, width, nullptr) + " NAME", width), Tone::title}};
  for (const ProcessUsage& row : container.of_each)
    lines.push_back({cut_to_width(columns_of<ProcessUsage>(columns, width, &row) + " " + shown_line(row.name), width),
                     tone_of(row)});
  return lines;
}

}  // namespace minirun
