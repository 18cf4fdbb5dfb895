// SPDX-License-Identifier: Apache-2.0
// process.*: what the workload finds itself to be. runtime-spec config.md, "Process".
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Process : public MinirunTest {};

std::string status_line(json seen, const std::string& name) {
  for (const std::string line : seen["status"]) {
    if (line.rfind(name + ":\t", 0) == 0) return line.substr(name.size() + 2);
  }
  return "(none)";
}

TEST_F(Process, OutputsAreKeptApart) {
  Bundle bundle;
  bundle.payload({"print", "to stdout"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out, "to stdout\n");
  EXPECT_EQ(outcome.err, "");
  bundle.payload({"complain", "to stderr"});
  outcome = run(bundle);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err, "to stderr\n");
}

TEST_F(Process, StdinIsPassedStraightThrough) {
  Bundle bundle;
  bundle.payload({"cat"});
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  UniqueFd reader(ends[0]);
  UniqueFd writer(ends[1]);
  ASSERT_EQ(write(writer.get(), "a\0b\n", 4), 4);
  writer.reset();
  Outcome outcome = run(bundle, {}, {.stdin_fd = reader.get()});
  EXPECT_EQ(outcome.out, std::string("a\0b\n", 4)) << describe(outcome);
}

TEST_F(Process, ArgumentsArriveVerbatim) {
  Bundle bundle;
  bundle.payload({"report", "", " two  spaces ", "$HOME", "\"quoted\"", "ünï", "--flag=1", "new\nline"});
  Outcome outcome = run(bundle);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  json expected = {"", " two  spaces ", "$HOME", "\"quoted\"", "ünï", "--flag=1", "new\nline"};
  EXPECT_EQ(json::parse(outcome.out)["args"], expected);
}

TEST_F(Process, EnvironmentKeepsOrderAndTheLastOfDuplicatesAndTheCallersStaysOutside) {
  Bundle bundle;
  bundle.config["process"]["env"] = {"B=2", "A=1", "B=3", "EMPTY=", "HOME=/elsewhere"};
  json seen = report(bundle, {}, {.env = {"SECRET=1", "PATH=/bin"}});
  EXPECT_EQ(seen["env"], json({"A=1", "B=3", "EMPTY=", "HOME=/elsewhere"}));
}

TEST_F(Process, HomeComesFromTheImagesPasswd) {
  Bundle bundle;
  auto has = [](json seen, const char* entry) {
    return std::find(seen["env"].begin(), seen["env"].end(), json(entry)) != seen["env"].end();
  };
  EXPECT_TRUE(has(report(bundle), "HOME=/root"));
  bundle.config["process"]["user"] = {{"uid", 33}, {"gid", 33}};
  EXPECT_TRUE(has(report(bundle), "HOME=/srv/web"));
  bundle.config["process"]["user"] = {{"uid", 4321}, {"gid", 1}};
  EXPECT_TRUE(has(report(bundle), "HOME=/"));
}

TEST_F(Process, HomeIsNotReadThroughALinkOutOfTheImage) {
  Bundle bundle;
  write_new_file("/run/tests/passwd", "root:x:0:0::/stolen:/bin/sh\n", 0644);
  ASSERT_EQ(unlink((bundle.rootfs() + "/etc/passwd").c_str()), 0);
  bundle.add_link("/etc/passwd", "/run/tests/passwd");
  EXPECT_EQ(report(bundle)["env"].dump().find("stolen"), std::string::npos);
  unlink("/run/tests/passwd");
}

TEST_F(Process, StartsInItsCwd) {
  Bundle bundle;
  bundle.config["process"]["cwd"] = "/tmp";
  EXPECT_EQ(report(bundle)["cwd"], "/tmp");
  bundle.config["process"]["cwd"] = "/made/when/missing";
  EXPECT_EQ(report(bundle)["cwd"], "/made/when/missing");
}

TEST_F(Process, CwdThatOnlyItsUserMayEnter) {
  Bundle bundle;
  bundle.add_folder("/private");
  ASSERT_EQ(chown((bundle.rootfs() + "/private").c_str(), 33, 33), 0);
  ASSERT_EQ(chmod((bundle.rootfs() + "/private").c_str(), 0700), 0);
  bundle.config["process"]["cwd"] = "/private";
  bundle.config["process"]["user"] = {{"uid", 33}, {"gid", 33}};
  EXPECT_EQ(report(bundle)["cwd"], "/private");
}

TEST_F(Process, UserGroupsAndUmask) {
  Bundle bundle;
  bundle.config["process"]["user"] = {{"uid", 33}, {"gid", 34}, {"umask", 0077}, {"additionalGids", {5, 100, 65534}}};
  json seen = report(bundle);
  EXPECT_EQ(seen["uids"], json({33, 33, 33}));
  EXPECT_EQ(seen["gids"], json({34, 34, 34}));
  EXPECT_EQ(seen["groups"], json({5, 100, 65534}));
  EXPECT_EQ(seen["umask"], 0077);
}

TEST_F(Process, GroupsOfTheCallerAreGoneAndUmaskIs0022) {
  Bundle bundle;
  StartOptions options;
  options.in_child = [] {
    gid_t groups[] = {7, 8};
    if (setgroups(2, groups) != 0) _exit(97);
    umask(0);
  };
  json seen = report(bundle, {}, options);
  EXPECT_EQ(seen["groups"], json::array());
  EXPECT_EQ(seen["umask"], 0022);
}

TEST_F(Process, AllFiveCapabilitySets) {
  Bundle bundle;
  bundle.config["process"]["capabilities"] = {{"bounding", {"CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"}},
                                              {"permitted", {"CAP_CHOWN", "CAP_KILL"}},
                                              {"inheritable", {"CAP_KILL"}},
                                              {"effective", {"CAP_CHOWN"}},
                                              {"ambient", {"CAP_KILL"}}};
  // As root exec would fill the sets again (capabilities(7)), as another user only the ambient set comes through.
  bundle.config["process"]["user"] = {{"uid", 33}, {"gid", 33}};
  json seen = report(bundle);
  EXPECT_EQ(seen["cap_bounding"], "0000000000002021");
  EXPECT_EQ(seen["cap_inheritable"], "0000000000000020");
  EXPECT_EQ(seen["cap_ambient"], "0000000000000020");
  EXPECT_EQ(seen["cap_permitted"], "0000000000000020");
  EXPECT_EQ(seen["cap_effective"], "0000000000000020");
}

TEST_F(Process, RootHasWhatItsBoundingSetAllows) {
  Bundle bundle;
  json seen = report(bundle);
  EXPECT_EQ(seen["cap_bounding"], "0000000008000421");
  EXPECT_EQ(seen["cap_permitted"], "0000000008000421");
  EXPECT_EQ(seen["cap_effective"], "0000000008000421");
  EXPECT_EQ(seen["cap_inheritable"], "0000000000000000");
}

TEST_F(Process, NoCapabilitiesInTheConfigMeansNone) {
  Bundle bundle;
  bundle.config["process"].erase("capabilities");
  json seen = report(bundle);
  EXPECT_EQ(seen["cap_bounding"], "0000000000000000");
  EXPECT_EQ(seen["cap_effective"], "0000000000000000");
}

TEST_F(Process, AllCapabilitiesOfTheHost) {
  REQUIRE_CAPABILITY(CAP_SYS_RESOURCE);
  Bundle bundle;
  for (const char* set : {"bounding", "permitted", "effective"}) {
    bundle.config["process"]["capabilities"][set] = {"CAP_SYS_RESOURCE", "CAP_SYS_ADMIN"};
  }
  EXPECT_EQ(report(bundle)["cap_effective"], "0000000001200000");
}

TEST_F(Process, UnknownCapabilityIsAWarningNotAnError) {
  Bundle bundle;
  bundle.config["process"]["capabilities"]["bounding"].push_back("CAP_OF_TOMORROW");
  bundle.payload({"true"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("warning: config.json: /process/capabilities/bounding"), std::string::npos)
      << describe(outcome);
  EXPECT_NE(outcome.err.find("CAP_OF_TOMORROW"), std::string::npos) << describe(outcome);
}

TEST_F(Process, NoNewPrivileges) {
  Bundle bundle;
  EXPECT_EQ(report(bundle)["no_new_privs"], 1);
  bundle.config["process"]["noNewPrivileges"] = false;
  EXPECT_EQ(report(bundle)["no_new_privs"], 0);
}

TEST_F(Process, LoweredRlimits) {
  Bundle bundle;
  bundle.config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 64}, {"hard", 128}},
                                         {{"type", "RLIMIT_CORE"}, {"soft", 0}, {"hard", 0}},
                                         {{"type", "RLIMIT_NPROC"}, {"soft", 100}, {"hard", 100}}};
  json limits = report(bundle)["rlimits"];
  EXPECT_EQ(limits["RLIMIT_NOFILE"], json({64, 128}));
  EXPECT_EQ(limits["RLIMIT_CORE"], json({0, 0}));
  EXPECT_EQ(limits["RLIMIT_NPROC"], json({100, 100}));
}

TEST_F(Process, TinyNofileLimitIsTheWorkloadsNotMiniruns) {
  Bundle bundle;
  bundle.config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 3}, {"hard", 3}}};
  bundle.payload({"exit", "5"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 5) << describe(outcome);
}

TEST_F(Process, RaisedRlimit) {
  REQUIRE_CAPABILITY(CAP_SYS_RESOURCE);
  Bundle bundle;
  StartOptions options;
  options.in_child = [] {
    rlimit limit{100, 100};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(97);
  };
  bundle.config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 2000}, {"hard", 4000}}};
  EXPECT_EQ(report(bundle, {}, options)["rlimits"]["RLIMIT_NOFILE"], json({2000, 4000}));
}

TEST_F(Process, OomScoreAdjIsSetOrLeftAlone) {
  Bundle bundle;
  StartOptions options;
  options.in_child = [] {
    UniqueFd fd(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
    if (write(fd.get(), "100", 3) != 3) _exit(97);
  };
  EXPECT_EQ(report(bundle, {}, options)["oom_score_adj"], "100\n");
  bundle.config["process"]["oomScoreAdj"] = 500;
  EXPECT_EQ(report(bundle, {}, options)["oom_score_adj"], "500\n");
}

TEST_F(Process, SchedulerAndIoPriority) {
  Bundle bundle;
  bundle.config["process"]["scheduler"] = {{"policy", "SCHED_BATCH"}, {"nice", 7}};
  bundle.config["process"]["ioPriority"] = {{"class", "IOPRIO_CLASS_BE"}, {"priority", 6}};
  json seen = report(bundle);
  EXPECT_EQ(seen["policy"], 3);
  EXPECT_EQ(seen["nice"], 7);
  EXPECT_EQ(seen["ioprio"], 2 << 13 | 6);
}

TEST_F(Process, Personality) {
  Bundle bundle;
  bundle.config["linux"]["personality"] = {{"domain", "LINUX32"}};
  EXPECT_EQ(report(bundle)["personality"], 8);
}

TEST_F(Process, OnlyThreeDescriptorsAreOpen) {
  Bundle bundle;
  StartOptions options;
  options.in_child = [] {
    if (dup2(2, 5) != 5 || dup2(2, 77) != 77 || open("/", O_RDONLY) < 0) _exit(97);
  };
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    json fds = report(bundle, flags, options)["fds"];
    EXPECT_EQ(fds.size(), 3U) << fds;
    EXPECT_TRUE(fds.contains("0") && fds.contains("1") && fds.contains("2")) << fds;
  }
}

TEST_F(Process, KeepOriginalGroupsKeepsTheCallers) {
  Bundle bundle;
  StartOptions options;
  options.in_child = [] {
    gid_t groups[] = {77, 78};
    if (setgroups(2, groups) != 0) _exit(97);
  };
  EXPECT_EQ(status_line(report(bundle, {}, options), "Groups").find("77"), std::string::npos);
  bundle.config["annotations"] = {{"run.oci.keep_original_groups", "1"}};
  EXPECT_NE(status_line(report(bundle, {}, options), "Groups").find("77 78"), std::string::npos);
}

// Socket activation: the descriptors and the workload's own number.
TEST_F(Process, ListenFdsArePassedOn) {
  Bundle bundle;
  bundle.payload({"report"});
  bundle.write();
  auto start = [&](const std::string& pid, const std::string& flags) {
    std::string shell = "export LISTEN_PID=" + pid + " LISTEN_FDS=2 LISTEN_FDNAMES=a:b; exec";
    for (const std::string& word : minirun({"run"})) shell += " " + word;
    shell += " " + flags + " --bundle " + bundle.path() + " " + id();
    StartOptions options;
    options.in_child = [] {
      for (int fd = 3; fd < 7; fd++)
        if (dup2(2, fd) != fd) _exit(97);
    };
    Running running({"/bin/sh", "-c", shell}, options);
    return running.finish();
  };
  for (const char* flags : {"--preserve-fds 1", "--no-init --preserve-fds 1"}) {
    Outcome outcome = start("$$", flags);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    json seen = json::parse(outcome.out);
    EXPECT_EQ(seen["fds"].size(), 6U) << seen["fds"];
    EXPECT_TRUE(seen["fds"].contains("5") && !seen["fds"].contains("6")) << seen["fds"];
    const std::string env = seen["env"].dump();
    EXPECT_NE(env.find("LISTEN_FDS=2"), std::string::npos) << env;
    EXPECT_NE(env.find("LISTEN_FDNAMES=a:b"), std::string::npos) << env;
    EXPECT_NE(env.find("LISTEN_PID=" + seen["pid"].dump() + "\""), std::string::npos) << env << seen["pid"];
  }
  Outcome outcome = start("1", "");  // meant for another process
  json seen = json::parse(outcome.out);
  EXPECT_EQ(seen["fds"].size(), 3U) << seen["fds"];
  EXPECT_EQ(seen["env"].dump().find("LISTEN"), std::string::npos);
  StartOptions none;
  none.in_child = [] { (void)close_range(3, ~0U, 0); };
  Running missing({"/bin/sh", "-c", "export LISTEN_PID=$$ LISTEN_FDS=9; exec " + minirun({"run"})[0] + " run " + id()},
                  none);
  expect_refused(missing.finish(), {"LISTEN_FDS=9", "not open"});
}

TEST_F(Process, NoSignalIsBlockedOrIgnored) {
  Bundle bundle;
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    json seen = report(bundle, flags);
    EXPECT_EQ(status_line(seen, "SigBlk"), "0000000000000000");
    EXPECT_EQ(status_line(seen, "SigIgn"), "0000000000000000");
    EXPECT_EQ(status_line(seen, "SigCgt"), "0000000000000000");
    // Without the init it is the workload itself that must not outlive a foreground run.
    EXPECT_EQ(seen["death_signal"], flags.empty() ? 0 : SIGKILL);
  }
}

TEST_F(Process, ProgramsAreLookedUpInTheContainersPath) {
  Bundle bundle;
  ASSERT_TRUE(copy_program(program("PAYLOAD", "payload"), bundle.rootfs() + "/tmp/found-by-path"));
  bundle.config["process"]["args"] = {"found-by-path", "exit", "9"};
  bundle.config["process"]["env"] = {"PATH=/nowhere:/tmp"};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 9) << describe(outcome);
}

TEST_F(Process, HostnameAndDomainname) {
  Bundle bundle;
  bundle.config["domainname"] = "tests.example";
  json seen = report(bundle);
  EXPECT_EQ(seen["hostname"], "tested");
  EXPECT_EQ(seen["domainname"], "tests.example");
}

TEST_F(Process, FileThatItOnlyReadsStaysItsOwners) {
  Bundle bundle;
  bundle.add_file("/../secret", "of root");
  UniqueFd file(open((bundle.path() + "/secret").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(file);
  bundle.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  bundle.payload({"cat"});
  StartOptions options;
  options.stdin_fd = file.get();
  EXPECT_EQ(run(bundle, {}, options).out, "of root");
  struct stat facts {};
  ASSERT_EQ(fstat(file.get(), &facts), 0);
  EXPECT_EQ(facts.st_uid, 0U);
}

TEST_F(Process, ProgramOfTheInitIsNotForTheWorkloadAndSaysSo) {
  Bundle bundle;
  bundle.config["process"]["args"] = {"/proc/self/exe"};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 125) << describe(outcome);
  EXPECT_NE(outcome.err.find("minirun-init"), std::string::npos) << describe(outcome);
}

TEST_F(Process, ClosedStandardDescriptorsDoNoHarm) {
  Bundle bundle;
  bundle.payload({"exit", "6"});
  StartOptions options;
  options.in_child = [] {
    close(0);
    close(1);
    close(2);
  };
  Outcome outcome = run(bundle, {}, options);
  EXPECT_EQ(outcome.code, 6) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
