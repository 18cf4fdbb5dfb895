// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "cgroups/limits.h"
#include "cgroups/systemd/limit_properties.h"
#include "cgroups/systemd/property_text.h"
#include "runtime/resources/systemd_scope.h"

namespace minirun::systemd {
namespace {

constexpr uint32_t kVersion = 252;

// "A=1 B=2"
std::string all_of(const Properties& properties) {
  std::string all;
  for (const Property& property : properties) {
    auto text = to_text(property);
    all += (all.empty() ? "" : " ") + (text.ok() ? *text : text.error().text());
  }
  return all;
}

std::string properties_of(const std::vector<Write>& writes, uint32_t version = kVersion,
                          Moment moment = Moment::birth) {
  return all_of(limit_properties(writes, version, moment));
}

Write write(std::string file, std::string value) {
  return {.file = std::move(file), .value = std::move(value), .origin = "test"};
}

TEST(SystemdLimits, AreThePropertiesOfTheFilesOfTheSameMeaning) {
  EXPECT_EQ(properties_of({write("memory.max", "1048576"), write("memory.low", "4096"), write("memory.high", "max"),
                           write("memory.swap.max", "0"), write("pids.max", "7"), write("cpu.weight", "100")}),
            "MemoryMax=1048576 MemoryLow=4096 MemoryHigh=infinity MemorySwapMax=0 TasksMax=7 CPUWeight=100");
}

TEST(SystemdLimits, OfTheCpuAreTimeASecondInWholePercents) {
  EXPECT_EQ(properties_of({write("cpu.max", "50000 100000")}), "CPUQuotaPerSecUSec=500000 CPUQuotaPeriodUSec=100000");
  EXPECT_EQ(properties_of({write("cpu.max", "1234 100000")}), "CPUQuotaPerSecUSec=20000 CPUQuotaPeriodUSec=100000");
  EXPECT_EQ(properties_of({write("cpu.max", "200000")}), "CPUQuotaPerSecUSec=2000000");
  EXPECT_EQ(properties_of({write("cpu.max", "max 50000")}), "CPUQuotaPerSecUSec=infinity CPUQuotaPeriodUSec=50000");
  EXPECT_EQ(properties_of({write("cpu.max", "9223372036854775807 1000000")}).substr(0, 27),
            "CPUQuotaPerSecUSec=infinity");
}

TEST(SystemdLimits, OfCpusAndNodesAreMasks) {
  EXPECT_EQ(properties_of({write("cpuset.cpus", "0-2,8"), write("cpuset.mems", "0")}),
            "AllowedCPUs=[0x07, 0x01] AllowedMemoryNodes=[0x01]");
  EXPECT_EQ(cpu_mask_bytes("3-1"), "");
  EXPECT_EQ(cpu_mask_bytes("x"), "");
  EXPECT_EQ(cpu_mask_bytes("70000"), "");
}

TEST(SystemdLimits, OfBlockDevicesNameTheDevice) {
  Write bfq = write("io.bfq.weight", "8:16 500");
  bfq.fallback_file = "io.weight";
  bfq.fallback_value = "8:16 4950";
  Write all = write("io.bfq.weight", "100");
  all.fallback_file = "io.weight";
  all.fallback_value = "910";
  EXPECT_EQ(properties_of({all, bfq, write("io.max", "8:0 rbps=1000"), write("io.max", "8:16 rbps=2000 wiops=max"),
                           write("io.max", "8:0 rbps=3000")}),
            "IOWeight=910 IODeviceWeight=[/dev/block/8:16 4950] "
            "IOReadBandwidthMax=[/dev/block/8:16 2000, /dev/block/8:0 3000] "
            "IOWriteIOPSMax=[/dev/block/8:16 infinity]");
}

TEST(SystemdLimits, WithoutAPropertyAreForTheFilesAlone) {
  EXPECT_EQ(properties_of({write("hugetlb.2MB.max", "0"), write("rdma.max", "mlx5_0 hca_handle=1"),
                           write("cpu.max.burst", "1"), write("memory.oom.group", "1")}),
            "");
  EXPECT_EQ(properties_of({write("cpuset.cpus", "0"), write("cpu.idle", "1")}, 243), "");
  EXPECT_EQ(properties_of({write("memory.oom.group", "1")}, 253), "OOMPolicy=kill");
  EXPECT_EQ(properties_of({write("memory.oom.group", "0")}, 253), "OOMPolicy=continue");
  EXPECT_EQ(properties_of({write("memory.oom.group", "1")}, 253, Moment::update), "");
  EXPECT_EQ(properties_of({write("cpu.idle", "1")}), "CPUWeight=0");
  EXPECT_EQ(properties_of({write("memory.zswap.max", "1")}), "");
  EXPECT_EQ(properties_of({write("memory.zswap.max", "1")}, 253), "MemoryZSwapMax=1");
}

// The kernel's files take them; systemd gets only what it understands.
TEST(SystemdLimits, ThatAreNoNumbersAreForTheFilesAlone) {
  for (const auto& [file, value] :
       std::initializer_list<std::pair<const char*, const char*>>{{"memory.max", "1M"},
                                                                  {"cpu.max", "x 100000"},
                                                                  {"cpu.max", "1 x"},
                                                                  {"cpu.max", "1 0"},
                                                                  {"cpu.max", "1 max"},
                                                                  {"cpuset.cpus", "0-x"},
                                                                  {"io.weight", "default x"},
                                                                  {"io.weight", "x"},
                                                                  {"io.weight", "8:0 x"},
                                                                  {"io.max", "8:0"},
                                                                  {"io.max", "8:0 rbps"},
                                                                  {"io.max", "8:0 rbps=x"},
                                                                  {"io.max", "8:0 other=1"}})
    EXPECT_EQ(properties_of({write(file, value)}), "") << file << " " << value;
}

TEST(SystemdLimits, OfBlockDevicesHaveAWeightForAllOrForOne) {
  EXPECT_EQ(properties_of({write("io.weight", "200")}), "IOWeight=200");
  EXPECT_EQ(properties_of({write("io.weight", "default 300")}), "IOWeight=300");
  EXPECT_NE(properties_of({write("io.weight", "8:0 400")}).find("400"), std::string::npos);
}

TEST(SystemdLimits, OfOlderManagersAreFewer) {
  EXPECT_EQ(properties_of({write("cpu.max", "50000 100000"), write("cpuset.cpus", "0"), write("cpu.idle", "1")}, 241),
            "CPUQuotaPerSecUSec=500000");
  EXPECT_EQ(properties_of({write("cpu.idle", "0")}), "");
}

TEST(SystemdLimits, OfTwoWritesTheLaterOneCounts) {
  EXPECT_EQ(properties_of({write("memory.max", "1"), write("memory.max", "2")}), "MemoryMax=2");
}

TEST(SystemdScopeProperties, AreDefaultsThenAnnotationsThenLimits) {
  EXPECT_EQ(all_of(scope_properties("a.slice", {}, {}, kVersion)),
            "Slice=a.slice Delegate=true DefaultDependencies=false CollectMode=inactive-or-failed "
            "CPUAccounting=true MemoryAccounting=true TasksAccounting=true IOAccounting=true TasksMax=infinity");
  Properties annotated = {boolean("DefaultDependencies", true), number("MemoryMax", 1), number("TimeoutStopUSec", 5)};
  EXPECT_EQ(
      all_of(scope_properties("a.slice", annotated, {write("memory.max", "2"), write("pids.max", "9")}, kVersion)),
      "Slice=a.slice Delegate=true CollectMode=inactive-or-failed CPUAccounting=true MemoryAccounting=true "
      "TasksAccounting=true IOAccounting=true DefaultDependencies=true TimeoutStopUSec=5 "
      "MemoryMax=2 TasksMax=9");
}

TEST(SystemdScopeSubgroup, IsPodmansUnlessTheAnnotationDecides) {
  constexpr const char* kKey = "run.oci.systemd.subgroup";
  EXPECT_EQ(scope_subgroup({}, "libpod-0123.scope"), "container");
  EXPECT_EQ(scope_subgroup({}, "docker-0123.scope"), "");
  EXPECT_EQ(scope_subgroup({}, "minirun-libpod-1.scope"), "");
  EXPECT_EQ(scope_subgroup({{kKey, ""}}, "libpod-0123.scope"), "");
  EXPECT_EQ(scope_subgroup({{kKey, "mine"}}, "libpod-0123.scope"), "mine");
  EXPECT_EQ(scope_subgroup({{kKey, "container"}}, "docker-0123.scope"), "container");
}

std::string annotated(const std::string& name, const std::string& value) {
  auto property = property_of_text(name, value);
  return property.ok() ? all_of({*property}) : property.error().message;
}

TEST(SystemdAnnotation, IsAPropertyInTheTextFormOfGVariant) {
  EXPECT_EQ(annotated("TimeoutStopUSec", "uint64 123456789"), "TimeoutStopUSec=123456789");
  EXPECT_EQ(annotated("TimeoutStopUSec", "5"), "TimeoutStopUSec=5");
  EXPECT_EQ(annotated("TimeoutStopUSec", "@t 5"), "TimeoutStopUSec=5");
  EXPECT_EQ(annotated("KillSignal", "15"), "KillSignal=15");
  EXPECT_EQ(annotated("KillSignal", "int32 15"), "KillSignal=15");
  EXPECT_EQ(annotated("CollectMode", "'inactive-or-failed'"), "CollectMode=inactive-or-failed");
  EXPECT_EQ(annotated("CollectMode", "string \"ina\\\"ctive\""), "CollectMode=ina\"ctive");
  EXPECT_EQ(annotated("DefaultDependencies", "true"), "DefaultDependencies=true");
  EXPECT_EQ(annotated("After", "['a.service', \"b.service\"]"), "After=[a.service, b.service]");
  EXPECT_EQ(annotated("Before", "@as []"), "Before=[]");
  EXPECT_EQ(annotated("AllowedCPUs", "[0x0f, 255]"), "AllowedCPUs=[0x0f, 0xff]");
}

TEST(SystemdAnnotation, MayHaveSpacesSignsAndEscapes) {
  EXPECT_EQ(annotated("KillSignal", "\t -1 "), "KillSignal=-1");
  EXPECT_EQ(annotated("SendSIGHUP", "false"), "SendSIGHUP=false");
  EXPECT_EQ(annotated("SendSIGHUP", "boolean true"), "SendSIGHUP=true");
  EXPECT_EQ(annotated("CollectMode", "@s 'a\\tb\\nc\\\\d'"), "CollectMode=a\tb\nc\\d");
  EXPECT_NE(annotated("CollectMode", "'x\\").find("must be "), std::string::npos);
  for (const char* type : {"double ", "uint64 ", "uint32 ", "int64 ", "int32 "})
    EXPECT_EQ(annotated("TimeoutStopSec", std::string(type) + "3"), "TimeoutStopUSec=3000000") << type;
}

TEST(SystemdAnnotation, InSecondsIsOneInMicroseconds) {
  EXPECT_EQ(annotated("TimeoutStopSec", "123.456"), "TimeoutStopUSec=123456000");
  EXPECT_EQ(annotated("TimeoutStopSec", "uint32 90"), "TimeoutStopUSec=90000000");
  EXPECT_EQ(annotated("CPUQuotaPerSecUSec", "500000"), "CPUQuotaPerSecUSec=500000");
  for (const char* wrong : {"", "-1", "'5'", "nan", "1e300", "5 x"})
    EXPECT_NE(annotated("TimeoutStopSec", wrong).find("must be a number of seconds"), std::string::npos) << wrong;
}

TEST(SystemdAnnotation, OfAnotherTypeIsRefused) {
  constexpr std::pair<const char*, const char*> kWrong[] = {{"TimeoutStopUSec", "'5'"},
                                                            {"TimeoutStopUSec", "-5"},
                                                            {"TimeoutStopUSec", "5 5"},
                                                            {"TimeoutStopUSec", "true"},
                                                            {"KillSignal", "99999999999"},
                                                            {"CollectMode", "inactive"},
                                                            {"CollectMode", "'x"},
                                                            {"SendSIGHUP", "1"},
                                                            {"After", "'a.service'"},
                                                            {"After", "['a' 'b']"},
                                                            {"After", "['a',"},
                                                            {"AllowedCPUs", "[256]"},
                                                            {"AllowedCPUs", "[-1]"}};
  for (const auto& [name, value] : kWrong)
    EXPECT_NE(annotated(name, value).find("must be "), std::string::npos) << name << " " << value;
}

// CVE-2024-3154: engines hand the annotations of their users on.
TEST(SystemdAnnotation, ThatActsOnOthersOrIsMinirunsOwnIsRefused) {
  for (const char* name : {"SuccessAction",
                           "FailureAction",
                           "JobTimeoutAction",
                           "StartLimitAction",
                           "Wants",
                           "Requires",
                           "BindsTo",
                           "PartOf",
                           "Conflicts",
                           "OnFailure",
                           "OnSuccess",
                           "PropagatesReloadTo",
                           "PIDs",
                           "Slice",
                           "Delegate",
                           "Description",
                           "DevicePolicy",
                           "DeviceAllow",
                           "BPFProgram",
                           "ExecStart",
                           "",
                           "Unknown",
                           "SourcePath",
                           "User",
                           "Controller",
                           "Sec",
                           "Markers",
                           "AddRef"})
    EXPECT_NE(annotated(name, "'reboot'").find("not a property of a scope that a container may set"), std::string::npos)
        << name;
}

TEST(SystemdProperty, OfEachTypeHasAText) {
  auto words = [](const char* signature, const std::string& data) {
    auto text = to_text(Property{"P", signature, data});
    return text.ok() ? *text : "error";
  };
  const std::string eight("\xff\xff\xff\xff\xff\xff\xff\xff", 8), four(eight, 0, 4);
  EXPECT_EQ(words("x", eight), "P=-1");
  EXPECT_EQ(words("t", eight), "P=infinity");
  EXPECT_EQ(words("i", four), "P=-1");
  EXPECT_EQ(words("u", four), "P=4294967295");
  EXPECT_EQ(words("b", four), "P=true");
  EXPECT_EQ(words("b", std::string(4, '\0')), "P=false");
  EXPECT_EQ(words("y", "\x0f"), "P=0x0f");
  EXPECT_EQ(words("(yy)", "\x01\x02"), "P=0x01 0x02");
  for (const char* type : {"x", "t", "i", "u", "b", "y", "s", "au", "(yu)"})
    EXPECT_EQ(words(type, ""), "error") << type << ": torn";
  EXPECT_EQ(words("y", "12"), "error") << "more than one";
  for (const char* type : {"", "v", "aau", "(", "()", "(y", "(v)", "yy", "a"})
    EXPECT_EQ(words(type, "1"), "error") << type << " is no type";
}

}  // namespace
}  // namespace minirun::systemd
