// What only a kernel can prove: needs root and cgroup2 at /sys/fs/cgroup, and keeps to a cgroup of its own there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "cgroups/cgroup.h"
#include "cgroups/device_filter.h"
#include "cgroups/stats.h"
#include "sys/file.h"

namespace minirun {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

Cgroup::Deadline in(milliseconds time) {
  return steady_clock::now() + time;
}

class CgroupRoot : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "not root";
    auto found = find_hierarchy();
    if (!found || found->mount_point != "/sys/fs/cgroup") GTEST_SKIP() << "no cgroup2 at /sys/fs/cgroup";
    hierarchy_ = std::move(*found);
    base_ = "/minirun-test-" + std::to_string(getpid());
    if (mkdirat(root(), base_.c_str() + 1, 0755) < 0) {
      base_.clear();
      GTEST_SKIP() << "cgroup2 at /sys/fs/cgroup is not writable";
    }
  }
  void TearDown() override {
    if (base_.empty()) return;
    for (pid_t child : children_) {
      ::kill(child, SIGKILL);
      waitpid(child, nullptr, 0);
    }
    // Whatever a test has left below it would show here.
    EXPECT_EQ(unlinkat(root(), base_.c_str() + 1, AT_REMOVEDIR), 0) << "something is left in " << base_;
  }

  int root() { return hierarchy_.root.get(); }
  bool exists(const std::string& path) { return faccessat(root(), path.c_str() + 1, F_OK, 0) == 0; }
  bool offers(const char* controller) {
    auto list = read_file(root(), "cgroup.subtree_control");
    return list && (" " + *list).find(std::string(" ") + controller) != std::string::npos;
  }

  // A process born in the cgroup that runs `body` and exits with what it returns.
  template <class Body>
  pid_t spawn(int cgroup_fd, Body body) {
    clone_args args{};
    args.flags = CLONE_INTO_CGROUP;
    args.exit_signal = SIGCHLD;
    args.cgroup = static_cast<uint64_t>(cgroup_fd);
    auto pid = static_cast<pid_t>(syscall(SYS_clone3, &args, sizeof args));
    if (pid == 0) _exit(body());
    if (pid > 0) children_.push_back(pid);
    return pid;
  }
  pid_t spawn_sleeper(int cgroup_fd) {
    return spawn(cgroup_fd, [] {
      for (;;) pause();
      return 0;
    });
  }
  int wait_for(pid_t pid) {
    int status = 0;
    waitpid(pid, &status, 0);
    std::erase(children_, pid);
    return status;
  }

  Hierarchy hierarchy_;
  std::string base_;
  std::vector<pid_t> children_;
};

TEST_F(CgroupRoot, MakesMissingAncestorsAndRemovesOnlyThose) {
  std::string kept = base_ + "/kept";
  ASSERT_EQ(mkdirat(root(), kept.c_str() + 1, 0755), 0);
  auto cgroup = Cgroup::create(hierarchy_, kept + "/a/b", {});
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  EXPECT_EQ(cgroup->record().made, 2U);
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_FALSE(exists(kept + "/a"));
  EXPECT_TRUE(exists(kept));
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());  // again is no error
  unlinkat(root(), kept.c_str() + 1, AT_REMOVEDIR);
}

TEST_F(CgroupRoot, SharedParentStaysWhileOthersUseIt) {
  auto first = Cgroup::create(hierarchy_, base_ + "/shared/1", {});
  auto second = Cgroup::create(hierarchy_, base_ + "/shared/2", {});
  ASSERT_TRUE(first->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_TRUE(exists(base_ + "/shared/2"));
  ASSERT_TRUE(second->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  unlinkat(root(), (base_ + "/shared").c_str() + 1, AT_REMOVEDIR);
}

TEST_F(CgroupRoot, RefusesPathsThatLeaveTheTree) {
  for (const char* path : {"", "a", "/", "//", "/a//b", "/a/", "/../a", "/a/..", "/a/./b", "/a\nb"}) {
    auto cgroup = Cgroup::create(hierarchy_, path, {});
    ASSERT_FALSE(cgroup.ok()) << path;
    EXPECT_EQ(cgroup.error().code, EINVAL) << path;
  }
}

TEST_F(CgroupRoot, TakesAnEmptyCgroupAndLeavesItThere) {
  std::string path = base_ + "/mine";
  ASSERT_EQ(mkdirat(root(), path.c_str() + 1, 0755), 0);
  auto cgroup = Cgroup::create(hierarchy_, path, {});
  ASSERT_TRUE(cgroup.ok());
  EXPECT_EQ(cgroup->record().made, 0U);
  spawn_sleeper(cgroup->fd());
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_TRUE(exists(path));
  unlinkat(root(), path.c_str() + 1, AT_REMOVEDIR);
}

TEST_F(CgroupRoot, RefusesACgroupInUseAndSaysByWhom) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/used", {});
  pid_t sleeper = spawn_sleeper(cgroup->fd());
  auto again = Cgroup::create(hierarchy_, base_ + "/used", {});
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code, EEXIST);
  EXPECT_NE(again.error().message.find("pid " + std::to_string(sleeper)), std::string::npos) << again.error().text();
  EXPECT_EQ(::kill(sleeper, 0), 0);  // and leaves it alone
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, RefusesACgroupThatHasChildrenOrIsFrozen) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/used", {});
  ASSERT_EQ(mkdirat(cgroup->fd(), "child", 0755), 0);
  EXPECT_EQ(Cgroup::create(hierarchy_, base_ + "/used", {}).error().text(),
            "cgroup " + base_ + "/used has child cgroups: file exists");
  unlinkat(cgroup->fd(), "child", AT_REMOVEDIR);
  ASSERT_TRUE(write_control(cgroup->fd(), "cgroup.freeze", "1").ok());
  EXPECT_EQ(Cgroup::create(hierarchy_, base_ + "/used", {}).error().text(),
            "cgroup " + base_ + "/used is frozen: file exists");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, FailureLeavesNothing) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a/b/c", {{"nonsense", "unified.nonsense.max"}});
  ASSERT_FALSE(cgroup.ok());
  EXPECT_FALSE(exists(base_ + "/a"));
  auto deep = Cgroup::create(hierarchy_, base_ + "/a/cgroup.procs/x", {});
  EXPECT_FALSE(deep.ok());
  EXPECT_FALSE(exists(base_ + "/a"));
}

TEST_F(CgroupRoot, AncestorWithProcessesIsTheReason) {
  if (!offers("hugetlb")) GTEST_SKIP() << "no hugetlb controller in the root cgroup";
  auto parent = Cgroup::create(hierarchy_, base_ + "/parent", {});
  spawn_sleeper(parent->fd());
  auto child = Cgroup::create(hierarchy_, base_ + "/parent/child", {{"hugetlb", "hugepageLimits[0]"}});
  ASSERT_FALSE(child.ok());
  EXPECT_EQ(child.error().text(),
            "hugepageLimits[0] needs the hugetlb controller, which cannot be enabled below cgroup " + base_ +
                "/parent (it has processes of its own, and a cgroup with processes cannot pass controllers on): device "
                "or resource busy");
  EXPECT_FALSE(exists(base_ + "/parent/child"));
  ASSERT_TRUE(parent->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, LimitsAreWrittenAndReadBack) {
  if (!offers("hugetlb")) GTEST_SKIP() << "no hugetlb controller in the root cgroup";
  Limits limits;
  limits.hugepages = {{"2MB", 8 << 20}};
  auto plan = plan_limits(limits);
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a/b", plan->needed);
  ASSERT_TRUE(cgroup.ok()) << cgroup.error().text();
  auto applied = cgroup->apply(plan->writes);
  ASSERT_TRUE(applied.ok()) << applied.error().text();
  EXPECT_EQ(*read_file(cgroup->fd(), "hugetlb.2MB.max"), "8388608\n");
  EXPECT_EQ(*read_file(cgroup->fd(), "hugetlb.2MB.rsvd.max"), "8388608\n");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, ApplySaysWhichLimitAndWhy) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto error = [&](const Write& write) { return cgroup->apply({write}).error().text(); };
  EXPECT_EQ(error({.file = "hugetlb.3MB.max", .value = "1", .origin = "hugepageLimits[0]"}),
            "hugepageLimits[0]: write \"1\" to hugetlb.3MB.max of cgroup " + base_ +
                "/a (this machine has no huge pages of that size): no such file or directory");
  EXPECT_EQ(error({.file = "cgroup.max.depth", .value = "x", .origin = "unified.cgroup.max.depth"}),
            "unified.cgroup.max.depth: write \"x\" to cgroup.max.depth of cgroup " + base_ +
                "/a (the kernel does not take this value): invalid argument");
  EXPECT_TRUE(cgroup->apply({{.file = "x.max", .value = "max", .origin = "x", .may_be_missing = true}}).ok());
  EXPECT_TRUE(cgroup
                  ->apply({{.file = "x.max",
                            .value = "1",
                            .origin = "x",
                            .fallback_file = "cgroup.max.depth",
                            .fallback_value = "7"}})
                  .ok());
  EXPECT_EQ(*read_file(cgroup->fd(), "cgroup.max.depth"), "7\n");
  EXPECT_EQ(error({.file = "cgroup.max.depth", .value = "1", .origin = "x", .not_below = "cgroup.max.depth"}),
            "x: 1 is less than the 7 bytes in use (cgroup.max.depth): device or resource busy");
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, KillReachesNestedAndFrozenProcesses) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  ASSERT_EQ(mkdirat(cgroup->fd(), "x", 0755), 0);
  ASSERT_EQ(mkdirat(cgroup->fd(), "x/y", 0755), 0);
  ASSERT_EQ(mkdirat(cgroup->fd(), "z", 0755), 0);
  auto nested = open_at(cgroup->fd(), "x/y", O_RDONLY | O_DIRECTORY);
  pid_t outer = spawn_sleeper(cgroup->fd());
  pid_t inner = spawn_sleeper(nested->get());
  ASSERT_TRUE(write_control(cgroup->fd(), "cgroup.freeze", "1").ok());
  auto start = steady_clock::now();
  auto removed = cgroup->remove(Cgroup::Processes::kill, in(seconds(5)));
  ASSERT_TRUE(removed.ok()) << removed.error().text();
  EXPECT_LT(steady_clock::now() - start, seconds(1));
  EXPECT_FALSE(exists(base_ + "/a"));
  EXPECT_EQ(wait_for(outer), SIGKILL);
  EXPECT_EQ(wait_for(inner), SIGKILL);
}

TEST_F(CgroupRoot, RemoveWaitsForProcessesWithoutKilling) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  pid_t child = spawn(cgroup->fd(), [] {
    usleep(50000);
    return 7;
  });
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::wait, in(seconds(5))).ok());
  EXPECT_EQ(wait_for(child), 7 << 8);
}

TEST_F(CgroupRoot, RemoveNamesWhoIsStillInsideAtTheDeadline) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  ASSERT_EQ(mkdirat(cgroup->fd(), "x", 0755), 0);
  auto nested = open_at(cgroup->fd(), "x", O_RDONLY | O_DIRECTORY);
  pid_t sleeper = spawn_sleeper(nested->get());
  auto start = steady_clock::now();
  auto removed = cgroup->remove(Cgroup::Processes::wait, in(milliseconds(100)));
  EXPECT_LT(steady_clock::now() - start, milliseconds(500));
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().code, EBUSY);
  EXPECT_NE(removed.error().message.find("still in use by pid " + std::to_string(sleeper) + " ("), std::string::npos)
      << removed.error().text();
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, DeepAndWideTreesOfTheContainerGoToo) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto here = open_at(cgroup->fd(), ".", O_PATH | O_DIRECTORY);
  for (int depth = 0; depth < 300; ++depth) {
    ASSERT_EQ(mkdirat(here->get(), "d", 0755), 0);
    ASSERT_EQ(mkdirat(here->get(), "e", 0755), 0);
    here = open_at(here->get(), "d", O_PATH | O_DIRECTORY);
  }
  auto removed = cgroup->remove(Cgroup::Processes::kill, in(seconds(20)));
  ASSERT_TRUE(removed.ok()) << removed.error().text();
  EXPECT_FALSE(exists(base_ + "/a"));
}

TEST_F(CgroupRoot, RecordFindsTheSameCgroupAndNoOther) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  CgroupRecord record = cgroup->record();
  EXPECT_TRUE(Cgroup::open(hierarchy_, record).ok());
  ASSERT_EQ(unlinkat(root(), record.path.c_str() + 1, AT_REMOVEDIR), 0);
  EXPECT_EQ(Cgroup::open(hierarchy_, record).error().code, ENOENT);
  auto other = Cgroup::create(hierarchy_, base_ + "/a", {});
  pid_t bystander = spawn_sleeper(other->fd());
  EXPECT_EQ(Cgroup::open(hierarchy_, record).error().code, ESTALE);
  EXPECT_TRUE(cgroup->kill().ok());  // its own is gone
  EXPECT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_TRUE(exists(base_ + "/a"));
  EXPECT_EQ(waitpid(bystander, nullptr, WNOHANG), 0) << "a bystander was killed";
  ASSERT_TRUE(other->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, UnknownCgroupIsRemovedOnlyWhenEmpty) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  pid_t bystander = spawn_sleeper(cgroup->fd());
  auto unknown = Cgroup::open(hierarchy_, {.path = base_ + "/a", .made = 1});
  ASSERT_TRUE(unknown.ok());
  EXPECT_EQ(unknown->kill().error().code, EPERM);
  EXPECT_EQ(unknown->remove(Cgroup::Processes::kill, in(seconds(5))).error().code, EPERM);
  EXPECT_EQ(waitpid(bystander, nullptr, WNOHANG), 0) << "a bystander was killed";
  ::kill(bystander, SIGKILL);
  wait_for(bystander);
  EXPECT_TRUE(unknown->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
  EXPECT_FALSE(exists(base_ + "/a"));
}

TEST_F(CgroupRoot, ExplainsWhyNobodyCanBeBornInIt) {
  if (!offers("hugetlb")) GTEST_SKIP() << "no hugetlb controller in the root cgroup";
  auto child = Cgroup::create(hierarchy_, base_ + "/a/b", {{"hugetlb", "hugepageLimits[0]"}});
  auto parent = Cgroup::open(hierarchy_, {.path = base_ + "/a", .made = 1});
  EXPECT_EQ(spawn_sleeper(parent->fd()), -1);
  EXPECT_EQ(parent->explain_join(errno),
            "cgroup " + base_ + "/a passes controllers on to children (hugetlb), so it cannot have processes itself");
  EXPECT_EQ(parent->explain_join(ENOMEM), "");
  ASSERT_TRUE(child->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, StatsOfARunningCgroupHaveItsCpuTime) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  wait_for(spawn(cgroup->fd(), [] { return 0; }));
  auto stats = read_stats(cgroup->fd());
  ASSERT_TRUE(stats.ok()) << stats.error().text();
  EXPECT_TRUE(stats->cpu_usage_us.has_value());
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

// 0, or the errno of opening a node for the device.
int try_device(uint32_t major, uint32_t minor, int flags) {
  std::string node = "/tmp/minirun-node-" + std::to_string(getpid());
  if (mknod(node.c_str(), S_IFCHR | 0600, makedev(major, minor)) < 0) return errno;
  int fd = open(node.c_str(), flags | O_NONBLOCK | O_NOCTTY);
  int code = fd < 0 ? errno : 0;
  unlink(node.c_str());
  if (fd >= 0) close(fd);
  return code;
}

TEST_F(CgroupRoot, DeviceFilterIsTakenAndKeptByTheKernel) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  auto program =
      compile_device_filter(with_default_devices({{true, DeviceType::character, 1, 11, kDeviceRead}}, false));
  auto attached = attach_device_filter(cgroup->fd(), *program);
  ASSERT_TRUE(attached.ok()) << attached.error().text();
  int status = wait_for(spawn(cgroup->fd(), [] {
    if (try_device(1, 3, O_RDWR) != 0) return 1;     // null: allowed by default
    if (try_device(1, 11, O_RDONLY) != 0) return 2;  // kmsg: reading allowed
    if (try_device(1, 11, O_WRONLY) != EPERM) return 3;
    if (try_device(1, 11, O_RDWR) != EPERM) return 4;   // one bit too many
    if (try_device(1, 4, O_RDONLY) != EPERM) return 5;  // port
    return 0;
  }));
  EXPECT_EQ(status, 0);
  EXPECT_EQ(try_device(1, 11, O_WRONLY), 0);  // outside of the cgroup nothing changed
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, VerifierTakesEveryKindOfFilter) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  constexpr DeviceType kTypes[] = {DeviceType::any, DeviceType::block, DeviceType::character};
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::vector<DeviceRule> rules;
    for (unsigned i = 0, n = seed; i < 1 + seed % 4; ++i, n = n * 2654435761U + i) {
      DeviceRule rule{(n & 1) != 0, kTypes[n / 2 % 3], {}, {}, static_cast<uint8_t>(1 + n / 64 % 7)};
      if ((n & 16) != 0) rule.major = n / 512 % 3;
      if ((n & 32) != 0) rule.minor = n / 2048 % 3;
      rules.push_back(rule);
    }
    auto program = compile_device_filter(rules);
    auto attached = attach_device_filter(cgroup->fd(), *program);
    if (!attached && attached.error().code == E2BIG) {  // as many as a cgroup can have
      ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
      cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
      attached = attach_device_filter(cgroup->fd(), *program);
    }
    ASSERT_TRUE(attached.ok()) << seed << ": " << attached.error().text();
  }
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

TEST_F(CgroupRoot, VerifierIsQuotedWhenItRefuses) {
  auto cgroup = Cgroup::create(hierarchy_, base_ + "/a", {});
  bpf_insn no_verdict{BPF_JMP | BPF_EXIT, 0, 0, 0, 0};
  auto attached = attach_device_filter(cgroup->fd(), {no_verdict});
  ASSERT_FALSE(attached.ok());
  EXPECT_NE(attached.error().message.find("R0 !read_ok"), std::string::npos) << attached.error().text();
  ASSERT_TRUE(cgroup->remove(Cgroup::Processes::kill, in(seconds(5))).ok());
}

}  // namespace
}  // namespace minirun
