// SPDX-License-Identifier: Apache-2.0
// On a tree of files that looks like resctrl, so any machine will do.
#include "runtime/resources/intel_rdt.h"

#include <gtest/gtest.h>

#include "runtime/resources/rdt_schemata.h"
#include "sys/file.h"
#include "tests/support/config_edit.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

using Parts = std::vector<std::string>;

class IntelRdt : public ::testing::Test {
 protected:
  IntelRdt() {
    root.make_directory("info");
    root.make_directory("info/MB");
    root.write("info/MB/bandwidth_gran", "10\n");
    root.write("info/last_cmd_status", "ok\n");
    root.make_directory("mon_groups");
    add_files("");
  }
  // What the kernel puts into a new group.
  void add_files(const std::string& group) {
    root.write(group + "schemata", "    MB:0=100;1=100\n    L3:0=00fff;1=00fff\n");
    root.write(group + "tasks", "");
  }
  void add_group(const std::string& name) {
    root.make_directory(name);
    root.make_directory(name + "/mon_groups");
    add_files(name + "/");
  }
  std::string content(const std::string& path) { return read_file(root.fd(), path).value(); }
  bool there(const std::string& path) { return access(root.path(path).c_str(), F_OK) == 0; }

  RdtRecord survey() {
    auto record = survey_rdt(root.fd(), rdt, "web");
    EXPECT_TRUE(record.ok()) << record.error().text();
    return record.ok() ? *record : RdtRecord{};
  }
  std::string refusal() {
    auto record = survey_rdt(root.fd(), rdt, "web");
    return record.ok() ? "no error" : record.error().text();
  }

  TemporaryDirectory root;
  oci::IntelRdt rdt;
};

TEST_F(IntelRdt, WithoutAClosIdTheContainerHasAClassOfItsOwn) {
  RdtRecord record = survey();
  EXPECT_EQ(record.group, "web");
  EXPECT_TRUE(record.makes_group);
  EXPECT_FALSE(there("web")) << "looking makes nothing";
  ASSERT_TRUE(make_rdt(root.fd(), rdt, record).ok());
  EXPECT_TRUE(there("web"));
  ASSERT_TRUE(remove_rdt(root.fd(), record).ok());
  EXPECT_FALSE(there("web"));
  EXPECT_TRUE(remove_rdt(root.fd(), record).ok()) << "nothing is left";
}

TEST_F(IntelRdt, AClassThatWasThereIsJoinedAndNeverRemoved) {
  add_group("gold");
  rdt.clos_id = "gold";
  RdtRecord record = survey();
  EXPECT_FALSE(record.makes_group);
  ASSERT_TRUE(make_rdt(root.fd(), rdt, record).ok());
  ASSERT_TRUE(join_rdt(root.fd(), record, 4242).ok());
  EXPECT_EQ(content("gold/tasks"), "4242");
  EXPECT_EQ(content("gold/schemata"), "    MB:0=100;1=100\n    L3:0=00fff;1=00fff\n") << "nothing is written";
  ASSERT_TRUE(remove_rdt(root.fd(), record).ok());
  ASSERT_TRUE(undo_rdt(root.fd(), record).ok());
  EXPECT_TRUE(there("gold"));
}

TEST_F(IntelRdt, AClassWithoutSchemaMustBeThere) {
  rdt.clos_id = "gold";
  EXPECT_EQ(refusal(), "/linux/intelRdt/closID: class \"gold\" does not exist, and no schema says how to make it");
}

TEST_F(IntelRdt, AClassThatClosIdNamesIsMadeAndStaysForOthers) {
  rdt.clos_id = "gold";
  rdt.schemata = {"L3:0=f"};
  RdtRecord record = survey();
  EXPECT_TRUE(record.makes_group);
  root.make_directory("gold");
  ASSERT_TRUE(remove_rdt(root.fd(), record).ok());
  EXPECT_TRUE(there("gold"));
  ASSERT_TRUE(undo_rdt(root.fd(), record).ok()) << "but a launch that failed takes back what it made";
  EXPECT_FALSE(there("gold"));
}

TEST_F(IntelRdt, WhatWasMadeIsGoneAfterAnError) {
  rdt.schemata = {"L3:0=f"};  // a directory of this filesystem has no schemata file
  RdtRecord record = survey();
  auto made = make_rdt(root.fd(), rdt, record);
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().text().find("/linux/intelRdt: open schemata"), 0u) << made.error().text();
  EXPECT_FALSE(there("web"));
}

TEST_F(IntelRdt, OtherValuesInAClassThatIsThereAreAnError) {
  add_group("gold");
  rdt.clos_id = "gold";
  rdt.l3_cache_schema = "L3:0=ff";
  EXPECT_EQ(refusal(),
            "/linux/intelRdt: class \"gold\" already exists with other values: it has L3:0=00fff, but the config asks "
            "for ff");
  rdt.l3_cache_schema = "L3:0=fff";
  EXPECT_EQ(refusal(), "no error");
  rdt.schemata = {"L2:0=f"};
  EXPECT_EQ(
      refusal(),
      "/linux/intelRdt: class \"gold\" already exists with other values: it has no L2:0, but the config asks for f");
}

TEST_F(IntelRdt, TheDefaultClassIsASlash) {
  rdt.clos_id = "/";
  rdt.enable_monitoring = true;
  RdtRecord record = survey();
  EXPECT_FALSE(record.makes_group);
  ASSERT_TRUE(make_rdt(root.fd(), rdt, record).ok());
  EXPECT_TRUE(there("mon_groups/web"));
  root.write("mon_groups/web/tasks", "");
  ASSERT_TRUE(join_rdt(root.fd(), record, 7).ok());
  EXPECT_EQ(content("tasks"), "7");
  EXPECT_EQ(content("mon_groups/web/tasks"), "7");
  ASSERT_EQ(unlink(root.path("mon_groups/web/tasks").c_str()), 0);  // resctrl's own files do not hinder rmdir(2)
  ASSERT_TRUE(remove_rdt(root.fd(), record).ok());
  EXPECT_FALSE(there("mon_groups/web"));
  EXPECT_TRUE(there("tasks"));
}

TEST_F(IntelRdt, AMonitoringGroupThatWasThereStays) {
  add_group("gold");
  root.make_directory("gold/mon_groups/web");
  rdt.clos_id = "gold";
  rdt.enable_monitoring = true;
  RdtRecord record = survey();
  EXPECT_EQ(record.monitor, "web");
  ASSERT_TRUE(make_rdt(root.fd(), rdt, record).ok());
  ASSERT_TRUE(remove_rdt(root.fd(), record).ok());
  EXPECT_TRUE(there("gold/mon_groups/web"));
}

TEST_F(IntelRdt, AMachineWithoutMonitoringSaysSo) {
  root.make_directory("gold");
  add_files("gold/");
  rdt.clos_id = "gold";
  rdt.enable_monitoring = true;
  auto made = make_rdt(root.fd(), rdt, survey());
  ASSERT_FALSE(made.ok());
  EXPECT_EQ(made.error().text(), "/linux/intelRdt/enableMonitoring: this machine's resctrl has no monitoring");
}

TEST_F(IntelRdt, NamesThatResctrlUsesItselfAreRefused) {
  for (const char* name : {"info", "mon_groups", "mon_data"}) {
    rdt.clos_id = name;
    EXPECT_EQ(refusal(), "/linux/intelRdt: \"" + std::string(name) + "\" cannot be the name of a class of service");
  }
  root.link("gold", "/tmp");
  rdt.clos_id = "gold";
  ASSERT_TRUE(survey_rdt(root.fd(), rdt, "web").ok());
  EXPECT_FALSE(make_rdt(root.fd(), rdt, survey()).ok()) << "a link is no class";
}

TEST_F(IntelRdt, WhatResctrlSaysIsInTheError) {
  add_group("gold");
  ASSERT_EQ(unlink(root.path("gold/tasks").c_str()), 0);
  root.write("info/last_cmd_status", "Invalid task\n");
  rdt.clos_id = "gold";
  auto joined = join_rdt(root.fd(), survey(), 42);
  ASSERT_FALSE(joined.ok());
  EXPECT_EQ(joined.error().text(),
            "/linux/intelRdt: put process 42 into class \"gold\": open tasks: no such file or directory (resctrl says: "
            "Invalid task)");
}

TEST_F(IntelRdt, UpdateWritesToTheGroupOfTheContainer) {
  add_group("gold");
  rdt.clos_id = "gold";
  RdtRecord record = survey();
  std::string before = content("gold/schemata");
  auto updated = update_rdt(root.fd(), record, "L3:0=1", "MB:0=20");
  ASSERT_TRUE(updated.ok()) << updated.error().text();
  EXPECT_EQ(content("gold/schemata").substr(0, 15), "L3:0=1\nMB:0=20\n");
  ASSERT_TRUE(restore_rdt(root.fd(), record, *updated).ok());
  EXPECT_EQ(content("gold/schemata"), before);
}

TEST(RdtSchemata, OldAndNewPropertiesAreWrittenOneAfterTheOther) {
  oci::IntelRdt rdt;
  EXPECT_EQ(schemata_to_write(rdt), Parts{});
  rdt.l3_cache_schema = "L3:0=7f0\nMB:0=10";
  EXPECT_EQ(schemata_to_write(rdt), Parts{"L3:0=7f0\nMB:0=10\n"});
  rdt.mem_bw_schema = "MB:0=20";
  EXPECT_EQ(schemata_to_write(rdt), Parts{"L3:0=7f0\nMB:0=20\n"}) << "memBwSchema is the one that counts";
  rdt.schemata = {"L2:0=f", "L3:0=1"};
  EXPECT_EQ(schemata_to_write(rdt), (Parts{"L3:0=7f0\nMB:0=20\n", "L2:0=f\nL3:0=1\n"}));
  rdt.l3_cache_schema = "L3:0=7f0\n\nMB:0=10\nL3:1=f";
  EXPECT_EQ(schemata_to_write(rdt)[0], "L3:0=7f0\nL3:1=f\nMB:0=20\n") << "an empty line is none";
}

TEST(RdtSchemata, AreComparedByValue) {
  constexpr std::string_view kFile = "    MB:0= 30;1=100\n    L3:0=007f0;1=0001f\n  L3CODE:0=A\n";
  auto mismatch = [&](const oci::Strings& lines) {
    oci::IntelRdt rdt;
    rdt.schemata = lines;
    return schemata_mismatch(rdt, kFile, 10).value_or("none");
  };
  EXPECT_EQ(mismatch({}), "none");
  EXPECT_EQ(mismatch({"L3:0=7F0", "L3:1=0x1f"}), "none");
  EXPECT_EQ(mismatch({"L3: 0 = 7f0 ; 1 = 1f"}), "none");
  EXPECT_EQ(mismatch({"L3CODE:0=a"}), "none");
  EXPECT_EQ(mismatch({"MB:0=25"}), "none") << "the kernel has rounded it";
  EXPECT_EQ(mismatch({"MB:0=20"}), "it has MB:0=30, but the config asks for 20");
  EXPECT_EQ(mismatch({"L3:1=f"}), "it has L3:1=0001f, but the config asks for f");
  EXPECT_EQ(mismatch({"L3:2=f"}), "it has no L3:2, but the config asks for f");
  EXPECT_EQ(mismatch({"L3:1=f", "L3:1=1f"}), "none") << "the later one counts";
  EXPECT_EQ(mismatch({"\tL3:0=7f0 \t\r", "", "L3:", "L3:=5", "L3:1=0X1F"}), "none") << "blanks, and nothing asked for";
  EXPECT_EQ(mismatch({"L3:0=x"}), "it has L3:0=007f0, but the config asks for x");
  EXPECT_EQ(mismatch({"MB:0=30x"}), "it has MB:0=30, but the config asks for 30x");
}

TEST(ResctrlMount, IsFoundInTheMountTable) {
  EXPECT_EQ(resctrl_mount_point(""), "");
  EXPECT_EQ(resctrl_mount_point("22 1 0:21 / /sys rw - sysfs sysfs rw\n"), "");
  EXPECT_EQ(resctrl_mount_point("22 1 0:21 / /resctrl rw - tmpfs resctrl rw\n"
                                "36 22 0:30 / /sys/fs/resctrl rw,relatime shared:9 - resctrl resctrl rw\n"),
            "/sys/fs/resctrl");
}

TEST(ResctrlMount, AHostWithoutOneIsAClearError) {
  auto opened = open_resctrl();
  if (opened.ok()) GTEST_SKIP() << "this host has a resctrl";
  EXPECT_EQ(opened.error().text(), "/linux/intelRdt: no resctrl filesystem is mounted on this host (/sys/fs/resctrl)");
}

TEST(ValidateRdt, NamesAndBandwidthHaveTheirForm) {
  using test::Lines;
  using test::problems_with;
  EXPECT_EQ(problems_with("/linux/intelRdt", R"({"closID": "/"})"), Lines{});
  EXPECT_EQ(
      problems_with("/linux/intelRdt", R"({"closID": "../x"})"),
      Lines{"/linux/intelRdt/closID: must be the name of a directory, or / for the default class: found \"../x\""});
  EXPECT_EQ(problems_with("/linux/intelRdt", R"({"memBwSchema": "L3:0=1"})"),
            Lines{"/linux/intelRdt/memBwSchema: must be one line that begins with MB: found \"L3:0=1\""});
}

}  // namespace
}  // namespace minirun
