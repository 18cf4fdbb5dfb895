// SPDX-License-Identifier: Apache-2.0
// A config.json of any text: refused with places in it, or compiled to a plan that holds together. No system call is
// made for it.
#include <sched.h>

#include <algorithm>

#include "runtime/compile/compile.h"
#include "runtime/compile/plan_print.h"
#include "runtime/oci/bundle.h"
#include "runtime/text/json.h"
#include "runtime/text/shown.h"
#include "tests/fuzz/fuzz.h"

namespace minirun {
namespace {

// What goes to a terminal holds nothing that a terminal obeys.
bool is_printable(std::string_view text) {
  return shown_lines(text) == text;
}

// Each line of a refusal says where: LINE:COLUMN of text that is no JSON, a pointer else ("" is the whole).
void check_refusal(const Error& error) {
  HOLDS(error.code == 0, error.text());
  HOLDS(is_printable(error.message), error.message);
  std::string_view text = error.message;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    HOLDS(line.substr(0, 12) == "config.json:", error.message);
  }
}

// Every offset and every slot that a step, a join or an image speaks of is inside of it.
void check_plan(const Compiled& compiled) {
  const Plan& plan = compiled.plan;
  HOLDS(plan.origins.size() == plan.steps.size(), "");
  for (uint32_t i = 0; i < plan.steps.size(); ++i) {
    HOLDS(!describe(plan, i).empty(), std::to_string(i));
  }
  std::vector<int> descriptors(plan.slots.size(), 5);
  std::string image = serialize(plan, descriptors, 4);
  HOLDS(image.size() >= sizeof(PlanHeader) + plan.data.size(), std::to_string(image.size()));
}

// The cgroup is below the top of the hierarchy, whatever /linux/cgroupsPath says.
void check_cgroup_path(const std::string& path) {
  HOLDS(path.size() > 1 && path[0] == '/', path);
  std::string closed = path + "/";
  HOLDS(closed.find("/../") == std::string::npos && closed.find("/./") == std::string::npos, path);
  HOLDS(closed.find("//") == std::string::npos && path.find('\0') == std::string::npos, path);
}

HostFacts made_up_host(bool newest, bool ordinary) {
  HostFacts host;
  host.capabilities = (uint64_t{1} << 41) - 1;
  host.open_tree_namespace = newest;
  host.root_needs_move = !newest;
  host.ordinary_user = ordinary;
  host.in_user_namespace = ordinary;
  return host;
}

void compile_one(const oci::Spec& spec, const PlanFacts& facts, bool print) {
  auto compiled = compile(spec, facts);
  if (!compiled.ok()) {
    HOLDS(!compiled.error().text().empty(), "");
    return;
  }
  check_plan(*compiled);
  check_cgroup_path(compiled->cgroup_path);
  if (!print) return;
  HOLDS(is_printable(plan_text(*compiled)), plan_text(*compiled));
  std::string json = plan_json(*compiled);
  HOLDS(JsonDocument::parse(json).ok(), json);
}

}  // namespace
}  // namespace minirun

FUZZ(input) {
  using namespace minirun;
  auto bundle = parse_config(input.rest());
  if (!bundle.ok()) return check_refusal(bundle.error());
  const oci::Spec& spec = *bundle->spec;
  PlanFacts facts{{"fuzz", "/bundle", "/bundle/rootfs", "/root"}, made_up_host(true, false)};
  facts.paths.mount_links.resize(spec.mounts.size());
  if (spec.linux_.seccomp) {
    auto program = compile_seccomp(*spec.linux_.seccomp);
    if (!program.ok()) return;
    facts.seccomp = std::move(program).value();
  }
  facts.options.create = !spec.process;
  compile_one(spec, facts, true);
  facts.options.init = !facts.options.init;
  facts.options.no_pivot = true;
  facts.host = made_up_host(false, false);
  compile_one(spec, facts, false);
  facts.options.detach = true;
  facts.host = made_up_host(false, true);
  compile_one(spec, facts, false);
}
