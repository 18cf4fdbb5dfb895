// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/plan_print.h"
#include "sys/kernel_abi.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

class CompileNamespaces : public CompileTest {
 protected:
  void join(uint64_t type, const std::string& path) {
    for (auto& ns : spec.linux_.namespaces)
      if (ns.type == type) ns.path = path;
  }
};

TEST_F(CompileNamespaces, NewOnesAreClonedButForTheCgroupNamespace) {
  auto all = lines();
  EXPECT_EQ(compiled.plan.clone_flags,
            uint64_t{CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET});
  expect_order(all, {"be killed when the parent dies", "unshare cgroup", "place the rootfs /bundle/rootfs on /",
                     "pivot into it"});
}

TEST_F(CompileNamespaces, AMountNamespaceOfTheRootfsAloneNeedsNoCopyAndNoPivot) {
  host.open_tree_namespace = true;
  auto all = lines();
  EXPECT_EQ(compiled.plan.clone_flags & CLONE_NEWNS, 0u);
  EXPECT_TRUE(has(all, "enter the mount namespace made from the rootfs /bundle/rootfs"));
  EXPECT_EQ(compiled.plan.slots[0].kind, SourceKind::rootfs_namespace);
  EXPECT_EQ(find(all, "pivot"), -1);
}

TEST_F(CompileNamespaces, AnOverlayTakesThePlaceOfTheRootfs) {
  host.open_tree_namespace = true;  // is for the rootfs alone
  options.overlay = 4096;
  auto all = lines();
  EXPECT_TRUE(has(all, "place an overlay over the rootfs /bundle/rootfs on /"));
  EXPECT_NE(compiled.plan.clone_flags & CLONE_NEWNS, 0u);
  const Source& source = compiled.plan.slots[0];
  EXPECT_EQ(source.kind, SourceKind::rootfs_overlay);
  EXPECT_EQ(source.detail, 4096u);
  const Parameters wanted = {{"redirect_dir", "=nofollow"}, {"metacopy", "=off"}, {"index", "=off"}};
  EXPECT_EQ(source.parameters, wanted);
  host.in_user_namespace = true;
  (void)lines();
  EXPECT_EQ(compiled.plan.slots[0].parameters.back().first, "userxattr");
}

TEST_F(CompileNamespaces, ARootThatCannotBePivotedIsCovered) {
  host.root_needs_move = true;
  EXPECT_GE(find(lines(), "change root into it"), 0);
  host.root_needs_move = false;
  options.no_pivot = true;
  EXPECT_GE(find(lines(), "change root into it"), 0);
}

TEST_F(CompileNamespaces, ACoveredRootThatStoodInItsPlaceForHooksIsMovedOnTop) {
  options.no_pivot = true;
  EXPECT_EQ(find(lines(), "move it on top"), -1);
  spec.hooks.create_container.push_back({"/hook", {}, {}, {}});
  expect_order(lines(), {"place the rootfs /bundle/rootfs on /bundle/rootfs", "move it on top of the host's root",
                         "change root into it"});
  EXPECT_EQ(step<steps::PlaceRoot>().propagation.value, abi::kMsSlave | abi::kMsRecursive)
      << "it stands on a mount of the host";
}

TEST_F(CompileNamespaces, WhatTheHostSeesOfTheKernelIsHiddenWhereItStaysBeneath) {
  host.kernel_views = {"/proc", "/srv/a b/sys"};
  EXPECT_EQ(find(lines(), "hide"), -1) << "it is pivoted away";
  options.no_pivot = true;
  for (bool in_place : {false, true}) {
    if (in_place) spec.hooks.create_container.push_back({"/hook", {}, {}, {}});
    // Where it stands in its place, the paths lead into it until it is moved.
    expect_order(lines(), {in_place ? "move it on top of the host's root" : "place the rootfs", "hide the host's /proc",
                           "hide the host's /srv/a b/sys", "change root into it"});
    EXPECT_EQ(step<steps::PlaceRoot>().propagation.value, abi::kMsSlave | abi::kMsRecursive)
        << "the host's /proc may be shared";
  }
  join(CLONE_NEWNS, "/proc/7/ns/mnt");
  EXPECT_EQ(find(lines(), "hide"), -1) << "others live there";
}

TEST_F(CompileNamespaces, PathsAreJoinedAndNothingNewIsMadeOfTheirKind) {
  join(CLONE_NEWNET, "/run/netns/web");
  join(CLONE_NEWCGROUP, "/proc/7/ns/cgroup");
  auto all = lines();
  EXPECT_EQ(compiled.plan.clone_flags & (CLONE_NEWNET | CLONE_NEWCGROUP), 0u);
  EXPECT_TRUE(has(all, "join network namespace /run/netns/web"));
  EXPECT_TRUE(has(all, "join cgroup namespace /proc/7/ns/cgroup"));
  EXPECT_EQ(find(all, "unshare"), -1);
  EXPECT_EQ(find(all, "bring the loopback"), -1) << "it is not the container's to configure";
  EXPECT_EQ(compiled.plan.slots[0].detail, uint64_t{CLONE_NEWNET});
  EXPECT_EQ(compiled.plan.slots[0].origin, "/linux/namespaces/4");
}

// Other processes there may trace: the process enters with nothing left to take.
TEST_F(CompileNamespaces, APidNamespaceIsEnteredByTheLastAct) {
  join(CLONE_NEWPID, "/proc/7/ns/pid");
  spec.mounts.push_back(mount_of("/proc", "proc", "proc", {}));
  expect_order(lines(),
               {"join pid namespace /proc/7/ns/pid", "unshare network,mount,ipc,uts", "unshare cgroup", "pivot into it",
                "mount proc of its pid namespace on /proc", "set capabilities", "close descriptors from 3 on",
                "clone the process that executes the program", "wait until minirun knows the process id", "execute"});
  ASSERT_TRUE(compiled.plan.birth);
  EXPECT_EQ(step<steps::Birth>().way, BirthWay::held);
  EXPECT_EQ(compiled.plan.clone_flags & CLONE_NEWPID, 0u);
  EXPECT_FALSE(compiled.init) << "its orphans go to the first process of that namespace";
  ASSERT_TRUE(compiled.proc_loan);
  EXPECT_EQ(step_with_origin(*compiled.proc_loan, 0), "/linux/namespaces/0: join pid namespace /proc/7/ns/pid");
}

TEST_F(CompileNamespaces, ACreatedContainerWaitsInAJoinedPidNamespaceWithWhatThatTakes) {
  join(CLONE_NEWPID, "/proc/7/ns/pid");
  options.create = true;
  for (bool executes : {true, false}) {
    if (!executes) spec.process.reset();
    expect_order(lines(),
                 {"close descriptors from 3 on, but for those", "clone the process", "be killed when the parent",
                  "wait until minirun knows", "outlive minirun", "wait for start"});
    EXPECT_EQ(step<steps::Birth>().way, BirthWay::alone);
    EXPECT_TRUE(compiled.start_socket);
  }
}

TEST_F(CompileNamespaces, LinksIntoAProcfsOfOthersNeedNoNumberThere) {
  (void)lines();
  EXPECT_EQ(step<steps::Symlink>().wanted.at, kNoText);
  join(CLONE_NEWPID, "/proc/7/ns/pid");
  (void)lines();
  EXPECT_NE(step<steps::Symlink>().wanted.at, kNoText);
}

TEST_F(CompileNamespaces, AMountNamespaceIsJoinedLastAndItsRootCovered) {
  host.open_tree_namespace = true;  // is for a new one
  join(CLONE_NEWNS, "/proc/7/ns/mnt");
  join(CLONE_NEWUTS, "/proc/7/ns/uts");
  auto all = lines();
  EXPECT_EQ(compiled.plan.clone_flags & CLONE_NEWNS, 0u);
  expect_order(
      all, {"unshare cgroup", "join uts namespace", "join mount namespace", "place the rootfs", "change root into it"});
}

TEST_F(CompileNamespaces, NamesOfTheHost) {
  spec.hostname = "web1";
  spec.domainname = "example.org";
  expect_order(lines(), {"set the hostname to web1", "set the domainname to example.org", "bring the loopback"});
}

class CompileRoot : public CompileTest {};

TEST_F(CompileRoot, IsReadOnlyAfterEverythingThatIsMadeInIt) {
  spec.root->readonly = true;
  spec.process->cwd = "/work";
  spec.linux_.masked_paths = {"/proc/kcore"};
  spec.process->terminal = true;
  expect_order(lines(), {"device null", "bind the terminal", "mask", "change directory to /work", "change / (ro)",
                         "start the workload"});
}

TEST_F(CompileRoot, IsASlaveOfTheHostUnlessAskedOtherwise) {
  EXPECT_EQ(find(lines(), "change / "), -1) << "the steps that enter the root see to it";
  spec.linux_.rootfs_propagation = abi::kMsSlave | abi::kMsRecursive;
  EXPECT_EQ(find(lines(), "change / "), -1);
  spec.linux_.rootfs_propagation = abi::kMsShared | abi::kMsRecursive;
  EXPECT_TRUE(has(lines(), "change / (rshared)"));
  spec.root->readonly = true;
  spec.linux_.rootfs_propagation = abi::kMsPrivate;
  EXPECT_TRUE(has(lines(), "change / (ro,private)"));
}

class CompileLimits : public CompileTest {
 protected:
  bool writes(const std::string& file, const std::string& value) {
    for (const Write& write : compiled.limits.writes)
      if (write.file == file && write.value == value) return true;
    return false;
  }
};

TEST_F(CompileLimits, TheCgroupIsWhereTheConfigSays) {
  (void)lines();
  EXPECT_EQ(compiled.cgroup_path, "/minirun-test");
  spec.linux_.cgroups_path = "/a/b";
  (void)lines();
  EXPECT_EQ(compiled.cgroup_path, "/a/b");
  spec.linux_.cgroups_path = "a/b";
  (void)lines();
  EXPECT_EQ(compiled.cgroup_path, "/a/b");
}

TEST_F(CompileLimits, EverySectionReachesItsFile) {
  oci::Resources resources;
  resources.memory = oci::Memory{};
  resources.memory->limit = 1 << 20;
  resources.memory->swap = 3 << 20;
  resources.cpu = oci::Cpu{};
  resources.cpu->quota = 20000;
  resources.cpu->period = 100000;
  resources.cpu->cpus = "0";
  resources.block_io = oci::BlockIo{};
  resources.block_io->throttle_read_bps_device = {{8, 16, 1000}};
  resources.hugepage_limits = {{"2MB", 4 << 20}};
  resources.rdma = {{"mlx5_0", {3, 4}}};
  resources.unified = {{"memory.high", "900000"}};
  spec.linux_.resources = resources;
  (void)lines();
  EXPECT_TRUE(writes("memory.max", "1048576"));
  EXPECT_TRUE(writes("memory.swap.max", "2097152"));
  EXPECT_TRUE(writes("cpu.max", "20000 100000"));
  EXPECT_TRUE(writes("cpuset.cpus", "0"));
  EXPECT_TRUE(writes("io.max", "8:16 rbps=1000"));
  EXPECT_TRUE(writes("hugetlb.2MB.max", "4194304"));
  EXPECT_TRUE(writes("rdma.max", "mlx5_0 hca_handle=3 hca_object=4"));
  EXPECT_TRUE(writes("memory.high", "900000"));
}

TEST_F(CompileLimits, TheInitsOwnTaskIsPaidFor) {
  spec.linux_.resources = oci::Resources{};
  spec.linux_.resources->pids_limit = 10;
  (void)lines();
  EXPECT_TRUE(writes("pids.max", "11"));
  options.init = false;
  (void)lines();
  EXPECT_TRUE(writes("pids.max", "10"));
}

TEST_F(CompileLimits, AnErrorPointsIntoTheConfig) {
  spec.linux_.resources = oci::Resources{};
  spec.linux_.resources->unified = {{"cgroup.procs", "0"}};
  EXPECT_EQ(lines()[0].find("/linux/resources: "), 0u) << lines()[0];
}

class PlanPrint : public CompileTest {};

TEST_F(PlanPrint, JsonSaysTheSameAsTheText) {
  spec.hostname = "web1";
  (void)lines();
  EXPECT_NE(plan_text(compiled).find(" set the hostname to web1  <- /hostname\n"), std::string::npos);
  std::string json = plan_json(compiled);
  EXPECT_NE(json.find("\"does\": \"set the hostname to web1\""), std::string::npos) << json;
  EXPECT_NE(json.find("\"op\": \"hostname\""), std::string::npos);
}

TEST_F(PlanPrint, ControlCharactersDoNotReachTheTerminal) {
  spec.hostname =
      "a\x1b[2Jb\n\xc2\x9b"
      "2J\x9b";
  (void)lines();
  EXPECT_NE(plan_text(compiled).find("set the hostname to a\\x1b[2Jb\\x0a\\xc2\\x9b2J\\x9b  <-"), std::string::npos);
}

TEST_F(CompileNamespaces, WithoutAMountNamespaceNothingIsMounted) {
  auto& all = spec.linux_.namespaces;
  all.erase(std::remove_if(all.begin(), all.end(), [](const auto& ns) { return ns.type == CLONE_NEWNS; }), all.end());
  options.notify = true;
  auto list = lines();
  expect_order(list, {"take the rootfs /bundle/rootfs as its root", "change root into it", "change directory to /"});
  for (const char* mounts : {"place ", "pivot", "enter ", "move it", "hide ", "mount ", "bind ", "in /dev", "device ",
                             "symlink ", "mask ", "change /"})
    EXPECT_EQ(find(list, mounts), -1) << mounts;
  EXPECT_FALSE(compiled.notify);
  EXPECT_EQ(compiled.warnings.size(), 1u);
}

// The container's first process alone waits for them: a gate would have minirun answer, which has run them long ago.
TEST_F(CompileNamespaces, NoOtherProcessWaitsForStartContainerHooks) {
  const oci::Hook hook{"/bin/true", {}, {}, {}};
  spec.hooks.start_container = {hook};
  EXPECT_GE(find(lines(), "wait for minirun: startContainer hooks"), 0);
  HookCall call{hook, "/hooks/startContainer/0", HookSide::start_container, "/"};
  for (const Compiled& other :
       {compile_exec(spec, facts(), ExecFacts()), compile_hook(spec, facts(), ExecFacts(), call)}) {
    EXPECT_FALSE(other.hooks_gate);
    for (const Step& step : other.plan.steps) EXPECT_NE(step.op, op_of<steps::WaitAtGate>);
  }
}

}  // namespace
}  // namespace minirun
