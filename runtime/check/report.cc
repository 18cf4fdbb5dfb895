// SPDX-License-Identifier: Apache-2.0
#include "runtime/check/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "runtime/text/json.h"
#include "runtime/text/json_position.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/shown.h"

namespace minirun {

std::string_view verdict_name(Verdict verdict) {
  static constexpr std::array<std::string_view, 4> kNames = {"yes", "no", "warning", "unknown"};
  return kNames[static_cast<size_t>(verdict)];
}

void CheckReport::no(const std::string& about, const Error& error) {
  const ErrorDetail& detail = error.details();
  for (const Problem& problem : detail.problems)
    lines.push_back({Verdict::no, about, problem.pointer, problem.message, "", problem.line, problem.column});
  if (!detail.problems.empty()) return;
  std::string message = error.text();
  std::string pointer = detail.pointer;
  if (pointer.empty() && message.starts_with('/')) pointer = message.substr(0, message.find(": "));
  if (!pointer.empty() && message.starts_with(pointer + ": ")) message.erase(0, pointer.size() + 2);
  no(about, std::move(pointer), std::move(message));
}

bool CheckReport::has(Verdict verdict) const {
  return std::any_of(lines.begin(), lines.end(), [&](const CheckLine& line) { return line.verdict == verdict; });
}

Verdict CheckReport::verdict() const {
  return has(Verdict::no) ? Verdict::no : has(Verdict::unknown) ? Verdict::unknown : Verdict::yes;
}

void place_lines(CheckReport* report, std::string_view config) {
  auto document = JsonDocument::parse(config);
  if (!document.ok()) return;
  std::vector<std::pair<size_t, CheckLine*>> lines;  // by place in the file
  for (CheckLine& line : report->lines)
    if (!line.pointer.empty() && line.line == 0) lines.emplace_back((*document)->nearest(line.pointer).order(), &line);
  std::sort(lines.begin(), lines.end());
  std::vector<JsonPlace> places;
  for (const auto& line : lines) places.push_back({line.first});
  const std::vector<JsonPosition> positions = find_positions(config, places);
  for (size_t i = 0; i < lines.size(); ++i) {
    lines[i].second->line = positions[i].line;
    lines[i].second->column = positions[i].column;
  }
}

namespace {

std::string coloured(Verdict verdict, bool colours) {
  static constexpr std::array<const char*, 4> kColours = {"32", "31", "33", "36"};  // green, red, yellow, cyan
  const std::string word = fmt::format("{:<8}", verdict_name(verdict));
  return colours ? fmt::format("\x1b[{}m{}\x1b[0m", kColours[static_cast<size_t>(verdict)], word) : word;
}

size_t count(const CheckReport& report, Verdict verdict) {
  return static_cast<size_t>(std::count_if(report.lines.begin(), report.lines.end(),
                                           [&](const CheckLine& line) { return line.verdict == verdict; }));
}

std::string number_of(size_t count, const char* noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string conclusion(const CheckReport& report) {
  const std::string warnings = number_of(count(report, Verdict::warning), "warning");
  const size_t reasons = count(report, Verdict::no);
  if (report.bundle.empty())
    return reasons == 0 ? "this host can run containers: " + warnings
                        : fmt::format("this host cannot run containers: {}", number_of(reasons, "reason"));
  if (reasons != 0) return fmt::format("would not run: {}", number_of(reasons, "reason"));
  const size_t questions = count(report, Verdict::unknown);
  if (questions != 0)
    return fmt::format("may run: {} that only run answers, {}", number_of(questions, "question"), warnings);
  return "would run: " + warnings;
}

}  // namespace

std::string check_text(const CheckReport& report, bool colours) {
  std::string out;
  for (const CheckLine& line : report.lines) {
    std::string text = line.about + ": ";
    if (line.line != 0) text += fmt::format("config.json:{}:{}: ", line.line, line.column);
    if (!line.pointer.empty()) text += line.pointer + ": ";
    text += line.message;
    if (!line.remedy.empty()) text += "; " + line.remedy;
    out += coloured(line.verdict, colours) + shown_line(text) + "\n";
  }
  return out + conclusion(report) + "\n";
}

std::string check_json(const CheckReport& report) {
  JsonWriter json(2);
  json.begin_object();
  if (!report.bundle.empty()) json.key("bundle").string(report.bundle);
  json.key("verdict").string(verdict_name(report.verdict()));
  json.key("lines").begin_array();
  for (const CheckLine& line : report.lines) {
    json.begin_object().key("verdict").string(verdict_name(line.verdict)).key("about").string(line.about);
    if (!line.pointer.empty()) json.key("pointer").string(line.pointer);
    if (line.line != 0) json.key("line").unsigned_number(line.line).key("column").unsigned_number(line.column);
    json.key("message").string(line.message);
    if (!line.remedy.empty()) json.key("remedy").string(line.remedy);
    json.end_object();
  }
  json.end_array().end_object();
  return json.take() + "\n";
}

// Each text is its length and its bytes; a line is its numbers and its texts.
namespace {

void pack_number(std::string& out, uint32_t number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void pack_text(std::string& out, const std::string& text) {
  pack_number(out, static_cast<uint32_t>(text.size()));
  out += text;
}

class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) : rest_(packed) {}
  bool at_end() const { return rest_.empty(); }
  uint32_t number() {
    uint32_t number = 0;
    std::memcpy(&number, take(sizeof number).data(), sizeof number);
    return number;
  }
  std::string text() {
    const uint32_t size = number();
    return std::string(take(size));
  }

 private:
  // A part that a killed process has not written is empty.
  std::string_view take(size_t size) {
    static constexpr char kNothing[sizeof(uint32_t)] = {};
    if (size > rest_.size()) {
      rest_ = {};
      return size == sizeof kNothing ? std::string_view(kNothing, sizeof kNothing) : std::string_view();
    }
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
};

}  // namespace

std::string pack(const CheckReport& report) {
  std::string out;
  pack_text(out, report.bundle);
  for (const CheckLine& line : report.lines) {
    for (uint32_t number : {static_cast<uint32_t>(line.verdict), line.line, line.column}) pack_number(out, number);
    for (const std::string* text : {&line.about, &line.pointer, &line.message, &line.remedy}) pack_text(out, *text);
  }
  return out;
}

CheckReport unpack_report(std::string_view packed) {
  Unpacker unpacker(packed);
  CheckReport report;
  report.bundle = unpacker.text();
  while (!unpacker.at_end()) {
    CheckLine line;
    line.verdict = static_cast<Verdict>(unpacker.number() & 3U);
    line.line = unpacker.number();
    line.column = unpacker.number();
    for (std::string* text : {&line.about, &line.pointer, &line.message, &line.remedy}) *text = unpacker.text();
    report.lines.push_back(std::move(line));
  }
  return report;
}

}  // namespace minirun
