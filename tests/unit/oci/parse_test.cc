// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/parse.h"

#include <gtest/gtest.h>
#include <linux/mempolicy.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include <algorithm>

#include "sys/kernel_abi.h"
#include "tests/support/config_edit.h"
#include "tests/support/nullable.h"

namespace minirun {

using test::data;
using test::each_value;
using test::Lines;
using test::lines_of;
using test::parse;
using test::with;

TEST(ParseSpec, ReadsEveryPropertyOfTheFullConfigWithoutAComplaint) {
  ParseOutcome outcome = parse(data("full-config.json"));
  EXPECT_EQ(lines_of(outcome), Lines{});
  EXPECT_TRUE(outcome.unknown.empty());
}

TEST(ParseSpec, ReadsTheTopLevel) {
  oci::Spec spec = parse(data("full-config.json")).spec;
  EXPECT_EQ(spec.oci_version, "1.3.0");
  EXPECT_EQ(spec.root->path, "rootfs");
  EXPECT_TRUE(spec.root->readonly);
  EXPECT_EQ(spec.hostname, "h");
  EXPECT_EQ(spec.domainname, "d.example");
  EXPECT_EQ(spec.annotations, (oci::StringMap{{"org.example.key", "value"}, {"b", ""}}));
  ASSERT_EQ(spec.mounts.size(), 2u);
  EXPECT_EQ(spec.mounts[0].source, "/srv");
  EXPECT_EQ(spec.mounts[0].options, (oci::Strings{"rbind", "ro"}));
  EXPECT_EQ(spec.mounts[0].uid_mappings[0].host_id, 1000u);
  EXPECT_EQ(spec.mounts[0].gid_mappings[0].size, 20u);
  EXPECT_EQ(spec.mounts[1].destination, "proc");
  EXPECT_EQ(spec.hooks.prestart[0].args, (oci::Strings{"h0", "-x"}));
  EXPECT_EQ(spec.hooks.prestart[0].env, oci::Strings{"A=1"});
  EXPECT_EQ(spec.hooks.prestart[0].timeout, 5u);
  EXPECT_EQ(spec.hooks.create_runtime[0].path, "/h1");
  EXPECT_EQ(spec.hooks.create_container[0].path, "/h2");
  EXPECT_EQ(spec.hooks.start_container[0].path, "/h3");
  EXPECT_EQ(spec.hooks.poststart[0].path, "/h4");
  EXPECT_EQ(spec.hooks.poststop[0].path, "/h5");
}

TEST(ParseSpec, ReadsTheProcess) {
  oci::Process process = *parse(data("full-config.json")).spec.process;
  EXPECT_TRUE(process.terminal);
  EXPECT_EQ(process.console_size->height, 25);
  EXPECT_EQ(process.console_size->width, 80);
  EXPECT_EQ(process.cwd, "/work");
  EXPECT_EQ(process.env, (oci::Strings{"PATH=/bin", "A=b=c"}));
  EXPECT_EQ(process.args, (oci::Strings{"sh", "-c", ""}));
  EXPECT_EQ(process.user.uid, 1000u);
  EXPECT_EQ(process.user.gid, 1001u);
  EXPECT_EQ(process.user.umask, 027u);
  EXPECT_EQ(process.user.additional_gids, (std::vector<uint32_t>{5, 6}));
  EXPECT_EQ(process.rlimits[0].resource, static_cast<int>(RLIMIT_NOFILE));
  EXPECT_EQ(process.rlimits[0].soft, 1024u);
  EXPECT_EQ(process.rlimits[0].hard, RLIM_INFINITY);
  EXPECT_EQ(process.capabilities->bounding, (oci::Strings{"CAP_KILL", "CAP_CHOWN"}));
  EXPECT_EQ(process.capabilities->ambient, oci::Strings{"CAP_KILL"});
  EXPECT_TRUE(process.no_new_privileges);
  EXPECT_EQ(process.oom_score_adj, -500);
  EXPECT_EQ(process.apparmor_profile, "profile");
  EXPECT_EQ(process.selinux_label, "label");
  EXPECT_EQ(process.scheduler->policy, static_cast<uint32_t>(SCHED_DEADLINE));
  EXPECT_EQ(process.scheduler->flags, static_cast<uint64_t>(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_RECLAIM));
  EXPECT_EQ(process.scheduler->nice, 0);
  EXPECT_EQ(process.scheduler->priority, 0);
  EXPECT_EQ(process.scheduler->runtime, 1000000u);
  EXPECT_EQ(process.scheduler->deadline, 2000000u);
  EXPECT_EQ(process.scheduler->period, 3000000u);
  EXPECT_EQ(process.io_priority->io_class, abi::kIoprioClassBestEffort);
  EXPECT_EQ(process.io_priority->priority, 4);
  EXPECT_EQ(process.exec_cpu_affinity->initial, "0-3");
  EXPECT_EQ(process.exec_cpu_affinity->final, "1");
}

TEST(ParseSpec, ReadsTheLinuxPart) {
  oci::Linux part = parse(data("full-config.json")).spec.linux_;
  ASSERT_EQ(part.namespaces.size(), 8u);
  EXPECT_EQ(part.namespaces[1].type, static_cast<uint32_t>(CLONE_NEWNET));
  EXPECT_EQ(part.namespaces[1].path, "/run/netns/a");
  EXPECT_EQ(part.namespaces[2].path, "");
  EXPECT_EQ(part.namespaces[7].type, static_cast<uint32_t>(CLONE_NEWTIME));
  EXPECT_EQ(part.uid_mappings[0].host_id, 100000u);
  EXPECT_EQ(part.gid_mappings[0].size, 65536u);
  EXPECT_EQ(part.time_offsets->monotonic->secs, -172800);
  EXPECT_EQ(part.time_offsets->boottime->nanosecs, 999999999u);
  EXPECT_EQ(part.devices[0].type, 'c');
  EXPECT_EQ(part.devices[0].major, 10);
  EXPECT_EQ(part.devices[0].minor, 229);
  EXPECT_EQ(part.devices[0].file_mode, 0666u);
  EXPECT_EQ(part.devices[0].uid, 1u);
  EXPECT_EQ(part.devices[0].gid, 2u);
  EXPECT_EQ(part.devices[1].type, 'p');
  EXPECT_EQ(part.devices[1].major, std::nullopt);
  EXPECT_EQ(part.net_devices[0].first, "eth0");
  EXPECT_EQ(part.net_devices[0].second.name, "ceth0");
  EXPECT_EQ(part.cgroups_path, "/minirun/full");
  EXPECT_EQ(part.rootfs_propagation, static_cast<uint64_t>(MS_SLAVE));
  EXPECT_EQ(part.sysctl, (oci::StringMap{{"net.ipv4.ip_forward", "1"}, {"net/core/somaxconn", "256"}}));
  EXPECT_EQ(part.masked_paths, oci::Strings{"/proc/kcore"});
  EXPECT_EQ(part.readonly_paths, (oci::Strings{"/proc/sys", "/proc/bus"}));
  EXPECT_EQ(part.mount_label, "label");
  EXPECT_EQ(part.intel_rdt->clos_id, "clos");
  EXPECT_EQ(part.intel_rdt->schemata, oci::Strings{"L3:0=7f0"});
  EXPECT_EQ(part.intel_rdt->mem_bw_schema, "MB:0=20");
  EXPECT_TRUE(part.intel_rdt->enable_monitoring);
  EXPECT_EQ(part.memory_policy->mode, static_cast<int>(MPOL_INTERLEAVE));
  EXPECT_EQ(part.memory_policy->nodes, "0-1");
  EXPECT_EQ(part.memory_policy->flags, static_cast<uint32_t>(MPOL_F_STATIC_NODES));
  EXPECT_EQ(part.personality->domain, static_cast<uint32_t>(PER_LINUX32));
  EXPECT_EQ(part.personality->flags, oci::Strings{"x"});
}

TEST(ParseSpec, ReadsTheResources) {
  oci::Resources resources = *parse(data("full-config.json")).spec.linux_.resources;
  EXPECT_FALSE(resources.devices[0].allow);
  EXPECT_EQ(resources.devices[0].type, 'a');
  EXPECT_EQ(resources.devices[1].minor, 229);
  EXPECT_EQ(resources.devices[1].access, "rw");
  EXPECT_EQ(resources.devices[2].type, 'b');
  EXPECT_EQ(resources.devices[2].major, std::nullopt) << "-1 is all";
  EXPECT_EQ(resources.memory->limit, 536870912);
  EXPECT_EQ(resources.memory->reservation, 268435456);
  EXPECT_EQ(resources.memory->swap, 1073741824);
  EXPECT_EQ(resources.memory->kernel, -1);
  EXPECT_EQ(resources.memory->swappiness, 10u);
  EXPECT_EQ(resources.memory->disable_oom_killer, true);
  EXPECT_TRUE(resources.memory->check_before_update);
  EXPECT_EQ(resources.cpu->shares, 1024u);
  EXPECT_EQ(resources.cpu->quota, 50000);
  EXPECT_EQ(resources.cpu->burst, 10000u);
  EXPECT_EQ(resources.cpu->period, 100000u);
  EXPECT_EQ(resources.cpu->cpus, "0-3,7");
  EXPECT_EQ(resources.cpu->mems, "0");
  EXPECT_EQ(resources.cpu->idle, 0);
  EXPECT_EQ(resources.pids_limit, 100);
  EXPECT_EQ(resources.block_io->weight, 500);
  EXPECT_EQ(resources.block_io->weight_device[0].weight, 300);
  EXPECT_EQ(resources.block_io->throttle_read_bps_device[0].rate, 1u);
  EXPECT_EQ(resources.block_io->throttle_write_bps_device[0].rate, 2u);
  EXPECT_EQ(resources.block_io->throttle_read_iops_device[0].rate, 3u);
  EXPECT_EQ(resources.block_io->throttle_write_iops_device[0].minor, 4);
  EXPECT_EQ(resources.hugepage_limits[0].page_size, "2MB");
  EXPECT_EQ(resources.network->class_id, 1048577u);
  EXPECT_EQ(resources.network->priorities[0].priority, 500u);
  EXPECT_EQ(resources.rdma[0].second.hca_handles, 3u);
  EXPECT_EQ(resources.rdma[1].second.hca_handles, std::nullopt);
  EXPECT_EQ(resources.unified[1].second, "8:0 rbps=1\n8:1 rbps=2");
}

TEST(ParseSpec, ReadsSeccomp) {
  oci::Seccomp seccomp = *parse(data("full-config.json")).spec.linux_.seccomp;
  EXPECT_EQ(seccomp.default_action, oci::SeccompAction::error);
  EXPECT_EQ(seccomp.default_errno_ret, 38u);
  EXPECT_EQ(seccomp.architectures, (std::vector{oci::SeccompArch::x86_64, oci::SeccompArch::riscv64}));
  EXPECT_EQ(seccomp.flags, static_cast<uint32_t>(SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW));
  EXPECT_EQ(seccomp.listener_path, "/run/listener");
  EXPECT_EQ(seccomp.listener_metadata, "data");
  EXPECT_EQ(seccomp.syscalls[0].names, (oci::Strings{"clone", "clone3"}));
  EXPECT_EQ(seccomp.syscalls[0].action, oci::SeccompAction::trace);
  EXPECT_EQ(seccomp.syscalls[0].errno_ret, 7u);
  EXPECT_EQ(seccomp.syscalls[0].args[0].index, 5u);
  EXPECT_EQ(seccomp.syscalls[0].args[0].value, UINT64_MAX);
  EXPECT_EQ(seccomp.syscalls[0].args[0].value_two, 2u);
  EXPECT_EQ(seccomp.syscalls[0].args[0].op, oci::SeccompOperator::masked_eq);
  EXPECT_EQ(seccomp.syscalls[1].action, oci::SeccompAction::kill_thread);
}

TEST(ParseSpec, TellsAbsentFromEmpty) {
  oci::Spec bare = parse(R"({"ociVersion": "1.0.0", "process": {"cwd": "/"}, "linux": {"seccomp":
      {"defaultAction": "SCMP_ACT_ALLOW"}}})")
                       .spec;
  EXPECT_EQ(bare.process->user.umask, std::nullopt);
  EXPECT_FALSE(bare.process->capabilities.has_value());
  EXPECT_EQ(bare.process->oom_score_adj, std::nullopt);
  EXPECT_EQ(bare.linux_.seccomp->flags, std::nullopt);
  EXPECT_FALSE(bare.linux_.resources.has_value());
  oci::Spec empty = parse(R"({"ociVersion": "1.0.0", "process": {"cwd": "/", "capabilities": {}, "user": {"umask": 0}},
      "linux": {"seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "flags": []}, "resources": {}}})")
                        .spec;
  EXPECT_EQ(empty.process->user.umask, 0u);
  EXPECT_TRUE(empty.process->capabilities.has_value());
  EXPECT_EQ(empty.linux_.seccomp->flags, 0u);
  EXPECT_TRUE(empty.linux_.resources.has_value());
}

TEST(ParseSpec, EveryPropertyRefusesEveryOtherType) {
  std::string full = data("full-config.json");
  auto document = JsonDocument::parse(full).value().release();
  std::unique_ptr<JsonDocument> owner(document);
  const std::pair<JsonType, const char*> values[] = {
      {JsonType::null, "null"},    {JsonType::boolean, "true"},
      {JsonType::integer, "12"},   {JsonType::decimal, "1.5"},
      {JsonType::string, "\"x\""}, {JsonType::array, "[]"},
      {JsonType::object, "{}"},    {JsonType::decimal, "18446744073709551616"},
  };
  size_t tried = 0;
  each_value(document->root(), [&](JsonValue value) {
    for (const auto& [type, raw] : values) {
      if (type == value.type() || (type == JsonType::null && test::takes_null(value.pointer()))) continue;
      ++tried;
      ParseOutcome outcome = parse(with(full, value.pointer(), raw));
      ASSERT_EQ(outcome.problems.size(), 1u) << value.pointer() << " = " << raw;
      EXPECT_EQ(outcome.problems[0].pointer, value.pointer());
      std::string found = std::string("found ") + (*raw == '['   ? "an empty array"
                                                   : *raw == '{' ? "an empty object"
                                                                 : raw);
      EXPECT_NE(outcome.problems[0].message.find(found), std::string::npos) << outcome.problems[0].message;
    }
  });
  EXPECT_GT(tried, 1500u);
}

TEST(ParseSpec, SaysWhatIsAllowedAndWhatWasFound) {
  std::string full = data("full-config.json");
  auto only = [&](const char* pointer, const char* raw) { return lines_of(parse(with(full, pointer, raw))).at(0); };
  EXPECT_EQ(only("/process/user/uid", "\"root\""),
            "/process/user/uid: must be an integer from 0 to 4294967294: found \"root\"");
  EXPECT_EQ(
      only("/linux/namespaces/0/type", "\"pids\""),
      "/linux/namespaces/0/type: must be one of mount, pid, network, uts, ipc, user, cgroup, time: found \"pids\"");
  EXPECT_EQ(only("/process/terminal", "\"yes\""), "/process/terminal: must be true or false: found \"yes\"");
  EXPECT_EQ(only("/linux/devices/0/fileMode", "666"),
            "/linux/devices/0/fileMode: must be an integer from 0 to 511 (in decimal: 438 is 0666): found 666");
  EXPECT_EQ(only("/process/rlimits/0/type", "\"RLIMIT_FILES\"").substr(0, 51),
            "/process/rlimits/0/type: must be one of RLIMIT_AS, ");
}

TEST(ParseSpec, NamesEveryMissingProperty) {
  Lines lines = lines_of(parse(R"({"root": {}, "process": {"consoleSize": {}, "rlimits": [{}], "scheduler": {},
      "ioPriority": {}}, "mounts": [{}], "hooks": {"prestart": [{}]}, "linux": {"namespaces": [{}], "uidMappings": [{}],
      "devices": [{}], "personality": {}, "seccomp": {"syscalls": [{"args": [{}]}]}, "resources": {"devices": [{}],
      "pids": {}, "hugepageLimits": [{}], "network": {"priorities": [{}]}, "blockIO": {"weightDevice": [{}],
      "throttleReadBpsDevice": [{}]}}}})"));
  std::sort(lines.begin(), lines.end());
  std::string all;
  for (const std::string& line : lines) {
    EXPECT_NE(line.find(": is required but missing"), std::string::npos) << line;
    all += line.substr(0, line.find(':')) + " ";
  }
  EXPECT_EQ(
      all,
      "/hooks/prestart/0/path /linux/devices/0/path /linux/devices/0/type /linux/namespaces/0/type "
      "/linux/personality/domain /linux/resources/blockIO/throttleReadBpsDevice/0/major "
      "/linux/resources/blockIO/throttleReadBpsDevice/0/minor /linux/resources/blockIO/throttleReadBpsDevice/0/rate "
      "/linux/resources/blockIO/weightDevice/0/major /linux/resources/blockIO/weightDevice/0/minor "
      "/linux/resources/devices/0/allow /linux/resources/hugepageLimits/0/limit "
      "/linux/resources/hugepageLimits/0/pageSize /linux/resources/network/priorities/0/name "
      "/linux/resources/network/priorities/0/priority /linux/resources/pids/limit /linux/seccomp/defaultAction "
      "/linux/seccomp/syscalls/0/action /linux/seccomp/syscalls/0/args/0/index /linux/seccomp/syscalls/0/args/0/op "
      "/linux/seccomp/syscalls/0/args/0/value /linux/seccomp/syscalls/0/names /linux/uidMappings/0/containerID "
      "/linux/uidMappings/0/hostID /linux/uidMappings/0/size /mounts/0/destination /ociVersion "
      "/process/consoleSize/height /process/consoleSize/width /process/cwd /process/ioPriority/class "
      "/process/rlimits/0/hard /process/rlimits/0/soft /process/rlimits/0/type /process/scheduler/policy "
      "/root/path ");
}

TEST(ParseSpec, IgnoresUnknownPropertiesButTellsOfThem) {
  ParseOutcome outcome = parse(R"({"ociVersion": "1.0.0", "windows": {"layerFolders": []}, "vm": {}, "process":
      {"cwd": "/", "comandLine": "x", "user": {"username": "u"}}, "linux": {"memory": {"limit": 1}}})");
  EXPECT_EQ(lines_of(outcome), Lines{});
  Lines unknown;
  for (const UnknownProperty& property : outcome.unknown) unknown.push_back(property.pointer);
  EXPECT_EQ(unknown, (Lines{"/windows", "/vm", "/process/comandLine", "/process/user/username", "/linux/memory"}));
}

// The keys of an object that maps names of Linux's are no properties that a later specification may add.
TEST(ParseSpec, ClockThatATimeNamespaceDoesNotHaveIsNotLost) {
  EXPECT_EQ(lines_of(parse(with(data("full-config.json"), "/linux/timeOffsets/realtime", R"({"secs": 1})"))),
            Lines{"/linux/timeOffsets/realtime: must be monotonic or boottime: a time namespace has no other clock"});
}

TEST(ParseSpec, ReportsNulCharactersAndDuplicateKeysWhereverTheyAre) {
  EXPECT_EQ(
      lines_of(parse(R"({"ociVersion": "1.0.0", "process": {"cwd": "/", "args": ["a\u0000b"], "cwd": "/x"},
      "annotations": {"k\u0000": ""}, "unknown": {"x": "\u0000"}})")),
      (Lines{"/process/args/0: has U+0000 in it, which ends a string for the kernel", "/process/cwd: appears twice",
             "/annotations/k\\u0000: has U+0000 in its name, which ends a string for the kernel",
             "/unknown/x: has U+0000 in it, which ends a string for the kernel"}));
}

TEST(ParseSpec, AcceptsFileModesWithTheTypeOfTheFileInThem) {
  oci::Spec spec = parse(with(data("full-config.json"), "/linux/devices/0/fileMode", "8630")).spec;
  EXPECT_EQ(spec.linux_.devices[0].file_mode, 0666u);
}

TEST(ParseSpec, KnowsEveryNameOfTheSpecification) {
  std::string full = data("full-config.json");
  auto accepts = [&](const char* pointer, std::initializer_list<const char*> names) {
    for (const char* name : names)
      EXPECT_EQ(lines_of(parse(with(full, pointer, '"' + std::string(name) + '"'))), Lines{}) << name;
  };
  accepts("/linux/namespaces/0/type", {"pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"});
  accepts("/linux/rootfsPropagation", {"shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate"});
  accepts("/linux/seccomp/defaultAction",
          {"SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO",
           "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY"});
  accepts("/linux/seccomp/syscalls/0/args/0/op", {"SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ",
                                                  "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ"});
  accepts("/linux/seccomp/flags/0", {"SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG",
                                     "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"});
  accepts("/process/scheduler/policy",
          {"SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"});
  accepts("/process/ioPriority/class", {"IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"});
  accepts("/linux/memoryPolicy/mode", {"MPOL_DEFAULT", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_WEIGHTED_INTERLEAVE",
                                       "MPOL_PREFERRED", "MPOL_PREFERRED_MANY", "MPOL_LOCAL"});
  EXPECT_EQ(oci::name_of(oci::SeccompArch::riscv64), "SCMP_ARCH_RISCV64");
  EXPECT_EQ(oci::name_of(oci::SeccompAction::error), "SCMP_ACT_ERRNO");
  EXPECT_EQ(oci::name_of(oci::SeccompOperator::gt), "SCMP_CMP_GT");
  EXPECT_EQ(oci::namespace_name(CLONE_NEWNS), "mount");
  EXPECT_EQ(oci::rlimit_name(RLIMIT_CPU), "RLIMIT_CPU");
}

TEST(ParseSpec, TakesTheSchemasGoodExamplesAndRefusesTheBadOnes) {
  for (const char* name : {"linux-netdevice", "linux-rdma", "minimal-for-start", "minimal", "spec-example"})
    EXPECT_EQ(lines_of(parse(data("oci-schema/good/" + std::string(name) + ".json"))), Lines{}) << name;
  EXPECT_FALSE(JsonDocument::parse(data("oci-schema/bad/invalid-json.json")).ok());
  EXPECT_EQ(lines_of(parse(data("oci-schema/bad/linux-netdevice.json"))),
            Lines{"/linux/netDevices/eth0/name: must be a string: found 23"});
  EXPECT_EQ(lines_of(parse(data("oci-schema/bad/linux-rdma.json"))),
            Lines{"/linux/resources/rdma/mlx5_1/hcaHandles: must be an integer from 0 to 4294967295: found "
                  "\"not a uint32\""});
  auto lines = test::problems_of(data("oci-schema/bad/linux-hugepage.json"));
  EXPECT_NE(std::find(lines.begin(), lines.end(),
                      "/linux/resources/hugepageLimits/0/pageSize: must be a number and KB, MB or GB, as 2MB: found "
                      "\"64kB\""),
            lines.end());
}

}  // namespace minirun
