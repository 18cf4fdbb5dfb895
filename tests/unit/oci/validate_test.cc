// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/validate.h"

#include "tests/support/config_edit.h"

namespace minirun {

using test::kSmallConfig;
using test::Lines;
using test::problems_of;
using test::problems_with;
using test::with;

TEST(Validate, FindsNothingWrongWithASmallConfig) {
  EXPECT_EQ(problems_of(kSmallConfig), Lines{});
}

TEST(Validate, OciVersionMustBeSemverOfMajorVersionOne) {
  for (const char* fine : {"1.0.0", "1.3.0", "1.2.1", "1.0.2-dev", "1.0.0-rc.1", "1.1.0+dev", "1.0.0-rc5+build.7"})
    EXPECT_EQ(problems_with("/ociVersion", '"' + std::string(fine) + '"'), Lines{}) << fine;
  for (const char* wrong : {"", "1", "1.0", "1.0.0.0", "2.0.0", "0.9.0", "v1.0.0", "1.0.x", "1.00.0", "1.0.01",
                            "1.0.0-", "1.0.0-a..b", "1.0.0+", "1.0.0 ", "10.0.0", "latest"})
    EXPECT_EQ(problems_with("/ociVersion", '"' + std::string(wrong) + '"'),
              Lines{"/ociVersion: must be a version 1.x.y of the runtime-spec: found \"" + std::string(wrong) + '"'});
}

TEST(Validate, RootMustBeGiven) {
  EXPECT_EQ(problems_with("/root", "{\"path\": \"\"}"), Lines{"/root/path: must not be empty"});
  EXPECT_EQ(problems_of(R"({"ociVersion": "1.0.0", "process": {"cwd": "/", "args": ["a"]},
                            "linux": {"namespaces": [{"type": "mount"}]}})"),
            Lines{"/root: is required but missing"});
}

TEST(Validate, WithoutAMountNamespaceNothingIsMounted) {
  EXPECT_EQ(problems_with("/linux/namespaces", "[]"), Lines{});
  EXPECT_EQ(problems_with("/linux", "{}"), Lines{});
  const std::string none = with(kSmallConfig, "/linux/namespaces", R"([{"type": "pid"}])");
  const std::pair<const char*, const char*> kAsked[] = {
      {"/mounts", R"([{"destination": "/a", "type": "tmpfs", "source": "a"}])"},
      {"/root/readonly", "true"},
      {"/process/terminal", "true"},
      {"/linux/devices", R"([{"path": "/a", "type": "p"}])"},
      {"/linux/maskedPaths", R"(["/a"])"},
      {"/linux/readonlyPaths", R"(["/a"])"},
      {"/linux/rootfsPropagation", R"("private")"}};
  for (const auto& [pointer, value] : kAsked) {
    EXPECT_EQ(problems_of(with(none, pointer, value)),
              Lines{std::string(pointer) +
                    ": needs a mount namespace in /linux/namespaces: the host's own mounts would change"});
    EXPECT_EQ(problems_of(with(kSmallConfig, pointer, value)), Lines{}) << pointer;
  }
}

TEST(Validate, NamespacesAreListedOnceWithAbsolutePaths) {
  EXPECT_EQ(problems_with("/linux/namespaces/6", R"({"type": "mount"})"),
            Lines{"/linux/namespaces/6/type: must appear only once: mount is at /linux/namespaces/2 too"});
  EXPECT_EQ(problems_with("/linux/namespaces/0/path", "\"proc/1/ns/pid\""),
            Lines{"/linux/namespaces/0/path: must be an absolute path: found \"proc/1/ns/pid\""});
  EXPECT_EQ(problems_with("/linux/namespaces/0/path", "\"/proc/1/ns/pid\""), Lines{});
}

TEST(Validate, NamesOfTheHostNeedAUtsNamespaceAndFit) {
  EXPECT_EQ(problems_with("/hostname", "\"web\""), Lines{});
  std::string no_uts = with(kSmallConfig, "/linux/namespaces", R"([{"type": "mount"}])");
  EXPECT_EQ(
      problems_of(with(with(no_uts, "/hostname", "\"web\""), "/domainname", "\"x\"")),
      (Lines{"/hostname: needs a uts namespace in /linux/namespaces: the host's name would change: found \"web\"",
             "/domainname: needs a uts namespace in /linux/namespaces: the host's name would change: found \"x\""}));
  EXPECT_EQ(problems_with("/hostname", '"' + std::string(64, 'h') + '"'), Lines{});
  EXPECT_EQ(problems_with("/hostname", '"' + std::string(65, 'h') + '"'),
            Lines{"/hostname: must be at most 64 bytes: found 65"});
}

TEST(Validate, ProcessNeedsAProgramAndAnAbsoluteDirectory) {
  EXPECT_EQ(problems_with("/process/args", "[]"), Lines{"/process/args: must name a program: missing or empty"});
  EXPECT_EQ(problems_with("/process", "{\"cwd\": \"/\"}"),
            Lines{"/process/args: must name a program: missing or empty"});
  EXPECT_EQ(problems_with("/process/args/0", "\"\""), Lines{"/process/args/0: must name a program: found \"\""});
  EXPECT_EQ(problems_with("/process/args/1", "\"\""), Lines{}) << "an empty argument is one";
  EXPECT_EQ(problems_with("/process/cwd", "\"tmp\""), Lines{"/process/cwd: must be an absolute path: found \"tmp\""});
  EXPECT_EQ(problems_with("/process/cwd", "\"\""), Lines{"/process/cwd: must be an absolute path: found \"\""});
  EXPECT_EQ(problems_with("/process/cwd", "\"/" + std::string(4095, 'x') + "\""),
            Lines{"/process/cwd: must be shorter than 4096 bytes: found 4096"});
  EXPECT_EQ(problems_with("/process/args/1", '"' + std::string(131072, 'x') + '"'),
            Lines{"/process/args/1: must be shorter than 131072 bytes: found 131072"});
}

TEST(Validate, EnvironmentIsNameAndValue) {
  EXPECT_EQ(problems_with("/process/env", R"(["A=", "B=x=y", "A=again", "C=two\nlines"])"), Lines{});
  EXPECT_EQ(
      problems_with("/process/env", R"(["PATH", "=x", ""])"),
      (Lines{"/process/env/0: must be NAME=value: found \"PATH\"", "/process/env/1: must be NAME=value: found \"=x\"",
             "/process/env/2: must be NAME=value: found \"\""}));
}

TEST(Validate, RlimitsAreListedOnceAndSoftIsNotAboveHard) {
  EXPECT_EQ(problems_with("/process/rlimits", R"([{"type": "RLIMIT_CPU", "soft": 2, "hard": 1},
      {"type": "RLIMIT_AS", "soft": 1, "hard": 1}, {"type": "RLIMIT_CPU", "soft": 0, "hard": 0}])"),
            (Lines{"/process/rlimits/0/soft: must not be more than hard, 1: found 2",
                   "/process/rlimits/2/type: must appear only once: RLIMIT_CPU is at /process/rlimits/0 too"}));
  EXPECT_EQ(
      problems_with("/process/rlimits", R"([{"type": "X", "soft": 0, "hard": 0}, {"type": "Y", "soft": 0, "hard": 0}])")
          .size(),
      2u)
      << "two unknown ones are not duplicates";
}

// config.md, "Linux Process": what cannot be granted is a warning, which compile() gives, and no error.
TEST(Validate, CapabilitySetsNeedNotFitTogether) {
  EXPECT_EQ(
      problems_with("/process/capabilities", R"({"permitted": ["CAP_KILL"], "effective": ["CAP_KILL", "CAP_X"]})"),
      Lines{});
  EXPECT_EQ(problems_with("/process/capabilities", R"({"permitted": ["CAP_KILL"], "ambient": ["CAP_KILL"]})"), Lines{});
}

TEST(Validate, SchedulerAttributesFitThePolicy) {
  auto lines = [](const char* raw) { return problems_with("/process/scheduler", raw); };
  EXPECT_EQ(lines(R"({"policy": "SCHED_FIFO", "priority": 1})"), Lines{});
  EXPECT_EQ(lines(R"({"policy": "SCHED_OTHER", "nice": -20})"), Lines{});
  EXPECT_EQ(lines(R"({"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 2, "period": 3})"), Lines{});
  EXPECT_EQ(lines(R"({"policy": "SCHED_RR"})"),
            Lines{"/process/scheduler/priority: must be from 1 to 99 with SCHED_FIFO and SCHED_RR: missing or 0"});
  EXPECT_EQ(lines(R"({"policy": "SCHED_BATCH", "priority": 5})"),
            Lines{"/process/scheduler/priority: is for SCHED_FIFO and SCHED_RR only: found 5"});
  EXPECT_EQ(lines(R"({"policy": "SCHED_IDLE", "deadline": 5})"),
            Lines{"/process/scheduler/deadline: is for SCHED_DEADLINE only: found 5"});
  EXPECT_EQ(lines(R"({"policy": "SCHED_DEADLINE", "runtime": 3, "deadline": 2, "period": 1})"),
            (Lines{"/process/scheduler/runtime: must not be more than deadline, 2: found 3",
                   "/process/scheduler/deadline: must not be more than period, 1: found 2"}));
  EXPECT_EQ(lines(R"({"policy": "SCHED_DEADLINE"})").size(), 2u);
  EXPECT_EQ(lines(R"({"policy": "SCHED_ISO"})"),
            Lines{"/process/scheduler/policy: must be one that Linux has: SCHED_ISO never came"});
}

TEST(Validate, ExecCpuAffinityIsAList) {
  EXPECT_EQ(problems_with("/process/execCPUAffinity", R"({"initial": "0-3, 7", "final": "x"})"),
            Lines{"/process/execCPUAffinity/final: must be a list such as 0-3,7: found \"x\""});
}

TEST(Validate, HooksHaveAbsolutePathsAndEnvironments) {
  auto lines = problems_with("/hooks/poststop", R"([{"path": "x", "env": ["A"]}])");
  EXPECT_NE(std::find(lines.begin(), lines.end(), "/hooks/poststop/0/path: must be an absolute path: found \"x\""),
            lines.end());
  EXPECT_NE(std::find(lines.begin(), lines.end(), "/hooks/poststop/0/env/0: must be NAME=value: found \"A\""),
            lines.end());
}

TEST(Validate, MountsHaveWhatTheirKindNeeds) {
  auto lines = [](const char* raw) { return problems_with("/mounts", raw); };
  EXPECT_EQ(
      lines(R"([{"destination": "/a", "source": "/b", "options": ["rbind"]}, {"destination": "/p", "type": "proc"},
                      {"destination": "/p", "options": ["remount", "ro"]}, {"destination": "/", "options": ["rshared"]}])"),
      Lines{});
  const Lines not_made = {
      "/mounts/0/options: needs an earlier entry for the same destination whose filesystem it changes, not a bind "
      "mount: found none for \"/a\""};
  EXPECT_EQ(lines(R"([{"destination": "/a", "options": ["remount", "size=1m"]}])"), not_made);
  EXPECT_EQ(lines(R"([{"destination": "/a", "type": "tmpfs", "options": ["remount", "size=1m"]}])"), not_made);
  EXPECT_EQ(lines(R"([{"destination": "/a", "source": "/b", "options": ["bind"]},
                      {"destination": "/a", "options": ["remount", "size=1m"]}])")
                .size(),
            1U)
      << "the filesystem is the host's";
  EXPECT_EQ(lines(R"([{"destination": "/a", "type": "tmpfs"}, {"destination": "/b", "type": "tmpfs"},
                      {"destination": "//a/", "options": ["remount", "size=1m"]}])"),
            Lines{});
  EXPECT_EQ(lines(R"([{"destination": "/a", "options": ["bind"]}])"),
            Lines{"/mounts/0/source: is required for a bind mount but missing"});
  EXPECT_EQ(lines(R"([{"destination": "/a", "source": "/b"}])"),
            Lines{"/mounts/0/type: is required unless options has bind or rbind"});
  EXPECT_EQ(lines(R"([{"destination": "/a", "source": "/b", "type": "bind", "options": ["ro"]}])"),
            Lines{"/mounts/0/options: must have bind or rbind for a bind mount: the type alone does not make one"});
  EXPECT_EQ(lines(R"([{"destination": "/a", "source": "/b", "options": ["ro", "rbind", "mode=755", "size=1m"]}])"),
            Lines{"/mounts/0/options/2: must be an option that a bind mount can have: found \"mode=755\""});
  EXPECT_EQ(lines(R"([{"destination": "", "type": "proc", "options": [""]}])"),
            Lines{"/mounts/0/destination: must not be empty"});
}

TEST(Validate, NothingIsMountedInsideProc) {  // CVE-2019-16884
  auto lines = [](const std::string& target, const char* rest) {
    return problems_with("/mounts", R"([{"destination": ")" + target + "\", " + rest + "}]");
  };
  auto refused = [](const std::string& target) {
    return Lines{
        "/mounts/0/destination: must not be in /proc, where only procfs itself and few files can be: found \"" +
        target + '"'};
  };
  constexpr const char* kBind = R"("source": "/srv", "options": ["bind"])";
  for (const char* target : {"/proc/self", "/proc/sys/", "/proc/../proc/sys", "//proc/self/attr", "/proc"})
    EXPECT_EQ(lines(target, kBind), refused(target));
  EXPECT_EQ(lines("/proc", R"("type": "tmpfs")"), refused("/proc"));
  EXPECT_EQ(lines("/proc", R"("type": "proc")"), Lines{});
  EXPECT_EQ(lines("/proc", R"("source": "/proc", "options": ["rbind"])"), Lines{});
  EXPECT_EQ(lines("/proc/sys", R"("options": ["remount", "ro"])"), Lines{}) << "changes the existing one";
  EXPECT_EQ(lines("/proc/meminfo", kBind), Lines{});
  EXPECT_EQ(lines("/processes", kBind), Lines{});
}

TEST(Validate, NothingIsPutOverTheRoot) {  // no process inside would see it
  for (const char* root : {"/", "//", "/.", "/a/..", "/../"}) {
    std::string name(root);
    EXPECT_EQ(problems_with("/mounts", R"([{"type": "tmpfs", "destination": ")" + name + "\"}]"),
              Lines{"/mounts/0/destination: must not be the root, which root.path sets: found \"" + name + "\""});
    for (const char* list : {"/linux/maskedPaths", "/linux/readonlyPaths"}) {
      EXPECT_EQ(problems_with(list, "[\"" + name + "\"]"),
                Lines{std::string(list) + "/0: must be below the root (root.readonly is for all of it): found \"" +
                      name + "\""});
    }
  }
}

TEST(Validate, RelativeMountDestinationsAreTakenWithAWarning) {
  auto bundle = parse_config(with(kSmallConfig, "/mounts", R"([{"destination": "proc", "type": "proc"}])"));
  ASSERT_TRUE(bundle.ok());
  ASSERT_EQ(bundle->warnings.size(), 1u);
  EXPECT_EQ(bundle->warnings[0].pointer, "/mounts/0/destination");
}

TEST(Validate, DevicesHaveNumbersAndAbsolutePaths) {
  auto lines = [](const char* raw) { return problems_with("/linux/devices", raw); };
  EXPECT_EQ(lines(R"([{"type": "p", "path": "/f"}, {"type": "u", "path": "/d", "major": 4095, "minor": 1048575}])"),
            Lines{});
  EXPECT_EQ(lines(R"([{"type": "c", "path": "d", "major": 4096}])"),
            (Lines{"/linux/devices/0/minor: is required for a device of type c but missing",
                   "/linux/devices/0/path: must be an absolute path: found \"d\"",
                   "/linux/devices/0/major: must be an integer from 0 to 4095: found 4096"}));
  EXPECT_EQ(lines(R"([{"type": "b", "path": "/d", "major": 1, "minor": -1}])"),
            Lines{"/linux/devices/0/minor: must be an integer from 0 to 1048575: found -1"});
}

TEST(Validate, SysctlOfTheHostnameBesideHostname) {
  std::string named = with(kSmallConfig, "/hostname", "\"web\"");
  std::string uts = with(named, "/linux/namespaces", R"([{"type": "mount"}, {"type": "uts"}])");
  EXPECT_EQ(problems_of(with(uts, "/linux/sysctl", R"({"kernel.hostname": "web", "kernel.domainname": "x"})")),
            Lines{});
  EXPECT_EQ(problems_of(with(uts, "/linux/sysctl", R"({"kernel.hostname": "other"})")),
            Lines{"/linux/sysctl/kernel.hostname: must be the same as /hostname (\"web\") or absent: found "
                  "\"other\""});
}

TEST(Validate, SysctlsBelongToANamespaceThatTheContainerHas) {
  auto lines = [](const char* raw) { return problems_with("/linux/sysctl", raw); };
  EXPECT_EQ(lines(R"({"net.ipv4.ip_forward": "1", "kernel/shmmax": "1", "fs.mqueue.msg_max": "5"})"), Lines{});
  EXPECT_EQ(
      lines(R"({"vm.swappiness": "1", "net": "1", "net/../kernel/x": "1", "net.a": "1\n2"})"),
      (Lines{"/linux/sysctl/vm.swappiness: must be a parameter of a namespace: this one belongs to the whole host",
             "/linux/sysctl/net: must be a kernel parameter such as net.ipv4.ip_forward: found \"net\"",
             "/linux/sysctl/net~1..~1kernel~1x: must be a kernel parameter such as net.ipv4.ip_forward: found "
             "\"net/../kernel/x\"",
             "/linux/sysctl/net.a: must be one line: found \"1\\n2\""}));
  std::string alone = with(kSmallConfig, "/linux/namespaces", R"([{"type": "mount"}])");
  EXPECT_EQ(
      problems_of(with(alone, "/linux/sysctl", R"({"net.a": "1", "kernel.sem": "1", "kernel.domainname": "x"})")),
      (Lines{
          "/linux/sysctl/net.a: needs a namespace of type network in /linux/namespaces: the host's own value "
          "would change",
          "/linux/sysctl/kernel.sem: needs a namespace of type ipc in /linux/namespaces: the host's own value "
          "would change",
          "/linux/sysctl/kernel.domainname: needs a namespace of type uts in /linux/namespaces: the host's own value "
          "would change"}));
}

TEST(Validate, CgroupsPathStaysBelowAndNamesOneCgroup) {
  for (const char* fine : {"/a", "a", "a/b", "/a/b.c/d", "...", "/minirun/x:y"})
    EXPECT_EQ(problems_with("/linux/cgroupsPath", '"' + std::string(fine) + '"'), Lines{}) << fine;
  for (const char* wrong : {"/", "//", "/a/", "a//b", "..", "/a/..", "../a", "./a", "/a/./b", "a\\nb"})
    EXPECT_EQ(problems_with("/linux/cgroupsPath", '"' + std::string(wrong) + '"').size(), 1u) << wrong;
  EXPECT_EQ(problems_with("/linux/cgroupsPath", "\"/a/../b\""),
            Lines{"/linux/cgroupsPath: must be a path of cgroup names, without . and ..: found \"/a/../b\""});
}

TEST(Validate, MaskedAndReadonlyPathsAreAbsolute) {
  EXPECT_EQ(problems_with("/linux/maskedPaths", R"(["/ok", "x"])"),
            Lines{"/linux/maskedPaths/1: must be an absolute path: found \"x\""});
  EXPECT_EQ(problems_with("/linux/readonlyPaths", R"([""])"),
            Lines{"/linux/readonlyPaths/0: must be an absolute path: found \"\""});
}

TEST(Validate, PersonalityHasNoFlags) {
  EXPECT_EQ(
      problems_with("/linux/personality", R"({"domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"]})"),
      Lines{"/linux/personality/flags: must be empty: the specification defines no flag: found \"ADDR_NO_RANDOMIZE\""});
}

TEST(Validate, EveryProblemIsToldInTheOrderOfTheFile) {
  EXPECT_EQ(
      problems_of(R"({
    "linux": {"namespaces": [{"type": "mount"}, {"type": "mount"}, {"type": 5}]},
    "ociVersion": "2.0.0",
    "hostname": "x",
    "process": {"args": [], "cwd": 7, "user": {"uid": -1}},
    "root": {"path": "r", "path": "s"}
  })"),
      (Lines{"/linux/namespaces/1/type: must appear only once: mount is at /linux/namespaces/0 too",
             "/linux/namespaces/2/type: must be one of mount, pid, network, uts, ipc, user, cgroup, time: found 5",
             "/ociVersion: must be a version 1.x.y of the runtime-spec: found \"2.0.0\"",
             "/process/args: must name a program: missing or empty", "/process/cwd: must be a string: found 7",
             "/process/user/uid: must be an integer from 0 to 4294967294: found -1", "/root/path: appears twice"}))
      << "also: what could not be read is not judged again";
}

TEST(Validate, HundredLinesAreEnough) {
  std::string args = "[1";
  for (int i = 0; i < 150; ++i) args += ",1";
  Lines lines = problems_with("/process/args", args + "]");
  ASSERT_EQ(lines.size(), 101u);
  EXPECT_EQ(lines.back(), "51 more problems");
}

TEST(Validate, NoDeviceIsTheRootItself) {
  for (const char* path : {"/", "//", "/."})
    EXPECT_EQ(problems_with("/linux/devices", R"([{"type": "p", "path": ")" + std::string(path) + "\"}]").size(), 1U)
        << path;
}

}  // namespace minirun
