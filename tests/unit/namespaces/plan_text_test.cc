// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <set>

#include "namespaces/plan_builder.h"
#include "sys/kernel_abi.h"

namespace minirun {

TEST(PlanText, MountNamesFilesystemTargetAttributesAndParameters) {
  PlanBuilder builder;
  ParameterList parameters = builder.list(Parameters{{"mode", "=1777"}, {"size", "=65536k"}, {"noswap", ""}});
  NewMount mount{builder.path("/dev/shm"), abi::kMountAttrNosuid | abi::kMountAttrNoexec, parameters, abi::kMsSlave};
  builder.add(steps::MountNew{builder.text("tmpfs"), mount}, "/mounts/3");
  EXPECT_EQ(describe(builder.plan(), 0), "mount tmpfs on /dev/shm (nosuid,noexec,mode=1777,size=65536k,noswap,slave)");
}

TEST(PlanText, AnEmptyGroupIsLeftOut) {
  PlanBuilder builder;
  Slot slot = builder.slot({SourceKind::tree, "/data", true, 0, "/mounts/1"});
  builder.add(steps::Attach{slot, builder.path("/srv")}, "/mounts/1");
  EXPECT_EQ(describe(builder.plan(), 0), "bind /data on /srv");
}

TEST(PlanText, ClearedAttributesAreTold) {
  PlanBuilder builder;
  MountChange change{.set = abi::kMountAttrReadonly,
                     .clear = abi::kMountAttrNosuid,
                     .clear_below = abi::kMountAttrAtimeMask,
                     .propagation = abi::kMsSlave | abi::kMsRecursive};
  builder.add(steps::SetAttributes{.path = builder.path("/srv"), .change = change}, "/mounts/1");
  EXPECT_EQ(describe(builder.plan(), 0), "change /srv (ro,not nosuid,rrelatime,rslave)");
}

TEST(PlanText, UnlimitedAndDeviceNumbersAreReadable) {
  PlanBuilder builder;
  builder.add(steps::Rlimit{7, builder.text("RLIMIT_NOFILE"), 1024, ~0ULL});
  builder.add(steps::Device{builder.path("null"), (1 << 8) | 3, 020666});
  EXPECT_EQ(describe(builder.plan(), 0), "limit RLIMIT_NOFILE: soft 1024, hard unlimited");
  EXPECT_EQ(describe(builder.plan(), 1), "device null 1:3 mode 0666 owner 0:0");
}

TEST(PlanImage, EverythingIsWhereTheHeaderSays) {
  PlanBuilder builder;
  builder.add(steps::Hostname{builder.text("web1")}, "/hostname");
  (void)builder.pointer_table({"a", "bc"});
  Plan plan = builder.finish();
  std::string image = serialize(plan, {7, 9}, 5);
  auto* header = reinterpret_cast<const PlanHeader*>(image.data());
  EXPECT_EQ(header->magic, kPlanMagic);
  EXPECT_EQ(header->total_bytes, image.size());
  EXPECT_EQ(header->control, 5);
  auto* step = reinterpret_cast<const Step*>(image.data() + header->steps);
  const auto* hostname = get_if<steps::Hostname>(*step);
  ASSERT_NE(hostname, nullptr);
  EXPECT_STREQ(image.data() + hostname->name.at, "web1");
  EXPECT_EQ(get_if<steps::Domainname>(*step), nullptr);
  auto* slots = reinterpret_cast<const int32_t*>(image.data() + header->slots);
  EXPECT_EQ(slots[1], 9);
}

// Each is what `minirun plan --format json` says, and names a function of the executor.
TEST(PlanText, EveryStepHasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (uint32_t number = 0; number < steps::kCount; number++) names.insert(op_name(Op{number}));
  EXPECT_EQ(names.size(), steps::kCount);
  EXPECT_EQ(op_name(op_of<steps::Attach>), "attach");
  EXPECT_EQ(op_name(op_of<steps::WaitAtGate>), "gate");
}

TEST(PlanText, OnlyAStepThatAsksForAnEarlierMountSaysSo) {
  EXPECT_TRUE(asks_for_mount(make_step(steps::SetAttributes{{}, {PlacedBy::keeping, 0}})));
  EXPECT_FALSE(asks_for_mount(make_step(steps::SetAttributes{})));
  EXPECT_FALSE(asks_for_mount(make_step(steps::MountNew{})));
}

TEST(PlanText, CallsHaveNames) {
  EXPECT_EQ(call_name(428), "open_tree");
  EXPECT_EQ(call_name(99999), "syscall 99999");
}

}  // namespace minirun
