// SPDX-License-Identifier: Apache-2.0
// minirun delete, list and state of containers that are half made, damaged or in use.
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Delete : public MinirunTest {
 protected:
  std::string state_folder() const { return std::string(kState) + "/" + id(); }
  std::string record() const { return state_folder() + "/state.json"; }
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
  void overwrite(const std::string& text) const {
    ASSERT_EQ(unlink(record().c_str()), 0);
    write_new_file(record(), text, 0600);
  }
  // A running container whose record is spoilt: nothing of it is left after delete --force.
  void expect_force_removes(const std::string& how, const std::function<void()>& spoil) {
    SCOPED_TRACE(how);
    Traces before = take_traces();
    Bundle bundle;
    bundle.payload({"pause"});
    ASSERT_EQ(detach(bundle).code, 0);
    spoil();
    Outcome listed = call({"list", "--format", "json"});
    EXPECT_EQ(listed.code, 0) << describe(listed);
    json list = json::parse(listed.out, nullptr, false);
    ASSERT_EQ(list.size(), 1U) << listed.out;
    EXPECT_EQ(list[0]["id"], id());
    EXPECT_TRUE(list[0]["status"] == "damaged" || list[0]["status"] == "creating") << list[0];
    EXPECT_EQ(list[0]["created"].get<std::string>().substr(0, 2), "20");
    Outcome outcome = call({"delete", id()});
    EXPECT_EQ(outcome.code, 1) << describe(outcome);
    EXPECT_NE(outcome.err.find("delete --force"), std::string::npos) << outcome.err;
    EXPECT_EQ(access(cgroup().c_str(), F_OK), 0);
    outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    Traces now;
    EXPECT_TRUE(eventually([&] { return (now = take_traces()) == before; }));
    EXPECT_NE(access(cgroup().c_str(), F_OK), 0);
  }
};

TEST_F(Delete, ForceFindsTheCgroupOfAContainerWithADamagedRecord) {
  expect_force_removes("truncated", [&] {
    std::string text = *read_file(AT_FDCWD, record());
    overwrite(text.substr(0, text.size() / 2));
  });
  expect_force_removes("empty", [&] { overwrite(""); });
  expect_force_removes("garbage", [&] { overwrite(std::string("\x7f\0ELF{]", 7)); });
  expect_force_removes("another document", [&] { overwrite("{\"id\": 5}"); });
  expect_force_removes("too large", [&] { overwrite(std::string(3 << 20, ' ')); });
  expect_force_removes("a directory", [&] {
    ASSERT_EQ(unlink(record().c_str()), 0);
    make_folders(record() + "/deep/er");
    write_new_file(record() + "/deep/file", "x", 0600);
  });
  expect_force_removes("gone", [&] { ASSERT_EQ(unlink(record().c_str()), 0); });
  expect_force_removes("a link to nowhere", [&] {
    ASSERT_EQ(unlink(record().c_str()), 0);
    ASSERT_EQ(symlink("nowhere", record().c_str()), 0);
  });
}

TEST_F(Delete, ForceTouchesNoOtherContainersCgroup) {
  Bundle bundle;
  bundle.payload({"pause"});
  bundle.write();
  ASSERT_EQ(detach(bundle).code, 0);
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions options;
  options.stdout_fd = nowhere.get();
  // The same id in another state root is another container.
  bundle.config["linux"]["cgroupsPath"] = "/deeper/other";
  bundle.write();
  std::vector<std::string> other = {program("MINIRUN", "minirun"), "--root", "/run/tests/other"};
  auto call_other = [&](std::vector<std::string> args) {
    args.insert(args.begin(), other.begin(), other.end());
    return Running(args, options).finish();
  };
  ASSERT_EQ(call_other({"run", "--detach", "--bundle", bundle.path(), id()}).code, 0);
  overwrite("{}");
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(call_other({"kill", id(), "0"}).code, 0);
  EXPECT_EQ(call_other({"delete", "--force", id()}).code, 0);
  remove_tree("/run/tests/other");
}

TEST_F(Delete, UnreadableRecordIsTold) {
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle).code, 0);
  ASSERT_EQ(chmod(record().c_str(), 0), 0);
  StartOptions options;
  options.in_child = [] {
    for (int capability : {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH})
      if (prctl(PR_CAPBSET_DROP, static_cast<unsigned long>(capability), 0, 0, 0) != 0) _exit(97);
  };
  for (const char* command : {"state", "kill", "stop", "wait", "delete"})
    expect_refused(call({command, id()}, options), {command, id(), "state.json", "permission denied"});
  Outcome outcome = call({"list"}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.out.find("damaged"), std::string::npos) << outcome.out;
  outcome = call({"delete", "--force", id()}, options);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
}

TEST_F(Delete, DamagedRecordIsToldByEveryCommand) {
  make_folders(state_folder());
  write_new_file(record(), "{\"id\": \"x\"", 0600);
  for (const char* command : {"state", "kill", "stop", "wait", "delete"})
    expect_refused(call({command, id()}), {command, id(), "state.json"});
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Delete, DirectoryWithoutARecordIsBeingMade) {
  make_folders(state_folder());
  json state = json::parse(call({"state", id()}).out);
  EXPECT_EQ(state["id"], id());
  EXPECT_EQ(state["status"], "creating");
  EXPECT_EQ(state["pid"], 0);
  EXPECT_NE(call({"list"}).out.find(id() + " "), std::string::npos);
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Delete, TakesWhateverIsInTheStateDirectory) {
  Bundle bundle;
  bundle.payload({"true"});
  EXPECT_EQ(run(bundle, {"--keep"}).code, 0);
  make_folders(state_folder() + "/a/b/c");
  write_new_file(state_folder() + "/a/b/c/file", "x", 0);
  write_new_file("/run/tests/precious", "x", 0600);
  ASSERT_EQ(symlink("/run/tests", (state_folder() + "/a/link").c_str()), 0);
  ASSERT_EQ(mkfifo((state_folder() + "/fifo").c_str(), 0600), 0);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{AF_UNIX, {}};
  strncpy(address.sun_path, (state_folder() + "/socket").c_str(), sizeof address.sun_path - 1);
  ASSERT_EQ(bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  Outcome outcome = call({"delete", id()});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(content("/run/tests/precious"), "x");
  EXPECT_EQ(unlink("/run/tests/precious"), 0);
}

TEST_F(Delete, OfAForegroundContainerEndsItsRun) {
  Bundle bundle;
  bundle.payload({"pause"});
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--keep"}}) {
    Running container(run_command(bundle, flags), {});
    ASSERT_TRUE(container.wait_for("ready"));
    expect_refused(call({"delete", id()}), {"cannot delete container " + id() + " that is not stopped: running"});
    Outcome outcome = call({"delete", "--force", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(container.finish().code, 128 + SIGKILL) << container.err();
    expect_refused(call({"state", id()}), {"container does not exist"});
  }
}

TEST_F(Delete, WrongUsesAreTold) {
  EXPECT_EQ(call({"delete"}).code, 1);
  EXPECT_EQ(call({"delete", "--nosuchflag", "x"}).code, 1);
  expect_refused(call({"delete", "../etc"}), {"invalid container id"});
  expect_refused(call({"delete", "--force", ".."}), {"invalid container id"});
  write_new_file(state_folder(), "a file", 0600);
  expect_refused(call({"delete", "--force", id()}), {id(), "not a directory"});
  EXPECT_EQ(call({"list", "-q"}).out, "");
  EXPECT_EQ(unlink(state_folder().c_str()), 0);
}

class List : public Delete {};

TEST_F(List, HasTheColumnsOfRunc) {
  EXPECT_EQ(call({"list"}).out, "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n");
  EXPECT_EQ(json::parse(call({"list", "--format=json"}).out), json::array());
  EXPECT_EQ(call({"list", "-q"}).out, "");
  Bundle bundle;
  bundle.payload({"pause"});
  ASSERT_EQ(detach(bundle, {"--pid-file", kPidFile}).code, 0);
  json state = json::parse(call({"state", id()}).out);
  std::string table = call({"list"}).out;
  std::string pid = std::to_string(container_pid());
  std::string padding(12 - pid.size(), ' ');
  std::string row =
      pid + padding + "running     " + bundle.path() + "   " + state["created"].get<std::string>() + "   root\n";
  EXPECT_NE(table.find(row), std::string::npos) << table;
  json list = json::parse(call({"list", "-f", "json"}).out);
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0], state);
  EXPECT_EQ(call({"list", "-q"}).out, id() + "\n");
  EXPECT_EQ(call({"delete", "-f", id()}).code, 0);
}

TEST_F(List, WithoutAStateRootIsEmpty) {
  std::string minirun = program("MINIRUN", "minirun");
  Outcome outcome = Running({minirun, "--root", "/run/tests/nowhere", "list", "-f", "json"}, {}).finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "[]\n");
  EXPECT_NE(access("/run/tests/nowhere", F_OK), 0);
}

TEST_F(List, WrongUsesAreTold) {
  EXPECT_EQ(call({"list", "--format", "xml"}).code, 1);
  EXPECT_EQ(call({"list", "--nosuchflag"}).code, 1);
  EXPECT_EQ(call({"state"}).code, 1);
  EXPECT_EQ(call({"state", "--nosuchflag", "x"}).code, 1);
  expect_refused(call({"state", "never-was"}), {"state never-was: container does not exist"});
}

}  // namespace
}  // namespace minirun::testing
