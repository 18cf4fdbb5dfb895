// SPDX-License-Identifier: Apache-2.0
#include "runtime/check/trial_plan.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "sys/kernel_abi.h"

namespace minirun {
namespace {

oci::Spec trial_spec(std::initializer_list<uint32_t> namespaces) {
  oci::Spec spec;
  for (uint32_t type : namespaces) {
    oci::Namespace made;
    made.type = type;
    spec.linux_.namespaces.push_back(made);
  }
  return spec;
}

std::vector<std::string> trial_steps(const Plan& plan) {
  std::vector<std::string> names;
  for (const Step& step : plan.steps) names.emplace_back(op_name(step.op));
  return names;
}

using TrialSteps = std::vector<std::string>;

TEST(TrialPlan, LeavesOutWhatOthersUse) {
  PlanBuilder builder;
  builder.add(steps::DieWithParent{});
  builder.add(steps::Hostname{builder.text("h")}, "/hostname");
  builder.add(steps::WriteProc{builder.proc_path("sys/net/x"), builder.text("1")}, "/linux/sysctl/net.x");
  builder.add(steps::WriteProc{builder.proc_path("self/oom_score_adj"), builder.text("1")}, "/process/oomScoreAdj");
  builder.add(steps::Reconfigure{}, "/mounts/1");
  builder.add(steps::OwnStdio{5});
  builder.add(steps::WaitAtGate{Gate::hooks, builder.text("hooks")});
  builder.add(steps::WaitAtGate{Gate::setup, builder.text("setup")});
  builder.add(steps::Execute{}, "/process/args");
  const Plan whole = builder.finish();

  Plan plan = whole;
  std::vector<std::string> untried;
  EXPECT_TRUE(make_harmless(trial_spec({CLONE_NEWNS, CLONE_NEWUTS}), true, &plan, &untried).empty());
  EXPECT_EQ(trial_steps(plan), (TrialSteps{"die_with_parent", "gate", "hostname", "write_proc", "gate", "execute"}));
  EXPECT_EQ(plan.origins.size(), plan.steps.size());
  EXPECT_EQ(untried, (std::vector<std::string>{"/linux/sysctl/net.x", "/mounts/1"}));
  EXPECT_EQ(describe(plan, 1), "wait for minirun: the rehearsal");

  plan = whole;
  untried.clear();
  (void)make_harmless(trial_spec({CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWIPC}), false, &plan, &untried);
  EXPECT_EQ(trial_steps(plan), (TrialSteps{"die_with_parent", "gate", "write_proc", "gate"}));
  EXPECT_EQ(untried, (std::vector<std::string>{"/hostname", "/linux/sysctl/net.x", "/mounts/1"}));

  plan = whole;
  untried.clear();
  (void)make_harmless(trial_spec({CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWNET, CLONE_NEWIPC}), false, &plan, &untried);
  EXPECT_EQ(untried, (std::vector<std::string>{"/mounts/1"}));
}

TEST(TrialPlan, MountsOfTheHostAreReadOnlyWithAllBelow) {
  constexpr uint32_t kReadonly = abi::kMountAttrReadonly;
  PlanBuilder builder;
  builder.add(steps::DieWithParent{});
  steps::Attach attach{builder.slot({SourceKind::tree, "/srv", true, 0, "/mounts/0"}), builder.path("/srv")};
  attach.change.clear = kReadonly;
  builder.add(attach, "/mounts/0");
  builder.add(steps::SetAttributes{.path = builder.path("/"), .change = {.clear_below = kReadonly}}, "/x");
  Plan plan = builder.finish();
  std::vector<std::string> untried;
  EXPECT_EQ(make_harmless(trial_spec({CLONE_NEWNS}), true, &plan, &untried), (std::vector<std::string>{"/srv"}));
  const auto* changed = get_if<steps::Attach>(plan.steps[2]);
  ASSERT_NE(changed, nullptr);
  EXPECT_EQ(changed->change.set_below.value, kReadonly);
  EXPECT_EQ(changed->change.clear.value, 0U);
  EXPECT_EQ(get_if<steps::SetAttributes>(plan.steps[3])->change.clear_below.value, 0U);
}

TEST(TrialPlan, AMountThatOthersNeedStays) {
  PlanBuilder builder;
  builder.add(steps::MountNew{builder.text("tmpfs"), {builder.path("/a"), {}, {}, {}, kKeep}}, "/mounts/0");
  builder.add(steps::MountNew{builder.text("tmpfs"), {builder.path("/b")}}, "/mounts/1");
  builder.slot({SourceKind::tree, "/srv", true, 0, "/mounts/1"});
  Plan plan = builder.finish();
  EXPECT_FALSE(leave_out_mount("/mounts/0", &plan));
  EXPECT_EQ(plan.steps.size(), 2U);
  EXPECT_TRUE(leave_out_mount("/mounts/1", &plan));
  EXPECT_EQ(trial_steps(plan), TrialSteps{"mount_new"});
  EXPECT_EQ(plan.slots[0].kind, SourceKind::null_device);
}

TEST(TrialPlan, WhatWouldStayIsAnObstacle) {
  Compiled compiled;
  EXPECT_EQ(obstacle(trial_spec({CLONE_NEWNS}), compiled), "");
  EXPECT_NE(obstacle(trial_spec({CLONE_NEWUTS}), compiled), "");
  compiled.plan.slots.push_back({SourceKind::filesystem, "/dev/vda", false, 0, "/mounts/3"});
  EXPECT_NE(obstacle(trial_spec({CLONE_NEWNS}), compiled).find("/mounts/3"), std::string::npos);
  compiled.plan.slots.clear();
  compiled.plan.birth = 1;
  EXPECT_NE(obstacle(trial_spec({CLONE_NEWNS}), compiled), "");
}

}  // namespace
}  // namespace minirun
