// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/rdt_schemata.h"

#include <fmt/format.h>

#include <charconv>
#include <map>

namespace minirun {
namespace {

constexpr std::string_view kBandwidth = "MB";

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// Takes the text before the next separator off the front.
std::string_view take(std::string_view* text, char separator) {
  std::string_view part = text->substr(0, text->find(separator));
  text->remove_prefix(std::min(part.size() + 1, text->size()));
  return trimmed(part);
}

std::string lines_but_bandwidth(std::string_view text) {
  std::string kept;
  while (!text.empty()) {
    std::string_view line = take(&text, '\n');
    if (!line.empty() && !line.starts_with("MB:")) kept.append(line).append("\n");
  }
  return kept;
}

std::string ended(std::string text) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text;
}

// "L3" and "0" → "7f0".
using Values = std::map<std::pair<std::string, std::string>, std::string>;

// Collects the values of all lines; a later one overrides.
void collect(std::string_view text, Values* values) {
  while (!text.empty()) {
    std::string_view line = take(&text, '\n');
    std::string_view resource = take(&line, ':');
    while (!line.empty()) {
      std::string_view value = take(&line, ';');
      std::string_view domain = take(&value, '=');
      if (!domain.empty()) (*values)[{std::string(resource), std::string(domain)}] = std::string(trimmed(value));
    }
  }
}

// Bandwidths are decimal numbers, all else are hexadecimal masks with any number of leading zeros.
bool same(std::string_view resource, std::string_view wanted, std::string_view found, uint64_t step) {
  bool bandwidth = resource.starts_with(kBandwidth);
  auto number = [&](std::string_view text) -> std::optional<uint64_t> {
    if (!bandwidth && (text.starts_with("0x") || text.starts_with("0X"))) text.remove_prefix(2);
    uint64_t value = 0;
    auto taken = std::from_chars(text.data(), text.data() + text.size(), value, bandwidth ? 10 : 16);
    bool whole = taken.ec == std::errc() && taken.ptr == text.data() + text.size();
    return whole ? std::optional<uint64_t>(value) : std::nullopt;
  };
  auto left = number(wanted), right = number(found);
  if (!left || !right) return wanted == found;
  if (bandwidth) left = (*left + step - 1) / step * step;
  return *left == *right;
}

}  // namespace

std::vector<std::string> schemata_to_write(const oci::IntelRdt& rdt) {
  std::vector<std::string> parts;
  std::string cache = rdt.mem_bw_schema.empty() ? rdt.l3_cache_schema : lines_but_bandwidth(rdt.l3_cache_schema);
  std::string both = ended(std::move(cache)) + ended(rdt.mem_bw_schema);
  if (!both.empty()) parts.push_back(both);
  std::string more;
  for (const std::string& line : rdt.schemata) more += ended(line);
  if (!more.empty()) parts.push_back(more);
  return parts;
}

std::optional<std::string> schemata_mismatch(const oci::IntelRdt& rdt, std::string_view file, uint64_t bandwidth_step) {
  Values wanted, found;
  for (const std::string& part : schemata_to_write(rdt)) collect(part, &wanted);
  collect(file, &found);
  for (const auto& [place, value] : wanted) {
    const auto& [resource, domain] = place;
    auto there = found.find(place);
    if (there == found.end())
      return fmt::format("it has no {}:{}, but the config asks for {}", resource, domain, value);
    if (!same(resource, value, there->second, bandwidth_step))
      return fmt::format("it has {}:{}={}, but the config asks for {}", resource, domain, there->second, value);
  }
  return std::nullopt;
}

}  // namespace minirun
