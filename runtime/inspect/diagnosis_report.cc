// SPDX-License-Identifier: Apache-2.0
#include "runtime/inspect/diagnosis_report.h"

#include <fmt/format.h>

#include <cmath>

#include "runtime/inspect/shares.h"
#include "runtime/text/json_writer.h"

namespace minirun {
namespace {

// Whole ones without a fraction.
std::string digits_of(double number) {
  return std::round(number) == number ? fmt::format("{:.0f}", number) : fmt::format("{:.2f}", number);
}

void append_finding(JsonWriter& json, const Finding& finding) {
  json.begin_object().key("rule").string(finding.rule);
  json.key("severity").string(severity_name(finding.severity));
  json.key("text").string(finding.text).key("remedy").string(finding.remedy);
  if (finding.pid > 0) json.key("pid").number(finding.pid);
  json.key("numbers").begin_object();
  for (const auto& [name, number] : finding.numbers) json.key(name).decimal(digits_of(number));
  json.end_object().end_object();
}

}  // namespace

DoctorReport doctor_report(const Facts& facts) {
  return {
      facts.after.id,     facts.after.status, elapsed_us(facts.before, facts.after) / 1e6, facts.after.processes.size(),
      findings_of(facts), facts.after.unseen};
}

std::string to_text(const DoctorReport& report) {
  std::string text;
  for (const Finding& finding : report.findings)
    text += fmt::format("{:<9}{:<16}{}\n{:25}-> {}\n", severity_name(finding.severity), finding.rule, finding.text, "",
                        finding.remedy);
  if (report.findings.empty())
    text = fmt::format("nothing found: {}, {:.1f} s\n", counted(report.processes, "process", "processes"),
                       report.interval_s);
  for (const std::string& unseen : report.unseen) text += fmt::format("unseen: {}\n", unseen);
  return text;
}

std::string to_json(const DoctorReport& report) {
  JsonWriter json;
  json.begin_object().key("id").string(report.id).key("status").string(report.status);
  json.key("interval_s").decimal(fmt::format("{:.3f}", report.interval_s));
  json.key("processes").unsigned_number(report.processes);
  json.key("findings").begin_array();
  for (const Finding& finding : report.findings) append_finding(json, finding);
  json.end_array().key("unseen").begin_array();
  for (const std::string& unseen : report.unseen) json.string(unseen);
  json.end_array().end_object();
  return json.take() + "\n";
}

}  // namespace minirun
