// SPDX-License-Identifier: Apache-2.0
// Enabling controllers, on a tree of plain files.
#include "cgroups/controllers.h"

#include <fcntl.h>
#include <ftw.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "cgroups/cgroup.h"
#include "cgroups/processes.h"
#include "cgroups/stats.h"
#include "sys/file.h"

namespace minirun {
namespace {

using std::chrono::steady_clock;

int remove_entry(const char* path, const struct stat*, int, FTW*) {
  return remove(path);
}

class FakeTree : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/minirun-cgroups-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    root_ = UniqueFd(open(name, O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  void TearDown() override { nftw(path_.c_str(), remove_entry, 16, FTW_DEPTH | FTW_PHYS); }

  void cgroup(const std::string& path, const std::string& controllers, const std::string& subtree) {
    std::string directory = path_ + "/" + path;
    ASSERT_TRUE(path.empty() || mkdir(directory.c_str(), 0755) == 0);
    write(path + "/cgroup.controllers", controllers);
    write(path + "/cgroup.subtree_control", subtree);
  }
  void write(const std::string& file, const std::string& text) {
    UniqueFd fd(openat(root_.get(), (path_ + "/" + file).c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644));
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string subtree(const std::string& path) {
    return *read_file(AT_FDCWD, path_ + "/" + path + "/cgroup.subtree_control");
  }
  int root() { return root_.get(); }

 private:
  std::string path_;
  UniqueFd root_;
};

}  // namespace

TEST(ListsController, TakesWholeWordsOnly) {
  EXPECT_TRUE(lists_controller("cpuset cpu io\n", "cpu"));
  EXPECT_FALSE(lists_controller("cpuset io\n", "cpu"));
  EXPECT_FALSE(lists_controller("hugetlb-cpu io", "cpu"));
  EXPECT_TRUE(lists_controller("io", "io"));
  EXPECT_FALSE(lists_controller("", "io"));
}

TEST_F(FakeTree, LooksAtNothingElseWhereTheCgroupHasAllItNeeds) {
  cgroup("a", "cpu memory\n", "");
  auto done = enable_controllers(root(), "/a", {{"memory", "memory.limit"}});
  EXPECT_TRUE(done.ok()) << done.error().text();  // the root has no files at all
}

TEST_F(FakeTree, EnablesInEachAncestorWhatIsNotEnabled) {
  cgroup("", "cpu memory pids\n", "memory\n");
  cgroup("a", "memory\n", "");
  cgroup("a/b", "", "");
  auto done = enable_controllers(root(), "/a/b", {{"memory", "memory.limit"}});
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_EQ(subtree(""), "memory\n");
  EXPECT_EQ(subtree("a"), "+memory");
  EXPECT_EQ(subtree("a/b"), "");  // the container's own is not touched: it would forbid processes
}

TEST_F(FakeTree, NamesTheLimitWhenNobodyHasTheController) {
  cgroup("", "cpu\n", "");
  cgroup("a", "", "");
  auto done = enable_controllers(root(), "/a", {{"cpu", "cpu.shares"}, {"nonsense", "unified.nonsense.max"}});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().text(), "unified.nonsense.max needs the nonsense controller, which this kernel does not have");
  EXPECT_EQ(subtree(""), "");  // all are looked at before the first write
}

TEST_F(FakeTree, OffersToEachCgroupWhatItsAncestorsHave) {
  cgroup("", "cpu memory pids\n", "memory\n");
  cgroup("a", "memory pids\n", "");
  cgroup("a/b", "", "");
  auto done = enable_offered(root(), "", "/a/b");
  ASSERT_TRUE(done.ok()) << done.error().text();
  EXPECT_TRUE(done->empty());
  EXPECT_EQ(subtree(""), "+cpu +pids");
  EXPECT_EQ(subtree("a"), "+memory +pids");
  EXPECT_EQ(subtree("a/b"), "") << "the container's own is its own";
}

TEST_F(FakeTree, OffersNothingAboveTheTop) {
  cgroup("", "cpu memory\n", "");
  cgroup("a", "memory\n", "");
  cgroup("a/b", "", "");
  ASSERT_TRUE(enable_offered(root(), "/a", "/a/b").ok());
  EXPECT_EQ(subtree(""), "") << "systemd's";
  EXPECT_EQ(subtree("a"), "+memory");
}

// The kernel would take the write and make the cgroup the root of a threaded subtree, where nothing can be born.
TEST_F(FakeTree, NothingIsWrittenWhereProcessesAre) {
  cgroup("", "cpu pids\n", "");
  cgroup("a", "cpu pids\n", "");
  cgroup("a/b", "", "");
  write("a/cgroup.type", "domain\n");
  write("a/cgroup.procs", "12\n");
  auto offered = enable_offered(root(), "", "/a/b");
  ASSERT_TRUE(offered.ok()) << offered.error().text();
  ASSERT_EQ(offered->size(), 2U);
  EXPECT_EQ(offered->front(),
            "cpu in /a: it has processes of its own, and a cgroup with processes cannot pass controllers on");
  auto needed = enable_controllers(root(), "/a/b", {{"cpu", "cpu.shares"}});
  ASSERT_FALSE(needed.ok());
  EXPECT_NE(needed.error().text().find("it has processes of its own"), std::string::npos) << needed.error().text();
  EXPECT_EQ(subtree("a"), "");
}

TEST_F(FakeTree, OffersNothingWhereAllIsThere) {
  cgroup("", "cpu memory\n", "");
  cgroup("a", "memory cpu hugetlb\n", "");
  ASSERT_TRUE(enable_offered(root(), "", "/a").ok());
  EXPECT_EQ(subtree(""), "");
}

// The kernel's notice of the end of a short-lived container is up to 10 ms late; from a plain file none ever comes.
TEST_F(FakeTree, RemoveLooksForItselfBeforeAnyNotice) {
  cgroup("a", "", "");
  Hierarchy hierarchy{UniqueFd(dup(root())), "", false};
  auto opened = Cgroup::open(hierarchy, {.path = "/a"});
  ASSERT_TRUE(opened.ok()) << opened.error().text();
  auto best = steady_clock::duration::max();
  for (int round = 0; round < 10; ++round) {
    write("a/cgroup.events", "populated 1\nfrozen 0\n");
    auto start = steady_clock::now();
    pid_t last_process = fork();
    if (last_process == 0) {
      usleep(1000);
      write("a/cgroup.events", "populated 0\nfrozen 0\n");
      _exit(0);
    }
    auto removed = opened->remove(Cgroup::Processes::wait, start + std::chrono::seconds(20));
    ASSERT_TRUE(removed.ok()) << removed.error().text();
    best = std::min(best, steady_clock::now() - start);
    waitpid(last_process, nullptr, 0);
  }
  EXPECT_LT(best, std::chrono::milliseconds(500));
}

TEST_F(FakeTree, StatsTakeWhatIsThere) {
  cgroup("a", "", "");
  write("a/memory.peak", "4096\n");
  write("a/memory.max", "max\n");
  write("a/memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n");
  write("a/cpu.stat", "usage_usec 10\nuser_usec 5\nnr_periods 3\nnr_throttled 2\nthrottled_usec 99\n");
  write("a/pids.events", "max 4\n");
  auto leaf = open_at(root(), "a", O_PATH | O_DIRECTORY);
  auto stats = read_stats(leaf->get());
  ASSERT_TRUE(stats.ok());
  EXPECT_EQ(stats->memory_peak_bytes, 4096U);
  EXPECT_EQ(stats->memory_max_bytes, std::nullopt);
  EXPECT_EQ(stats->memory_current_bytes, std::nullopt);
  EXPECT_EQ(stats->oom_events, 2U);
  EXPECT_EQ(stats->oom_kills, 1U);
  EXPECT_EQ(stats->oom_events_local, std::nullopt);
  EXPECT_EQ(stats->pids_max_hits, 4U);
  EXPECT_EQ(stats->cpu_throttled_us, 99U);
  EXPECT_EQ(stats->cpu_periods, 3U);
}

TEST(DescribeProcess, HasNameStateAndWhereItWaits) {
  EXPECT_EQ(describe_process("12", "12 (java) D 1 12", "nfs_wait"), "pid 12 (java, D, nfs_wait)");
  EXPECT_EQ(describe_process("12", "12 (java) R 1 12", "0"), "pid 12 (java, R)");
  EXPECT_EQ(describe_process("12", "", ""), "pid 12");
  EXPECT_EQ(describe_process("12", "12 (java) Z 7 12", "", "pid 7 (sh)"),
            "pid 12 (java, Z: its parent, pid 7 (sh), has not waited for it: end that)");
}

TEST(DescribeProcess, NameCannotLieOrSteerATerminal) {
  EXPECT_EQ(describe_process("12", "12 (a) R (b\x1b[2J) S 1", ""), "pid 12 (a) R (b?[2J, S)");
  EXPECT_EQ(describe_process("12", "12 (cut off)", ""), "pid 12");
}

}  // namespace minirun
