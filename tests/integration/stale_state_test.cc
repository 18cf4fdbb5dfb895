// SPDX-License-Identifier: Apache-2.0
// Records that name a process or a cgroup that is no longer the container's. minirun says "stopped", refuses what needs
// a process, deletes the container, and touches no other process.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <sstream>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

// An unrelated process in its own cgroup.
class Bystander {
 public:
  static constexpr const char* kCgroup = "/sys/fs/cgroup/bystander";

  Bystander() : process_({program("PAYLOAD", "payload"), "pause"}, {}) {
    EXPECT_TRUE(process_.wait_for("ready"));
    EXPECT_EQ(mkdir(kCgroup, 0755), 0);
    EXPECT_TRUE(write_control(AT_FDCWD, std::string(kCgroup) + "/cgroup.procs", std::to_string(pid())).ok());
  }
  ~Bystander() {
    EXPECT_TRUE(is_untouched());
    process_.send(SIGKILL);
    EXPECT_EQ(process_.finish().code, -SIGKILL);
    EXPECT_TRUE(eventually([] { return rmdir(kCgroup) == 0 || errno == ENOENT; }));
  }
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

  pid_t pid() const { return process_.pid(); }
  bool is_untouched() const {
    return kill(pid(), 0) == 0 && content(std::string(kCgroup) + "/cgroup.procs") == std::to_string(pid());
  }
  // As a record has them.
  json identity() const {
    std::string stat = content("/proc/" + std::to_string(pid()) + "/stat");
    std::istringstream fields(stat.substr(stat.rfind(')') + 2));
    std::string word;
    for (int field = 3; field <= 22; ++field) fields >> word;
    return {{"pid", pid()}, {"startTicks", strtoull(word.c_str(), nullptr, 10)}, {"pidfdInode", pidfd_inode()}};
  }
  // 0: the kernel has no pidfs (Linux 6.9).
  uint64_t pidfd_inode() const {
    UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid(), 0)));
    struct statfs filesystem {};
    struct stat info {};
    EXPECT_EQ(fstatfs(pidfd.get(), &filesystem), 0);
    EXPECT_EQ(fstat(pidfd.get(), &info), 0);
    return filesystem.f_type == 0x50494446 ? info.st_ino : 0;
  }
  static json cgroup() {
    struct stat info {};
    EXPECT_EQ(stat(kCgroup, &info), 0);
    return {{"path", "/bystander"}, {"device", info.st_dev}, {"inode", info.st_ino}, {"made", 1}};
  }

 private:
  Running process_;
};

class StaleState : public MinirunTest {
 protected:
  std::string record_path() const { return std::string(kState) + "/" + id() + "/state.json"; }
  // A container that has ended, with a record that is changed so; it is deleted, and the bystander lives on.
  void expect_stopped_and_deleted(const std::string& how, const std::function<void(json&)>& change) {
    SCOPED_TRACE(how);
    Bundle bundle;
    bundle.payload({"true"});
    ASSERT_EQ(run(bundle, {"--keep"}).code, 0);
    json record = json::parse(content(record_path()));
    record.erase("checksum");
    change(record);
    ASSERT_EQ(unlink(record_path().c_str()), 0);
    write_new_file(record_path(), record.dump(), 0600);

    json state = json::parse(call({"state", id()}).out, nullptr, false);
    ASSERT_TRUE(state.is_object());
    EXPECT_EQ(state["status"], "stopped");
    EXPECT_EQ(state["pid"], 0);
    for (const char* signal : {"KILL", "TERM", "STOP", "0"})
      for (const std::vector<std::string>& args :
           {std::vector<std::string>{"kill", id(), signal}, {"kill", "--all", id(), signal}})
        expect_refused(call(args), {"container not running"});
    Outcome outcome = call({"exec", id(), "/bin/payload", "true"});
    EXPECT_EQ(outcome.code, 255) << describe(outcome);
    EXPECT_NE(outcome.err.find("cannot exec in a stopped container"), std::string::npos) << outcome.err;
    for (const char* command : {"pause", "stop"}) expect_refused(call({command, id()}), {"container not running"});
    EXPECT_TRUE(bystander_.is_untouched());
    outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    EXPECT_TRUE(bystander_.is_untouched());
    expect_refused(call({"state", id()}), {"container does not exist"});
  }
  Bystander bystander_;
};

// Numbers are reused after each boot: all of them may have a new owner.
TEST_F(StaleState, OfAnotherBootNothingIsTheContainers) {
  const std::string other = "11111111-2222-3333-4444-555555555555";
  for (bool own_pid_namespace : {true, false}) {
    expect_stopped_and_deleted("another boot", [&](json& record) {
      record["bootId"] = other;
      record["cgroup"] = Bystander::cgroup();
      record["init"].update(bystander_.identity());
      record["init"]["ownPidNamespace"] = own_pid_namespace;
    });
  }
  expect_stopped_and_deleted("another boot, killed before it knew its cgroup", [&](json& record) {
    record["bootId"] = other;
    record["cgroup"] = {{"path", "/bystander"}, {"device", 0}, {"inode", 0}, {"made", 1}};
  });
}

TEST_F(StaleState, RecycledPidIsNotTheContainers) {
  expect_stopped_and_deleted("an older start", [&](json& record) {
    record["init"].update(bystander_.identity());
    record["init"]["startTicks"] = record["init"]["startTicks"].get<uint64_t>() - 1;
  });
  expect_stopped_and_deleted("a zombie's number or an unused one",
                             [&](json& record) { record["init"]["pid"] = 4194303; });
  if (bystander_.pidfd_inode() == 0) return;
  for (long difference : {-1L, 1L}) {
    expect_stopped_and_deleted("in the same tick", [&](json& record) {
      record["init"].update(bystander_.identity());
      record["init"]["pidfdInode"] = bystander_.pidfd_inode() + static_cast<uint64_t>(difference);
    });
  }
  expect_stopped_and_deleted("written without pidfs", [&](json& record) {
    record["init"].update(bystander_.identity());
    record["init"]["pidfdInode"] = 0;
  });
}

TEST_F(StaleState, CgroupThatHasComeInItsPlaceIsNotTheContainers) {
  for (const char* key : {"inode", "device"}) {
    expect_stopped_and_deleted(key, [&](json& record) {
      record["cgroup"] = Bystander::cgroup();
      record["cgroup"][key] = record["cgroup"][key].get<uint64_t>() + 1;
    });
  }
}

// minirun was killed before it had made a cgroup at the path that it had written down; then another container came
// there.
TEST_F(StaleState, CgroupOfAnotherContainerAtTheIntendedPathIsNotTheContainers) {
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.config["linux"]["cgroupsPath"] = "/intended";
  ASSERT_EQ(detach(bundle).code, 0);
  std::string folder = std::string(kState) + "/dead";
  json record = json::parse(content(record_path()));
  record.erase("checksum");
  record["id"] = "dead";
  record["cgroup"] = {{"path", "/intended"}, {"device", 0}, {"inode", 0}, {"made", 1}};
  record["init"].update({{"pid", 0}, {"startTicks", 0}, {"pidfdInode", 0}});
  ASSERT_EQ(mkdir(folder.c_str(), 0700), 0);
  write_new_file(folder + "/state.json", record.dump(), 0600);
  write_new_file(folder + "/config.json", bundle.config.dump(), 0600);
  expect_refused(call({"kill", "--all", "dead", "KILL"}), {"container not running"});
  Outcome outcome = call({"delete", "--force", "dead"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(access(folder.c_str(), F_OK), 0);
  json state = json::parse(call({"state", id()}).out, nullptr, false);
  EXPECT_EQ(state["status"], "running");
  EXPECT_EQ(access("/sys/fs/cgroup/intended", F_OK), 0);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_NE(access("/sys/fs/cgroup/intended", F_OK), 0);
}

}  // namespace
}  // namespace minirun::testing
