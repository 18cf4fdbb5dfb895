// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/arguments.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>

#include "runtime/oci/bundle.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

using Arguments = std::vector<std::string>;

bool has(const Arguments& all, const Arguments& part) {
  return std::search(all.begin(), all.end(), part.begin(), part.end()) != all.end();
}

DumpFacts dump_facts() {
  DumpFacts facts;
  facts.pid = 42;
  facts.images = "/img";
  facts.work = "/work-dir";
  facts.rootfs = "/b/rootfs";
  facts.cgroup_directory = "/sys/fs/cgroup/c";
  facts.cgroup_path = "/c";
  facts.mounts = {{"/data", "/srv/data"}};
  facts.descriptors = {"file[3c:3]", "pipe:[9]", "file[3c:3]"};
  facts.joined = {"net[4026532]:extRootNetNS"};
  return facts;
}

TEST(CriuArguments, DumpSaysWhatStaysOutside) {
  auto arguments = dump_arguments(DumpOptions{}, dump_facts());
  ASSERT_TRUE(arguments.ok()) << arguments.error().text();
  EXPECT_EQ(*arguments, (Arguments{"dump",
                                   "--tree",
                                   "42",
                                   "--images-dir",
                                   "/img",
                                   "--work-dir",
                                   "/work-dir",
                                   "--log-file",
                                   "dump.log",
                                   "-v4",
                                   "--root",
                                   "/b/rootfs",
                                   "--external",
                                   "mnt[/data]:/data",
                                   "--external",
                                   "net[4026532]:extRootNetNS",
                                   "--external",
                                   "file[3c:3]",
                                   "--manage-cgroups=ignore",
                                   "--freeze-cgroup",
                                   "/sys/fs/cgroup/c"}));
}

TEST(CriuArguments, ProgramOfTheInitStaysOutside) {
  DumpFacts facts = dump_facts();
  facts.init = "file[1f:400]";
  auto arguments = dump_arguments(DumpOptions{}, facts);
  ASSERT_TRUE(arguments.ok());
  auto at = std::find(arguments->begin(), arguments->end(), "file[1f:400]");
  ASSERT_NE(at, arguments->end());
  EXPECT_EQ(*(at - 1), "--external");
}

TEST(CriuArguments, DumpTakesEveryFlag) {
  DumpOptions command;
  command.leave_running = command.tcp_established = command.tcp_skip_in_flight = command.link_remap = true;
  command.ext_unix_sk = command.shell_job = command.file_locks = command.auto_dedup = true;
  command.parent_path = "../before";
  command.page_server = "[::1]:27";
  command.manage_cgroups_mode = "soft";
  command.empty_ns = {"network"};
  command.status_fd = 7;
  auto arguments = dump_arguments(command, dump_facts());
  ASSERT_TRUE(arguments.ok()) << arguments.error().text();
  for (const char* flag : {"--leave-running", "--tcp-established", "--skip-in-flight", "--link-remap", "--ext-unix-sk",
                           "--shell-job", "--file-locks", "--auto-dedup", "--track-mem", "--manage-cgroups=soft"})
    EXPECT_TRUE(has(*arguments, {flag})) << flag;
  EXPECT_TRUE(has(*arguments, {"--prev-images-dir", "../before"}));
  EXPECT_TRUE(has(*arguments, {"--page-server", "--address", "::1", "--port", "27"}));
  EXPECT_TRUE(has(*arguments, {"--empty-ns", "net"}));
  EXPECT_TRUE(has(*arguments, {"--status-fd", "7"}));
  command = DumpOptions{};
  command.lazy_pages = true;
  EXPECT_TRUE(has(*dump_arguments(command, dump_facts()), {"--lazy-pages"}));
}

TEST(CriuArguments, PreDumpTracksMemoryAndRunsOnAnyway) {
  DumpOptions command;
  command.pre_dump = command.leave_running = true;
  auto arguments = dump_arguments(command, dump_facts());
  ASSERT_TRUE(arguments.ok());
  EXPECT_EQ((*arguments)[0], "pre-dump");
  EXPECT_TRUE(has(*arguments, {"--track-mem"}));
  EXPECT_FALSE(has(*arguments, {"--leave-running"}));
}

TEST(CriuArguments, WithoutIptablesPeersAreHeldBackOnlyWhereThereAreSome) {
  DumpFacts facts = dump_facts();
  facts.iptables = false;
  DumpOptions command;
  EXPECT_TRUE(has(*dump_arguments(command, facts), {"--network-lock", "skip"}));
  command.tcp_established = true;
  EXPECT_TRUE(has(*dump_arguments(command, facts), {"--network-lock", "nftables"}));
}

TEST(CriuArguments, WhatDoesNotGoTogetherIsRefused) {
  auto message = [](auto change) {
    DumpOptions command;
    change(command);
    auto arguments = dump_arguments(command, dump_facts());
    return arguments.ok() ? "" : arguments.error().text();
  };
  EXPECT_EQ(message([](auto& c) { c.pre_dump = c.lazy_pages = true; }),
            "--pre-dump and --lazy-pages exclude each other");
  EXPECT_NE(message([](auto& c) { c.leave_running = c.lazy_pages = true; }), "");
  EXPECT_NE(message([](auto& c) { c.parent_path = "/abs"; }).find("must be relative"), std::string::npos);
  EXPECT_NE(message([](auto& c) { c.page_server = "nohost"; }).find("ADDRESS:PORT"), std::string::npos);
  EXPECT_NE(message([](auto& c) { c.manage_cgroups_mode = "hard"; }).find("soft, full"), std::string::npos);
  EXPECT_NE(message([](auto& c) { c.empty_ns = {"uts"}; }).find("only network"), std::string::npos);
}

TEST(CriuArguments, RestoreIsMinirunsChildAndTakesWhatIsOutside) {
  RestoreFacts facts{"/img",
                     "/w",
                     "/b/rootfs",
                     "/s/criu.pid",
                     "/c",
                     {{"/data", "/srv/data"}},
                     {{64, "pipe:[9]"}},
                     {{"uts", "/run/uts"}}};
  RestoreOptions command;
  command.manage_cgroups_mode = "full";
  command.lsm_profile = "apparmor:web";
  command.lsm_mount_context = "ctx";
  command.empty_ns = {"network"};
  command.tcp_established = command.ext_unix_sk = command.shell_job = command.file_locks = true;
  command.auto_dedup = command.lazy_pages = true;
  auto arguments = restore_arguments(command, facts);
  ASSERT_TRUE(arguments.ok()) << arguments.error().text();
  EXPECT_TRUE(has(*arguments, {"restore", "--restore-detached", "--restore-sibling", "--pidfile", "/s/criu.pid"}));
  EXPECT_TRUE(has(*arguments, {"--external", "mnt[/data]:/srv/data", "--inherit-fd", "fd[64]:pipe:[9]", "--join-ns",
                               "uts:/run/uts", "--manage-cgroups=full", "--cgroup-root", "/c", "--empty-ns", "net"}));
  EXPECT_TRUE(has(*arguments, {"--tcp-established", "--ext-unix-sk", "--shell-job", "--file-locks", "--auto-dedup",
                               "--lazy-pages", "--lsm-profile", "apparmor:web", "--lsm-mount-context", "ctx"}));
  EXPECT_FALSE(has(*restore_arguments(RestoreOptions{}, facts), {"--cgroup-root"})) << "criu is started inside";
}

TEST(CriuMounts, AreWhatTheHostGives) {
  oci::Spec spec;
  spec.mounts = {mount_of("/proc", "proc", "proc", {}), mount_of("/data/", "", "data", {"rbind"}),
                 mount_of("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"})};
  spec.linux_.masked_paths = {"/proc/keys"};
  spec.process.emplace().terminal = true;
  std::string text;
  for (const CriuMount& mount : criu_mounts(spec, "/b", "/sys/fs/cgroup/c", "/dev/pts/3"))
    text.append(mount.destination).append("=").append(mount.source).append("\n");
  EXPECT_EQ(text, "/data=/b/data\n/sys/fs/cgroup=/sys/fs/cgroup/c\n/proc/keys=/dev/null\n/dev/console=/dev/pts/3\n");
}

TEST(CriuNamespaces, AreThoseJoinedByPath) {
  oci::Spec spec;
  spec.linux_.namespaces = {{CLONE_NEWPID, ""}, {CLONE_NEWNET, "/run/net"}, {CLONE_NEWUTS, "/run/uts"}};
  auto joined = criu_namespaces(spec);
  ASSERT_EQ(joined.size(), 2U);
  EXPECT_EQ(joined[0].type + joined[0].path, "net/run/net");
  EXPECT_EQ(external_namespace_key(joined[0].type), "extRootNetNS");
  EXPECT_EQ(external_namespace_key(joined[1].type), "") << "criu joins it";
}

TEST(CriuErrors, AreTheLastOfTheLog) {
  EXPECT_EQ(criu_errors("(00.1) Warn  (criu/a.c:1): x\n"), "");
  EXPECT_EQ(criu_errors("(0.1) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: no\n"
                        "(0.2) Error (criu/a.c:1): one\n(0.3) Error (criu/a.c:2): two\n"
                        "(0.4)      1: Error (criu/a.c:3): three\n(0.5) Error (criu/a.c:4): four"),
            "two; three; four");
}

TEST(CriuDescriptors, ListIsReadAsItWasWritten) {
  Arguments names = {"", "pipe:[1]", "tty[8800:2c]"};
  EXPECT_EQ(descriptors_to_json(names), R"(["","pipe:[1]","tty[8800:2c]"])");
  EXPECT_EQ(*descriptors_from_json(descriptors_to_json(names)), names);
  EXPECT_FALSE(descriptors_from_json("{}").ok());
  EXPECT_FALSE(descriptors_from_json("[1]").ok());
  EXPECT_FALSE(descriptors_from_json("[").ok());
}

}  // namespace
}  // namespace minirun
