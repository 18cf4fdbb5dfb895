// SPDX-License-Identifier: Apache-2.0
#include "runtime/check/trial_plan.h"

#include <sched.h>

#include <utility>

#include "runtime/check/parts.h"
#include "runtime/oci/spec_facts.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

bool may_load_module(const std::string& filesystem) {
  return loads_modules() && !has_filesystem(filesystem).value_or(false);
}

// Changes the plan so that it leaves nothing.
class Softener {
 public:
  Softener(const oci::Spec& spec, Plan* plan, bool executes, std::vector<std::string>* untried)
      : plan_(*plan),
        executes_(executes),
        untried_(*untried),
        names_(oci::makes_namespace(spec, CLONE_NEWUTS)),
        parameters_(names_ && oci::makes_namespace(spec, CLONE_NEWNET) && oci::makes_namespace(spec, CLONE_NEWIPC)) {}

  // As make_harmless().
  std::vector<std::string> soften() {
    std::vector<Step> steps;
    std::vector<std::string> origins;
    for (uint32_t i = 0; i < plan_.steps.size(); ++i) {
      Step step = plan_.steps[i];
      if (reaches_others(step, plan_.origins[i])) {
        leave_out(plan_.origins[i]);
        continue;
      }
      if (is_silent(step) || (!executes_ && get_if<steps::Execute>(step) != nullptr)) continue;
      make_readonly(&step);
      steps.push_back(step);
      origins.push_back(plan_.origins[i]);
      if (steps.size() == 1) add_gate(&steps, &origins);
    }
    plan_.steps = std::move(steps);
    plan_.origins = std::move(origins);
    return std::move(readonly_);
  }

 private:
  // It changes what others use: a namespace that is joined or the host's, or a filesystem of the host.
  bool reaches_others(const Step& step, const std::string& origin) const {
    if (get_if<steps::Reconfigure>(step) != nullptr) return true;
    if (get_if<steps::Hostname>(step) != nullptr || get_if<steps::Domainname>(step) != nullptr) return !names_;
    if (get_if<steps::WriteProc>(step) != nullptr) return origin.starts_with("/linux/sysctl/") && !parameters_;
    const auto* filter = get_if<steps::Seccomp>(step);
    return filter != nullptr && filter->listens != 0;  // no agent is asked
  }

  // Not about the container: the owner of the caller's stdio, and what minirun does at a gate.
  static bool is_silent(const Step& step) {
    return get_if<steps::OwnStdio>(step) != nullptr ||
           (get_if<steps::WaitAtGate>(step) != nullptr && get_if<steps::WaitAtGate>(step)->gate != Gate::setup);
  }

  // Mount points are not made in directories of the host.
  void make_readonly(Step* step) {
    soften(get_if<steps::Attach>(*step), step);
    soften(get_if<steps::BindOwn>(*step), step);
    soften(get_if<steps::SetAttributes>(*step), step);
  }

  template <class Fields>
  void soften(const Fields* fields, Step* step) {
    if (fields == nullptr) return;
    constexpr uint32_t kReadonly = abi::kMountAttrReadonly;
    Fields changed = *fields;
    MountChange& change = changed.change;
    if constexpr (requires { changed.target; }) {  // it places a mount
      if (((change.set.value | change.set_below.value) & kReadonly) == 0)
        readonly_.emplace_back(plan_.data.c_str() + (changed.target.at - kDataOffset));
      change.set_below.value |= kReadonly;
    }
    change.clear.value &= ~kReadonly;
    change.clear_below.value &= ~kReadonly;
    *step = make_step(changed);
  }

  // Where it waits until it is traced.
  void add_gate(std::vector<Step>* steps, std::vector<std::string>* origins) {
    const Text what{static_cast<uint32_t>(kDataOffset + plan_.data.size())};
    plan_.data.append("the rehearsal").push_back('\0');
    while (plan_.data.size() % 8 != 0) plan_.data.push_back('\0');
    steps->push_back(make_step(steps::WaitAtGate{Gate::commit, what}));
    origins->emplace_back();
  }

  void leave_out(const std::string& origin) {
    if (untried_.empty() || untried_.back() != origin) untried_.push_back(origin);
  }

  Plan& plan_;
  bool executes_;
  std::vector<std::string>& untried_;
  bool names_;
  bool parameters_;
  std::vector<std::string> readonly_;
};

}  // namespace

std::string obstacle(const oci::Spec& spec, const Compiled& compiled) {
  const Plan& plan = compiled.plan;
  if (!oci::makes_namespace(spec, CLONE_NEWNS)) return "it has no mount namespace of its own";
  if (plan.birth || compiled.proc_loan) return "it joins namespaces in a way that cannot be tried";
  for (const Source& slot : plan.slots) {
    const bool plain = slot.kind == SourceKind::tree || slot.kind == SourceKind::rootfs_tree ||
                       slot.kind == SourceKind::rootfs_overlay || slot.kind == SourceKind::rootfs_namespace ||
                       slot.kind == SourceKind::namespace_file || slot.kind == SourceKind::null_device ||
                       slot.kind == SourceKind::cgroup_tree || slot.kind == SourceKind::device;
    if (!plain) return slot.origin + " is a filesystem that is not mounted to try it";
  }
  for (uint32_t i = 0; i < plan.steps.size(); ++i) {
    const std::string filesystem = filesystem_of(plan, i);
    if (!filesystem.empty() && may_load_module(filesystem))
      return plan.origins[i] + " may load the kernel's module for " + filesystem;
  }
  return "";
}

std::vector<std::string> make_harmless(const oci::Spec& spec, bool executes, Plan* plan,
                                       std::vector<std::string>* untried) {
  return Softener(spec, plan, executes, untried).soften();
}

bool leave_out_mount(const std::string& pointer, Plan* plan) {
  for (size_t i = 0; i < plan->steps.size(); ++i) {
    if (plan->origins[i] != pointer) continue;
    const auto* made = get_if<steps::MountNew>(plan->steps[i]);
    const auto* attached = get_if<steps::Attach>(plan->steps[i]);
    const bool alone = (made != nullptr && (made->mount.flags & kKeep) == 0) ||
                       (attached != nullptr && (attached->flags & kKeep) == 0);
    if (!alone) return false;
  }
  for (size_t i = plan->steps.size(); i-- > 0;) {
    if (plan->origins[i] != pointer) continue;
    plan->steps.erase(plan->steps.begin() + static_cast<ptrdiff_t>(i));
    plan->origins.erase(plan->origins.begin() + static_cast<ptrdiff_t>(i));
  }
  for (Source& slot : plan->slots)
    if (slot.origin == pointer) slot = Source{SourceKind::null_device, "/dev/null", false, 0, pointer};
  return true;
}

}  // namespace minirun
