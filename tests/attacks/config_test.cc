// SPDX-License-Identifier: Apache-2.0
// Ids, cgroup paths, parameters, users, privileges and devices: what a config or a command line must not be able to do,
// and what a container must not have.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "sys/file.h"
#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class EvilConfig : public Attack {};

TEST_F(EvilConfig, IdsLeadNowhere) {
  // `crun delete --force ..` removed the parent of its state root.
  make_folders("/run/tests/neighbour");
  Bundle bundle;
  bundle.write();
  for (const std::string bad :
       {"", ".", "..", "../neighbour", "a/b", "/", "-x", "a b", "a\nb", "\xff", ".hidden", "\x1b[2J", "a\\b", "a:b"}) {
    for (const std::vector<std::string>& command : {std::vector<std::string>{"delete", "--force"},
                                                    {"delete"},
                                                    {"state"},
                                                    {"kill"},
                                                    {"start"},
                                                    {"pause"},
                                                    {"create", "--bundle", bundle.path()},
                                                    {"run", "--bundle", bundle.path()},
                                                    {"ps"},
                                                    {"update"},
                                                    {"wait"}}) {
      std::vector<std::string> args = command;
      args.push_back("--");
      args.push_back(bad);
      Outcome outcome = call(args);
      EXPECT_TRUE(outcome.code == 1) << command[0] << " \"" << bad << "\": " << describe(outcome);
      EXPECT_EQ(outcome.err.find('\x1b'), std::string::npos);
    }
  }
  EXPECT_EQ(access("/run/tests/neighbour", F_OK), 0);
  EXPECT_EQ(access(kState, F_OK), 0);
  EXPECT_EQ(rmdir("/run/tests/neighbour"), 0);
}

TEST_F(EvilConfig, CgroupsPathLeadsToNobodyElses) {
  // crun joined the cgroup and killed the processes in it.
  const std::string other = "/sys/fs/cgroup/other";
  ASSERT_EQ(mkdir(other.c_str(), 0755), 0);
  StartOptions options;
  options.in_child = [&] {
    if (!write_control(AT_FDCWD, other + "/cgroup.procs", "0")) _exit(97);
  };
  Running bystander({program("PAYLOAD", "payload"), "pause"}, options);
  ASSERT_TRUE(bystander.wait_for("ready"));
  for (const char* path : {"/other", "other", "/", "/../x", "..", "/other/../x", "/tests", "/other/.", "//other",
                           "/other//x", "/x/../../other", ".", "/x\n/y", "tests"}) {
    Bundle bundle;
    bundle.config["linux"]["cgroupsPath"] = path;
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 1) << path << ": " << describe(outcome);
    EXPECT_EQ(kill(bystander.pid(), 0), 0) << path;
    EXPECT_EQ(content(other + "/cgroup.procs"), std::to_string(bystander.pid())) << path;
  }
  bystander.send(SIGTERM);
  bystander.finish();
  EXPECT_TRUE(eventually([&] { return rmdir(other.c_str()) == 0; }));
}

TEST_F(EvilConfig, SysctlsSmuggleNothing) {
  // CVE-2022-0811 (cri-o), and parameters of the whole host.
  for (const char* key : {"kernel.core_pattern", "kernel/core_pattern", "net.ipv4.ip_forward+kernel.core_pattern",
                          "net/../kernel/core_pattern", "net..ipv4.ip_forward", "net/ipv4//ip_forward", "/net/ipv4/x",
                          "kernel.modprobe", "vm.swappiness", "kernel.shmmax=1", "net.ipv4.ip_forward ", "", ".", "..",
                          "kernel.shmmax\n", "net.ipv4.conf.all.x/../../../../../kernel/core_pattern", "fs.file-max",
                          "kernel.hostname/../core_pattern", "net"}) {
    Bundle bundle;
    bundle.config["linux"]["sysctl"] = {{key, "|/evil"}};
    EXPECT_EQ(run(bundle).code, 1) << key;
  }
  Bundle bundle;
  bundle.drop_namespace("network");
  bundle.config["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
  expect_refused(run(bundle), {"/linux/sysctl/net.ipv4.ip_forward"});
}

TEST_F(EvilConfig, UsersThatAreNoneAreNotRoot) {
  // CVE-2024-40635, CVE-2026-46680 (containerd), CVE-2026-30892 (crun).
  for (const json& uid : {json(-1), json(4294967295U), json(4294967296U), json(18446744073709551615U), json("0"),
                          json(1.0), json(nullptr), json("root"), json(1e10)})
    for (const char* field : {"uid", "gid", "additionalGids"}) {
      Bundle bundle;
      if (field == std::string("additionalGids"))
        bundle.config["process"]["user"][field] = {uid};
      else
        bundle.config["process"]["user"][field] = uid;
      bundle.payload({"report"});
      Outcome outcome = run(bundle);
      expect_refused(outcome, {std::string("/process/user/") + field});
    }
}

TEST_F(EvilConfig, CapabilitiesAreExactlyTheListed) {
  // CVE-2022-29162 (runc), CVE-2022-27650 (crun), CVE-2025-27612 (youki): unrequested inheritable ones.
  const std::string none = "0000000000000000";
  Bundle bundle;
  json seen = report(bundle);
  EXPECT_EQ(seen["cap_inheritable"], none);
  EXPECT_EQ(seen["cap_ambient"], none);
  EXPECT_EQ(seen["cap_bounding"], "0000000008000421");  // CHOWN, KILL, NET_BIND_SERVICE, MKNOD
  start(bundle);
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--cap", "CAP_SYS_PTRACE"}}) {
    Outcome outcome = exec(flags, {"/bin/payload", "report"});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    seen = json::parse(outcome.out);
    EXPECT_EQ(seen["cap_inheritable"], none);
    EXPECT_EQ(seen["cap_ambient"], none);
    EXPECT_EQ(seen["cap_bounding"], flags.empty() ? "0000000008000421" : "0000000008080421");
  }
  Outcome outcome = exec({"--user", "33"}, {"/bin/payload", "report"});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  seen = json::parse(outcome.out);
  for (const char* set : {"cap_effective", "cap_permitted", "cap_inheritable", "cap_ambient"})
    EXPECT_EQ(seen[set], none);
  end();
}

TEST_F(EvilConfig, DevicesAreDeniedUnlessAllowed) {
  // GHSA-g54h-m393-cpwq: a list of rules without a denial in front of it.
  for (const json& rules :
       {json(nullptr), json::array(),
        json::array({{{"allow", true}, {"type", "c"}, {"major", 1}, {"minor", 3}, {"access", "rwm"}}})}) {
    Bundle bundle;
    if (!rules.is_null()) bundle.config["linux"]["resources"]["devices"] = rules;
    for (const std::vector<std::string>& node :
         {std::vector<std::string>{"c", "1", "11"}, {"c", "1", "1"}, {"b", "254", "0"}}) {
      start(bundle);
      std::vector<std::string> make = {"/bin/payload", "mknod", "/tmp/node"};
      make.insert(make.end(), node.begin(), node.end());
      EXPECT_EQ(exec({}, make).out, "mknod 0\n");  // a node alone is harmless
      EXPECT_EQ(exec({}, {"/bin/payload", "opens", "r:/tmp/node", "w:/tmp/node"}).out, "/tmp/node 1\n/tmp/node 1\n");
      end();
      EXPECT_EQ(unlink((bundle.rootfs() + "/tmp/node").c_str()), 0);
    }
  }
}

TEST_F(EvilConfig, CgroupsAreReadOnlyWithoutANamespaceToo) {
  // CVE-2023-25809, CVE-2022-0492.
  for (bool own : {true, false}) {
    Bundle bundle;
    if (!own) bundle.drop_namespace("cgroup");
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro", "nosuid", "noexec", "nodev"});
    bundle.payload({"opens", "w:/sys/fs/cgroup/cgroup.procs", "c:/sys/fs/cgroup/made"});
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.out, "/sys/fs/cgroup/cgroup.procs 30\n/sys/fs/cgroup/made 30\n")
        << own << describe(outcome);  // EROFS
  }
}

TEST_F(EvilConfig, StateRootOfOthersIsRefused) {
  // CVE-2015-1331 (lxc): a user that can write there chooses what minirun believes and removes.
  constexpr const char* kRoot = "/run/tests/other-state";
  struct Case {
    unsigned mode;
    uid_t owner;
  };
  for (const Case& c : {Case{0770, 0}, Case{0777, 0}, Case{01777, 0}, Case{0720, 0}, Case{0700, 1000}}) {
    make_folders(kRoot);
    ASSERT_EQ(chmod(kRoot, c.mode), 0);
    ASSERT_EQ(chown(kRoot, c.owner, 0), 0);
    write_new_file(std::string(kRoot) + "/precious", "precious", 0644);
    Bundle bundle;
    bundle.write();
    for (std::vector<std::string> args : {std::vector<std::string>{"run", "--bundle", bundle.path(), "x"},
                                          {"create", "--bundle", bundle.path(), "x"},
                                          {"list"},
                                          {"state", "precious"},
                                          {"delete", "--force", "precious"}}) {
      args.insert(args.begin(), {program("MINIRUN", "minirun"), "--root", kRoot});
      expect_refused(Running(args, {}).finish(), {"state root", "writable by that user alone"});
    }
    EXPECT_EQ(content(std::string(kRoot) + "/precious"), "precious");
    EXPECT_NE(rmdir((std::string(kRoot) + "/x").c_str()), 0);
    remove_tree(kRoot);
  }
}

TEST_F(EvilConfig, LineEndsAreNoSeparators) {
  // CVE-2026-23953 (incus): what minirun writes down is read again as the same.
  Bundle bundle;
  const std::string evil = "EVIL=1\n\"}],\"pid\":1,\"x\":[{\"\nHOME=/precious\x7f";
  bundle.config["process"]["env"].push_back(evil);
  bundle.config["annotations"]["evil\n\"key"] = evil;
  json seen = report(bundle);
  EXPECT_NE(std::find(seen["env"].begin(), seen["env"].end(), json(evil)), seen["env"].end()) << seen["env"];
  start(bundle);
  Outcome outcome = call({"state", id()});
  json state = json::parse(outcome.out, nullptr, false);
  ASSERT_TRUE(state.is_object()) << describe(outcome);
  EXPECT_EQ(state["annotations"]["evil\n\"key"], evil);
  EXPECT_GT(state["pid"], 1);
  end();
}

TEST_F(EvilConfig, EnvironmentIsTheListAndNothingElse) {
  // CVE-2026-57231 (podman): a name without a value took the host's.
  StartOptions options;
  options.env.push_back("SECRET=precious");
  for (const char* entry : {"SECRET", "=x", ""}) {
    Bundle bundle;
    bundle.config["process"]["env"].push_back(entry);
    bundle.payload({"report"});
    Outcome outcome = run(bundle, {}, options);
    expect_refused(outcome, {"/process/env/2"});
  }
}

TEST_F(EvilConfig, AnnotationsDoNothingToTheHost) {
  // CVE-2024-3154 (cri-o): properties of a unit by annotation.
  Bundle bundle;
  const std::string evil = "['/bin/sh', '-c', 'touch /run/tests/host/made']";
  for (const char* key : {"org.systemd.property.ExecStart", "run.oci.handler", "io.podman.x\n",
                          "org.systemd.property.\xc3\xa9", "run.oci.keep_original_groups_", "../../x", ""})
    bundle.config["annotations"][key] = evil;
  EXPECT_TRUE(run_or_refuse(bundle));
  bundle.config["annotations"]["run.oci.systemd.subgroup"] = evil;
  expect_refused(run(bundle), {"/annotations/run.oci.systemd.subgroup: must be one name of a cgroup"});
}

TEST_F(EvilConfig, LongMessagesArriveWholeOrAreRefused) {
  // CVE-2021-43784: a length of 16 bits wrapped around.
  Bundle source;
  source.add_mount("/m", "bind", "/" + std::string(1 << 20, 'a'), {"bind"});
  expect_refused(run(source), {"/mounts/5"});
  Bundle mappings;
  mappings.config["linux"]["namespaces"].push_back({{"type", "user"}});
  for (unsigned i = 0; i < 100000; ++i)
    mappings.config["linux"]["uidMappings"].push_back({{"containerID", i}, {"hostID", i}, {"size", 1}});
  mappings.config["linux"]["gidMappings"] = {{{"containerID", 0}, {"hostID", 0}, {"size", 1}}};
  expect_refused(run(mappings), {"/linux/uidMappings"});
  for (size_t count : {65536U, 70000U, 100000U}) {
    Bundle bundle;
    for (size_t i = 0; i < count; ++i) bundle.config["process"]["env"].push_back("E" + std::to_string(i) + "=x");
    bundle.payload({"report"});
    Outcome outcome = run(bundle);
    if (outcome.code == 1) continue;  // more than execve(2) takes
    ASSERT_EQ(outcome.code, 0) << outcome.err;
    EXPECT_EQ(json::parse(outcome.out)["env"].size(), count + 3);  // PATH, TERM, HOME
  }
  Bundle arguments;
  std::vector<std::string> all = {"print"};
  for (int i = 0; i < 15; ++i) all.push_back(std::string(100000, static_cast<char>('a' + i)));
  arguments.payload(all);
  Outcome outcome = run(arguments);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out.size(), 15U * 100001);
}

}  // namespace
}  // namespace minirun::testing
