// SPDX-License-Identifier: Apache-2.0
// What `minirun check` finds, as data: the text and the JSON (docs/schema/check.json) are written from it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sys/result.h"

namespace minirun {

enum class Verdict : uint8_t {
  yes,      // `run` gets past this
  no,       // `run` is sure to fail here
  warning,  // works, but may not be what the author wants
  unknown,  // only `run` can answer this
};
std::string_view verdict_name(Verdict verdict);
inline constexpr std::string_view kVerdictNames = "yes no warning unknown";  // in their order, for `features`

struct CheckLine {
  Verdict verdict = Verdict::yes;
  std::string about{};    // one word: "config", "cgroup", "mounts"
  std::string pointer{};  // of the property of config.json; "": none
  std::string message{};
  std::string remedy{};  // what to change; "": nothing to say
  uint32_t line = 0;     // in config.json, from 1; 0: not known
  uint32_t column = 0;
};

struct CheckReport {
  std::string bundle{};  // absolute, as far as it could be found; "": the host alone
  std::vector<CheckLine> lines{};

  void yes(std::string about, std::string message) {
    lines.push_back({Verdict::yes, std::move(about), "", std::move(message)});
  }
  void no(std::string about, std::string pointer, std::string message, std::string remedy = "") {
    lines.push_back({Verdict::no, std::move(about), std::move(pointer), std::move(message), std::move(remedy)});
  }
  void warn(std::string about, std::string pointer, std::string message, std::string remedy = "") {
    lines.push_back({Verdict::warning, std::move(about), std::move(pointer), std::move(message), std::move(remedy)});
  }
  void unknown(std::string about, std::string pointer, std::string message, std::string remedy = "") {
    lines.push_back({Verdict::unknown, std::move(about), std::move(pointer), std::move(message), std::move(remedy)});
  }
  // The error of a part of `run` that has no side effect: its problems, or itself.
  void no(const std::string& about, const Error& error);

  bool has(Verdict verdict) const;
  // no if any line is, else unknown if any line is, else yes.
  Verdict verdict() const;
};

// Finds the line and column of each pointer in the text of config.json.
void place_lines(CheckReport* report, std::string_view config);

// colours: for a terminal, by ECMA-48 sequences.
std::string check_text(const CheckReport& report, bool colours);
std::string check_json(const CheckReport& report);

// For a pipe between two processes of one minirun.
std::string pack(const CheckReport& report);
CheckReport unpack_report(std::string_view packed);

}  // namespace minirun
