// SPDX-License-Identifier: Apache-2.0
// checkpoint and restore, through a real criu.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "sys/file.h"
#include "tests/support/checkpoint_fixture.h"
#include "tests/support/timing_fixture.h"

namespace minirun::testing {
namespace {

// Whether the kernel tracks written pages (CONFIG_MEM_SOFT_DIRTY, proc_pid_pagemap(5)).
bool tracks_memory() {
  auto size = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  void* page = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED || !write_control(AT_FDCWD, "/proc/self/clear_refs", "4")) return false;
  *static_cast<volatile char*>(page) = 1;
  uint64_t entry = 0;
  int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
  auto at = static_cast<off_t>(reinterpret_cast<uintptr_t>(page) / size * sizeof entry);
  bool read = pread(file, &entry, sizeof entry, at) == static_cast<ssize_t>(sizeof entry);
  (void)close(file);
  (void)munmap(page, size);
  return read && ((entry >> 55) & 1) != 0;
}

// A real one, where the environment says in which folder it is: tests/run does.
class RealCheckpoint : public CheckpointTest {
 protected:
  void SetUp() override {
    CheckpointTest::SetUp();
    const char* folder = getenv("MINIRUN_TESTS_CRIU");
    if (folder == nullptr) GTEST_SKIP() << "no criu (MINIRUN_TESTS_CRIU)";
    path_ = std::string(folder) + ":/usr/sbin:/usr/bin:/sbin:/bin";
  }
  // A container that counts.
  void count_in(Bundle& bundle, const std::vector<std::string>& flags = {"--no-init"}) {
    ASSERT_TRUE(bundle.add_busybox({"sh", "sleep"}));
    bundle.config["linux"]["maskedPaths"] = {"/proc/keys", "/sys/firmware"};
    bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"ro"});
    bundle.add_mount("/bound", "", "/run/tests/criu", {"bind"});
    bundle.config["process"]["args"] = {
        "/bin/sh", "-c",
        "echo start >> /tmp/starts; i=0; while :; do i=$((i+1)); echo $i > /bound/n; sleep 0.02; done"};
    (void)unlink("/run/tests/criu/n");  // an earlier one's
    Outcome outcome = detach(bundle, flags);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    ASSERT_TRUE(eventually([] { return count() >= 10; }));
  }
  static int count() { return atoi(content("/run/tests/criu/n").c_str()); }
  Outcome call_real(const std::vector<std::string>& args) const { return call_with(path_, args); }

  std::string path_;
};

TEST_F(RealCheckpoint, CounterGoesOnWhereItWasAfterARestore) {
  Bundle bundle;
  count_in(bundle);
  if (HasFatalFailure()) return;
  Outcome outcome = call_real({"checkpoint", "--image-path", images_, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(call({"list", "-q"}).out, "") << "as the peers leave it";
  // The shell may have had it open, and criu restores an open file only at the size that it had.
  const auto overwrite = std::filesystem::copy_options::overwrite_existing;
  std::filesystem::copy_file("/run/tests/criu/n", "/run/tests/criu/n.saved", overwrite);
  int saved = count();
  outcome =
      call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, "--pid-file", kPidFile, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(status(), "running");
  EXPECT_TRUE(eventually([&] { return count() >= saved + 10; })) << count();
  EXPECT_EQ(content(bundle.rootfs() + "/tmp/starts"), "start") << "it went on, it did not start again";
  std::string cgroup = content("/proc/" + std::to_string(container_pid()) + "/cgroup");
  EXPECT_TRUE(contains(cgroup, "/minirun-" + id())) << cgroup;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  // In the foreground, its end is restore's.
  std::filesystem::copy_file("/run/tests/criu/n.saved", "/run/tests/criu/n", overwrite);
  StartOptions options;
  options.env = {"PATH=" + path_};
  Running running(minirun({"restore", "--timing-json", "--bundle", bundle.path(), "--image-path", images_, id()}),
                  options);
  EXPECT_TRUE(eventually([&] { return call({"state", id()}).code == 0 && status() == "running"; }));
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  outcome = running.finish();
  EXPECT_EQ(outcome.code, 128 + SIGKILL) << describe(outcome);
  nlohmann::json timing = timing_in(outcome.err);
  EXPECT_TRUE(timing.contains("setup_us")) << timing;
  for (const char* phase : {"cgroup", "criu", "record", "workload", "removal"})
    EXPECT_GE(phase_of(timing, phase)["wall_us"], 0);
  EXPECT_NE(call({"state", id()}).code, 0) << "it has cleaned up";
}

// As `run --detach` makes them. The init is minirun's again after it: a program in memory, which hands on signals,
// reaps, and ends with its workload; and it can be saved once more.
TEST_F(RealCheckpoint, InitOfADetachedRunGoesOnToo) {
  for (bool filtered : {false, true}) {
    Bundle bundle;
    if (filtered) {
      nlohmann::json rule = {{"action", "SCMP_ACT_ERRNO"}, {"names", {"mount"}}};
      bundle.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"}, {"syscalls", {rule}}};
      bundle.config["process"]["noNewPrivileges"] = false;
    }
    count_in(bundle, {});
    if (HasFatalFailure()) return;
    for (int round = 0; round < 2; round++) {
      Outcome outcome = call_real({"checkpoint", "--image-path", images_, id()});
      ASSERT_EQ(outcome.code, 0) << describe(outcome);
      EXPECT_EQ(call({"list", "-q"}).out, "");
      int saved = count();
      outcome = call_real(
          {"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, "--pid-file", kPidFile, id()});
      ASSERT_EQ(outcome.code, 0) << describe(outcome);
      EXPECT_EQ(status(), "running");
      EXPECT_TRUE(eventually([&] { return count() >= saved + 10; })) << count();
      std::string init = "/proc/" + std::to_string(container_pid());
      EXPECT_EQ(link_target(init + "/exe"), "/memfd:minirun-init (deleted)");
      EXPECT_EQ(std::filesystem::status(init + "/exe").permissions(), static_cast<std::filesystem::perms>(0111));
      EXPECT_TRUE(contains(content(init + "/status"), "Seccomp:\t2\n")) << "its own filter";
      EXPECT_EQ(call({"exec", id(), "/bin/sh", "-c", "sleep 0.01 & :"}).code, 0);
    }
    EXPECT_EQ(content(bundle.rootfs() + "/tmp/starts"), "start");
    EXPECT_EQ(call({"kill", id(), "STOP"}).code, 0);
    int stopped = count();
    EXPECT_EQ(call({"kill", id(), "CONT"}).code, 0);
    EXPECT_TRUE(eventually([&] { return count() > stopped; })) << "for the workload, not its init";
    EXPECT_EQ(call({"kill", id(), "TERM"}).code, 0);
    EXPECT_TRUE(eventually([&] { return status() == "stopped"; }));
    // The restored init writes how it ended into the page of the container that it is in now.
    EXPECT_EQ(call({"delete", "--report", "/run/tests/criu/report.json", id()}).code, 0);
    auto report = nlohmann::json::parse(content("/run/tests/criu/report.json"), nullptr, false);
    EXPECT_EQ(report.value("wait_status", -1), SIGTERM) << report;
    EXPECT_EQ(report.value("status_from", ""), "init") << report;
    EXPECT_EQ(report["times"].value("ended_from", ""), "init") << report;
    remove_tree(images_);
    remove_tree(bundle.rootfs() + "/tmp/starts");
  }
}

TEST_F(RealCheckpoint, HooksRunWhileTheNamespacesAreMade) {
  Bundle bundle;
  auto hook = [](const std::string& script) {
    return nlohmann::json{{"path", "/bin/sh"}, {"args", {"sh", "-c", script}}};
  };
  const std::string state = "; cat >> /run/tests/criu/states; echo >> /run/tests/criu/states";
  bundle.config["hooks"]["prestart"] = {hook("echo prestart >> /run/tests/criu/log" + state)};
  bundle.config["hooks"]["createRuntime"] = {hook("echo createRuntime >> /run/tests/criu/log" + state)};
  bundle.config["hooks"]["poststop"] = {hook("echo poststop >> /run/tests/criu/log")};
  count_in(bundle);
  if (HasFatalFailure()) return;
  ASSERT_EQ(call_real({"checkpoint", "--image-path", images_, id()}).code, 0);
  (void)unlink("/run/tests/criu/log");
  (void)unlink("/run/tests/criu/states");
  int saved = count();
  Outcome outcome =
      call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, "--pid-file", kPidFile, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(content("/run/tests/criu/log"), "prestart\ncreateRuntime");
  std::string states = content("/run/tests/criu/states");
  EXPECT_TRUE(contains(states, "\"pid\":" + std::to_string(container_pid()))) << states;
  EXPECT_TRUE(contains(states, "\"status\":\"creating\"")) << states;
  EXPECT_TRUE(eventually([&] { return count() >= saved + 10; })) << count();
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(content("/run/tests/criu/log"), "prestart\ncreateRuntime\npoststop");

  bundle.config["hooks"]["createRuntime"].push_back(hook("echo no such network >&2; exit 3"));
  bundle.write();
  outcome = call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, id()});
  EXPECT_EQ(outcome.code, 1);
  EXPECT_TRUE(contains(outcome.err, "/hooks/createRuntime/1: ") && contains(outcome.err, "no such network"))
      << describe(outcome);
  EXPECT_EQ(call({"list", "-q"}).out, "");
}

// What has not changed since is in the images of before.
TEST_F(RealCheckpoint, MemoryIsSavedInStepsByPreDump) {
  if (!tracks_memory()) GTEST_SKIP() << "no tracking of written pages (CONFIG_MEM_SOFT_DIRTY)";
  Bundle bundle;
  count_in(bundle);
  if (HasFatalFailure()) return;
  const std::string before = std::string(kFolder) + "/before";
  Outcome outcome = call_real({"checkpoint", "--pre-dump", "--image-path", before, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(status(), "running");
  outcome = call_real({"checkpoint", "--parent-path", "../before", "--image-path", images_, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  struct stat info {};
  EXPECT_EQ(stat((images_ + "/parent").c_str(), &info), 0) << "it builds upon those of before";
  int saved = count();
  outcome = call_real({"restore", "-d", "--bundle", bundle.path(), "--image-path", images_, id()});
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(eventually([&] { return count() >= saved + 10; })) << count();
  EXPECT_EQ(content(bundle.rootfs() + "/tmp/starts"), "start");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

}  // namespace
}  // namespace minirun::testing
