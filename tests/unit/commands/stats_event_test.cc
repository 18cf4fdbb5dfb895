// SPDX-License-Identifier: Apache-2.0
#include "runtime/commands/stats_event.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

TEST(StatsEvent, HasWhatTheFilesSayInRuncsWords) {
  TemporaryDirectory cgroup;
  cgroup.write("cgroup.events", "populated 1\nfrozen 0\n");
  cgroup.write("cpu.stat",
               "usage_usec 300\nuser_usec 200\nsystem_usec 100\nnr_periods 7\nnr_throttled 3\nthrottled_usec 9\n");
  cgroup.write("cpu.pressure",
               "some avg10=1.50 avg60=0.25 avg300=12.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
  cgroup.write("cpuset.cpus.effective", "0-2,5\n");
  cgroup.write("cpuset.mems.effective", "0\n");
  cgroup.write("memory.current", "1000\n");
  cgroup.write("memory.peak", "2000\n");
  cgroup.write("memory.max", "4096\n");
  cgroup.write("memory.swap.current", "10\n");
  cgroup.write("memory.swap.max", "4096\n");
  cgroup.write("memory.stat", "anon 600\nfile 300\nkernel 100\nsock 5\n");
  cgroup.write("memory.events", "low 0\nhigh 1\nmax 2\noom 3\noom_kill 4\noom_group_kill 5\n");
  cgroup.write("pids.current", "3\n");
  cgroup.write("pids.max", "20\n");
  cgroup.write("io.stat",
               "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n254:16 rbytes=7 wbytes=8 rios=9 wios=10\n");
  cgroup.write("hugetlb.2MB.current", "2097152\n");
  cgroup.write("hugetlb.2MB.events", "max 6\n");
  cgroup.write("hugetlb.2MB.rsvd.current", "0\n");
  auto text = stats_event("web\"1", cgroup.fd());
  ASSERT_TRUE(text.ok()) << text.error().text();
  EXPECT_EQ(text->find('\n'), text->size() - 1) << "one line";
  nlohmann::json event = nlohmann::json::parse(*text);
  EXPECT_EQ(event["type"], "stats");
  EXPECT_EQ(event["id"], "web\"1");
  const nlohmann::json& data = event["data"];
  EXPECT_EQ(data["cpu"]["usage"], nlohmann::json::parse(R"({"total":300000,"kernel":100000,"user":200000})"));
  EXPECT_EQ(data["cpu"]["throttling"],
            nlohmann::json::parse(R"({"periods":7,"throttledPeriods":3,"throttledTime":9000})"));
  EXPECT_EQ(data["cpu"]["psi"]["some"],
            nlohmann::json::parse(R"({"avg10":1.5,"avg60":0.25,"avg300":12.0,"total":77})"));
  EXPECT_EQ(data["cpu"]["psi"]["full"]["total"], 0);
  EXPECT_EQ(data["cpuset"], nlohmann::json::parse(R"({"cpus":[0,1,2,5],"mems":[0]})"));
  const nlohmann::json& memory = data["memory"];
  EXPECT_EQ(memory["usage"], nlohmann::json::parse(R"({"limit":4096,"usage":1000,"max":2000,"failcnt":0})"));
  EXPECT_EQ(memory["swap"], nlohmann::json::parse(R"({"limit":8192,"usage":1010,"failcnt":0})"));
  EXPECT_EQ(memory["cache"], 300);
  EXPECT_EQ(memory["kernel"]["usage"], 100);
  EXPECT_EQ(memory["kernelTCP"]["usage"], 5);
  EXPECT_EQ(memory["raw"], nlohmann::json::parse(R"({"anon":600,"file":300,"kernel":100,"sock":5})"));
  EXPECT_EQ(memory["event_count"]["oom_kill"], 4);
  EXPECT_FALSE(memory.contains("psi"));
  EXPECT_EQ(data["pids"], nlohmann::json::parse(R"({"current":3,"limit":20})"));
  EXPECT_EQ(data["blkio"]["ioServiceBytesRecursive"], nlohmann::json::parse(R"([
    {"major":8,"minor":0,"op":"Read","value":1},{"major":8,"minor":0,"op":"Write","value":2},
    {"major":254,"minor":16,"op":"Read","value":7},{"major":254,"minor":16,"op":"Write","value":8}])"));
  EXPECT_EQ(data["blkio"]["ioServicedRecursive"].size(), 4u);
  EXPECT_EQ(data["hugetlb"], nlohmann::json::parse(R"({"2MB":{"usage":2097152,"failcnt":6}})"));
  EXPECT_EQ(data["intel_rdt"], nlohmann::json::object());
  EXPECT_TRUE(data["network_interfaces"].is_null());
}

// A directory cannot be read as a file: an error that is none of "it is not counted here".
TEST(StatsEvent, AFileThatCannotBeReadIsAnErrorThatNamesIt) {
  for (const char* file :
       {"cpu.stat", "cpu.pressure", "cpuset.cpus.effective", "cpuset.mems.effective", "memory.stat", "memory.current",
        "memory.max", "memory.peak", "memory.swap.current", "memory.swap.max", "memory.pressure", "memory.events",
        "pids.current", "pids.max", "io.stat", "io.pressure", "hugetlb.2MB.current", "hugetlb.2MB.events"}) {
    TemporaryDirectory cgroup;
    cgroup.write("cgroup.events", "populated 1\nfrozen 0\n");
    cgroup.write("memory.current", "1\n");
    cgroup.write("pids.current", "1\n");
    cgroup.write("io.stat", "");
    if (std::string(file) != "hugetlb.2MB.current") cgroup.write("hugetlb.2MB.current", "0\n");
    (void)unlinkat(cgroup.fd(), file, 0);  // most are not there
    cgroup.make_directory(file);
    auto text = stats_event("web1", cgroup.fd());
    ASSERT_FALSE(text.ok()) << file << ": " << *text;
    EXPECT_EQ(text.error().code, EISDIR) << file;
    EXPECT_NE(text.error().text().find(file), std::string::npos) << text.error().text();
  }
}

TEST(StatsEvent, NoLimitIsTheLargestNumberAsInRunc) {
  TemporaryDirectory cgroup;
  cgroup.write("cgroup.events", "");
  cgroup.write("memory.max", "max\n");
  cgroup.write("memory.swap.max", "4096\n");
  cgroup.write("pids.max", "max\n");
  nlohmann::json data = nlohmann::json::parse(*stats_event("x", cgroup.fd()))["data"];
  EXPECT_EQ(data["memory"]["usage"]["limit"], UINT64_MAX);
  EXPECT_EQ(data["memory"]["swap"]["limit"], UINT64_MAX);
  EXPECT_FALSE(data["pids"].contains("limit"));
}

TEST(StatsEvent, WithoutControllersThereIsStillAnObject) {
  TemporaryDirectory cgroup;
  cgroup.write("cgroup.events", "");
  nlohmann::json data = nlohmann::json::parse(*stats_event("x", cgroup.fd()))["data"];
  for (const char* key : {"cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt"})
    EXPECT_TRUE(data[key].is_object()) << key;
}

TEST(StatsEvent, GoneCgroupIsAnError) {
  TemporaryDirectory cgroup;  // not a file in it
  EXPECT_EQ(stats_event("x", cgroup.fd()).error().code, ENODEV);
}

TEST(OomEvent, HasNoData) {
  EXPECT_EQ(oom_event("x"), "{\"type\":\"oom\",\"id\":\"x\"}\n");
}

}  // namespace
}  // namespace minirun
