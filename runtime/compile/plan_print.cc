// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/plan_print.h"

#include <fmt/format.h>

#include "runtime/text/json_writer.h"
#include "runtime/text/shown.h"

namespace minirun {

static std::string line(const std::string& text, const std::string& origin) {
  return shown_line(origin.empty() ? text : text + "  <- " + origin) + "\n";
}

static std::string write_text(const Write& write) {
  std::string text = write.file + " = " + write.value;
  if (!write.fallback_file.empty()) text += fmt::format(" (or {} = {})", write.fallback_file, write.fallback_value);
  if (write.may_be_missing) text += " (if the file exists)";
  if (!write.not_below.empty()) text += fmt::format(" (not below {})", write.not_below);
  return text;
}

static std::string namespaces_text(const Plan& plan) {
  std::string text = plan.clone_flags == 0 ? "no new namespaces" : "new " + namespace_names(plan.clone_flags);
  if (plan.birth) text += fmt::format("; step {} is its birth", *plan.birth + 1);
  return text;
}

std::string plan_text(const Compiled& compiled) {
  const Plan& plan = compiled.plan;
  std::string out;
  for (const std::string& warning : compiled.warnings) out += shown_line("warning: " + warning) + "\n";
  for (const std::string& power : compiled.powers) out += shown_line("reaches the host: " + power) + "\n";
  out += shown_line("cgroup " + compiled.cgroup_path) + "\n";
  for (const Write& write : compiled.limits.writes) out += "     " + line(write_text(write), write.origin);
  if (!compiled.device_filter.empty())
    out += fmt::format("     device filter of {} instructions\n", compiled.device_filter.size());
  out += "opened before clone\n";
  for (size_t i = 0; i < plan.slots.size(); i++)
    out += fmt::format("{:4} ", i) + line(describe(plan.slots[i]), plan.slots[i].origin);
  out += "clone: " + namespaces_text(plan) + "\n";
  out += "steps\n";
  for (uint32_t i = 0; i < plan.steps.size(); i++)
    out += fmt::format("{:4} ", i + 1) + line(describe(plan, i), plan.origins[i]);
  return out;
}

static void write_cgroup(JsonWriter& json, const Compiled& compiled) {
  json.key("cgroup").begin_object();
  json.key("path").string(compiled.cgroup_path);
  json.key("controllers").begin_array();
  for (const ControllerNeed& need : compiled.limits.needed) json.string(need.controller);
  json.end_array();
  json.key("writes").begin_array();
  for (const Write& write : compiled.limits.writes) {
    json.begin_object();
    json.key("file").string(write.file);
    json.key("value").string(write.value);
    json.key("origin").string(write.origin);
    json.end_object();
  }
  json.end_array();
  json.key("deviceFilterInstructions").unsigned_number(compiled.device_filter.size());
  json.end_object();
}

static void write_steps(JsonWriter& json, const Plan& plan) {
  json.key("steps").begin_array();
  for (uint32_t i = 0; i < plan.steps.size(); i++) {
    json.begin_object();
    json.key("step").unsigned_number(i + 1);
    json.key("op").string(op_name(plan.steps[i].op));
    json.key("does").string(describe(plan, i));
    json.key("origin").string(plan.origins[i]);
    json.end_object();
  }
  json.end_array();
}

std::string plan_json(const Compiled& compiled) {
  const Plan& plan = compiled.plan;
  JsonWriter json(2);
  json.begin_object();
  write_cgroup(json, compiled);
  json.key("slots").begin_array();
  for (size_t i = 0; i < plan.slots.size(); i++) {
    json.begin_object();
    json.key("index").unsigned_number(i);
    json.key("opens").string(describe(plan.slots[i]));
    json.key("origin").string(plan.slots[i].origin);
    json.end_object();
  }
  json.end_array();
  json.key("newNamespaces").string(namespace_names(plan.clone_flags));
  write_steps(json, plan);
  json.key("warnings").begin_array();
  for (const std::string& warning : compiled.warnings) json.string(warning);
  json.end_array();
  json.key("reachesTheHost").begin_array();
  for (const std::string& power : compiled.powers) json.string(power);
  json.end_array();
  json.end_object();
  return json.take() + "\n";
}

}  // namespace minirun
