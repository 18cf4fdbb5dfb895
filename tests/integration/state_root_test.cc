// SPDX-License-Identifier: Apache-2.0
// A state root that is full, has no inodes left, or is read-only: a refusal that says so and leaves nothing, or a
// container that works; and its processes and its cgroup can always be taken away.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

// A small tmpfs, gone with the object.
class SmallRoot {
 public:
  static constexpr const char* kPath = "/run/tests/small";

  explicit SmallRoot(const std::string& options) {
    make_folders(kPath);
    if (mount("tmpfs", kPath, "tmpfs", 0, ("mode=700," + options).c_str()) != 0) ADD_FAILURE() << "mount " << options;
  }
  ~SmallRoot() {
    EXPECT_EQ(umount2(kPath, 0), 0) << "something in it is still in use";
    EXPECT_EQ(rmdir(kPath), 0);
  }
  SmallRoot(const SmallRoot&) = delete;
  SmallRoot& operator=(const SmallRoot&) = delete;
};

// A second, read-only mount of it, as a disk becomes after an error. (The first cannot be made so while a container has
// its gate open.)
class ReadOnlyView {
 public:
  static constexpr const char* kPath = "/run/tests/readonly";

  ReadOnlyView() {
    make_folders(kPath);
    if (mount(SmallRoot::kPath, kPath, nullptr, MS_BIND, nullptr) != 0 ||
        mount(nullptr, kPath, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0)
      ADD_FAILURE() << "mount " << kPath;
  }
  ~ReadOnlyView() {
    EXPECT_EQ(umount2(kPath, 0), 0) << "something in it is still in use";
    EXPECT_EQ(rmdir(kPath), 0);
  }
  ReadOnlyView(const ReadOnlyView&) = delete;
  ReadOnlyView& operator=(const ReadOnlyView&) = delete;
};

class StateRootFaults : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    bundle_.payload({"pause"});
    // Records of several pages, and a filter for the cache.
    bundle_.config["annotations"] = {{"org.example.long", std::string(9000, 'x')}};
    bundle_.config["linux"]["seccomp"] = {
        {"defaultAction", "SCMP_ACT_ALLOW"},
        {"syscalls", {{{"names", {"swapon"}}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 1}}}}};
    bundle_.write();
  }
  static Outcome call_at(const char* root, std::vector<std::string> args) {
    args.insert(args.begin(), {program("MINIRUN", "minirun"), "--root", root});
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    if (args[3] == "create" || args[3] == "run") options.stdout_fd = nowhere.get();
    return Running(args, options).finish();
  }
  static Outcome call_small(const std::vector<std::string>& args) { return call_at(SmallRoot::kPath, args); }
  Outcome create() const { return call_small({"create", "--bundle", bundle_.path(), id()}); }
  std::string status_at(const char* root) const {
    json state = json::parse(call_at(root, {"state", id()}).out, nullptr, false);
    return state.is_object() ? state["status"] : "none";
  }
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  static void fill() {
    UniqueFd filler(open((std::string(SmallRoot::kPath) + "/.filler").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    std::string block(1 << 16, 'x');
    while (write(filler.get(), block.data(), block.size()) > 0) {
    }
    ASSERT_EQ(errno, ENOSPC);
  }
  // A container that was made takes every command. True when it could be made.
  bool made_and_whole_or_refused(const std::string& why) {
    Traces before = take_traces();
    Outcome outcome = create();
    if (outcome.code == 0) {
      for (const std::vector<std::string>& args : {std::vector<std::string>{"start", id()},
                                                   {"exec", id(), "/bin/payload", "true"},
                                                   {"kill", id(), "0"},
                                                   {"pause", id()},
                                                   {"resume", id()},
                                                   {"delete", "--force", id()}}) {
        Outcome done = call_small(args);
        EXPECT_EQ(done.code, 0) << args[0] << ": " << describe(done);
      }
    } else {
      expect_refused(outcome, {"create " + id() + ": state directory: ", why});
    }
    Traces now;
    EXPECT_TRUE(eventually([&] { return (now = take_traces()) == before; })) << ::testing::PrintToString(now);
    return outcome.code == 0;
  }
  Bundle bundle_;
};

TEST_F(StateRootFaults, FullAtAnySizeIsARefusalOrAContainer) {
  int made = 0, refused = 0;
  for (long pages = 1; pages <= 14; ++pages) {
    SCOPED_TRACE(fmt::format("{} pages", pages));
    SmallRoot root(fmt::format("size={}", pages * sysconf(_SC_PAGESIZE)));
    (made_and_whole_or_refused("no space left on device") ? made : refused)++;
  }
  EXPECT_GT(made, 0);
  EXPECT_GT(refused, 4) << "config.json alone takes more";
}

TEST_F(StateRootFaults, OutOfInodesAtAnyNumberIsARefusalOrAContainer) {
  int made = 0, refused = 0;
  for (int inodes = 1; inodes <= 12; ++inodes) {
    SCOPED_TRACE(fmt::format("{} inodes", inodes));
    SmallRoot root(fmt::format("nr_inodes={}", inodes));
    (made_and_whole_or_refused("(no inode is free): no space left on device") ? made : refused)++;
  }
  EXPECT_GT(made, 0);
  EXPECT_GT(refused, 4);
}

TEST_F(StateRootFaults, FullWhileTheContainerIsThere) {
  Traces before = take_traces();
  {
    SmallRoot root("size=1m");
    ASSERT_EQ(create().code, 0);
    fill();
    for (const std::vector<std::string>& args : {std::vector<std::string>{"start", id()},
                                                 {"exec", id(), "/bin/payload", "true"},
                                                 {"pause", id()},
                                                 {"resume", id()},
                                                 {"kill", id(), "0"}}) {
      Outcome outcome = call_small(args);
      EXPECT_EQ(outcome.code, 0) << args[0] << ": " << describe(outcome);
    }
    expect_refused(call_small({"create", "--bundle", bundle_.path(), "another"}), {"no space left on device"});
    Outcome outcome = call_small({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);

    // Its status should be kept, but cannot be recorded any more, which is reported.
    ASSERT_EQ(unlink((std::string(SmallRoot::kPath) + "/.filler").c_str()), 0);
    Running container(
        {program("MINIRUN", "minirun"), "--root", SmallRoot::kPath, "run", "--keep", "--bundle", bundle_.path(), id()},
        {});
    ASSERT_TRUE(container.wait_for("ready")) << container.err();
    // The workload may be faster than minirun, which records it meanwhile.
    ASSERT_TRUE(eventually([&] { return status_at(SmallRoot::kPath) == "running"; }));
    fill();
    container.send(SIGTERM);
    outcome = container.finish();
    EXPECT_EQ(outcome.code, 128 + SIGTERM) << describe(outcome);
    for (const char* part : {"clean up after", "state directory: ", "no space left on device"})
      EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_EQ(status_at(SmallRoot::kPath), "stopped");
    outcome = call_small({"delete", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
  Traces now;
  EXPECT_TRUE(eventually([&] { return (now = take_traces()) == before; })) << ::testing::PrintToString(now);
}

TEST_F(StateRootFaults, ReadOnlyOneTakesEveryCommandButDeletesNoDirectory) {
  SmallRoot root("size=1m");
  for (bool damaged : {false, true}) {
    SCOPED_TRACE(damaged ? "damaged" : "whole");
    Outcome outcome = create();
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    std::string record = std::string(SmallRoot::kPath) + "/" + id() + "/state.json";
    if (damaged) {
      ASSERT_EQ(truncate(record.c_str(), 100), 0);
    }
    ReadOnlyView view;
    auto call_view = [&](const std::vector<std::string>& args) { return call_at(ReadOnlyView::kPath, args); };
    for (const char* command : {"create", "run"})
      expect_refused(call_view({command, "--bundle", bundle_.path(), "another"}),
                     {std::string(command) + " another: state directory: ", "read-only file system"});
    for (const std::vector<std::string>& args : {std::vector<std::string>{"start", id()},
                                                 {"exec", id(), "/bin/payload", "true"},
                                                 {"pause", id()},
                                                 {"resume", id()},
                                                 {"kill", id(), "0"}}) {
      if (damaged) continue;
      outcome = call_view(args);
      EXPECT_EQ(outcome.code, 0) << args[0] << ": " << describe(outcome);
    }
    // Twice: what is left is the directory, as it says.
    for (int i = 0; i < 2; ++i) {
      expect_refused(call_view({"delete", "--force", id()}),
                     {"delete " + id() + ": remove the state directory", "read-only file system",
                      "(nothing else of the container is left)"});
      EXPECT_NE(access(cgroup().c_str(), F_OK), 0);
      EXPECT_TRUE(eventually([&] {
        for (const std::string& trace : take_traces())
          if (trace.starts_with("process ") && trace.find("minirun") != std::string::npos) return false;
        return true;
      }));
    }
    if (!damaged) {
      EXPECT_EQ(status_at(ReadOnlyView::kPath), "stopped");
    }
    EXPECT_EQ(call_view({"list", "-q"}).out, id() + "\n");
    outcome = call_small({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
  }
}

// Foreground, and its root becomes read-only meanwhile: the status is the workload's, and the error says what stays.
TEST_F(StateRootFaults, ReadOnlyAtTheEndOfARunIsTold) {
  SmallRoot root("size=1m");
  ReadOnlyView view;
  Running container(
      {program("MINIRUN", "minirun"), "--root", SmallRoot::kPath, "run", "--bundle", bundle_.path(), id()}, {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  // Once minirun has written that the workload runs, none of its files is open for writing, and the whole filesystem
  // can be changed.
  auto make_read_only = [] {
    return mount(nullptr, SmallRoot::kPath, nullptr, MS_REMOUNT | MS_RDONLY, "size=1m") == 0;
  };
  ASSERT_TRUE(eventually(make_read_only)) << strerror(errno);
  container.send(SIGTERM);
  Outcome outcome = container.finish();
  EXPECT_EQ(outcome.code, 128 + SIGTERM) << describe(outcome);
  for (const char* part : {"clean up after", "remove the state directory", "read-only file system"})
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_NE(access(cgroup().c_str(), F_OK), 0);
  ASSERT_EQ(mount(nullptr, SmallRoot::kPath, nullptr, MS_REMOUNT, "size=1m"), 0);
  outcome = call_small({"delete", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

}  // namespace
}  // namespace minirun::testing
