// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "namespaces/plan_builder.h"
#include "sys/kernel_abi.h"

namespace minirun {

TEST(PlanText, MountNamesFilesystemTargetAttributesAndParameters) {
  PlanBuilder builder;
  uint64_t type = builder.text("tmpfs"), target = builder.text("/dev/shm");
  uint64_t parameters = builder.list(Parameters{{"mode", "=1777"}, {"size", "=65536k"}, {"noswap", ""}});
  builder.add(Op::mount_new, "/mounts/3",
              {type, target, abi::kMountAttrNosuid | abi::kMountAttrNoexec, parameters, 3, abi::kMsSlave});
  EXPECT_EQ(describe(builder.plan(), 0), "mount tmpfs on /dev/shm (nosuid,noexec,mode=1777,size=65536k,noswap,slave)");
}

TEST(PlanText, AnEmptyGroupIsLeftOut) {
  PlanBuilder builder;
  uint32_t slot = builder.slot({SourceKind::tree, "/data", true, 0, "/mounts/1"});
  builder.add(Op::attach, "/mounts/1", {slot, builder.text("/srv"), 0, 0, 0});
  EXPECT_EQ(describe(builder.plan(), 0), "bind /data on /srv");
}

TEST(PlanText, ClearedAttributesAreTold) {
  PlanBuilder builder;
  uint64_t atime = abi::kMountAttrAtimeMask;
  builder.add(Op::set_attributes, "/mounts/1",
              {builder.text("/srv"), abi::kMountAttrReadonly, abi::kMountAttrNosuid | atime << 32,
               abi::kMsSlave | abi::kMsRecursive});
  EXPECT_EQ(describe(builder.plan(), 0), "change /srv (ro,not nosuid,rrelatime,rslave)");
}

TEST(PlanText, UnlimitedAndDeviceNumbersAreReadable) {
  PlanBuilder builder;
  builder.add(Op::rlimit, "", {7, 1024, ~0ULL, builder.text("RLIMIT_NOFILE")});
  builder.add(Op::device, "", {builder.text("null"), 020666, (1 << 8) | 3, 0, 0});
  EXPECT_EQ(describe(builder.plan(), 0), "limit RLIMIT_NOFILE: soft 1024, hard unlimited");
  EXPECT_EQ(describe(builder.plan(), 1), "device null 1:3 mode 0666 owner 0:0");
}

TEST(PlanImage, EverythingIsWhereTheHeaderSays) {
  PlanBuilder builder;
  builder.add(Op::hostname, "/hostname", {builder.text("web1")});
  (void)builder.pointer_table({"a", "bc"});
  Plan plan = builder.finish();
  std::string image = serialize(plan, {7, 9}, 5);
  auto* header = reinterpret_cast<const PlanHeader*>(image.data());
  EXPECT_EQ(header->magic, kPlanMagic);
  EXPECT_EQ(header->total_bytes, image.size());
  EXPECT_EQ(header->control, 5);
  auto* step = reinterpret_cast<const Step*>(image.data() + header->steps);
  EXPECT_STREQ(image.data() + step->arg[0], "web1");
  auto* slots = reinterpret_cast<const int32_t*>(image.data() + header->slots);
  EXPECT_EQ(slots[1], 9);
}

TEST(PlanText, CallsHaveNames) {
  EXPECT_EQ(call_name(428), "open_tree");
  EXPECT_EQ(call_name(99999), "syscall 99999");
}

}  // namespace minirun
