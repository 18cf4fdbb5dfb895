// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/state_directory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <nlohmann/json.hpp>

#include "runtime/container/record.h"
#include "runtime/text/random_id.h"
#include "runtime/text/timestamp.h"
#include "runtime/text/version.h"
#include "sys/file.h"

namespace minirun {
namespace {

ContainerRecord example() {
  ContainerRecord record;
  record.id = "web1";
  record.bundle = "/b \"quoted\"";
  record.rootfs = "/b/rootfs";
  record.created = now_rfc3339();
  record.boot_id = *current_boot_id();
  record.cgroup = {"/minirun-web1", 30, 1234567890123, 1};
  record.init = {4242, 777, 99};
  record.systemd = SystemdRecord{"minirun-web1.scope", "minirun container web1 1:2", true};
  record.rdt = {"gold", "web1", true, false, true};
  record.changes = {"/srv", "kept: \n", "0123456789abcdef", true, 0755, 5, kOwnerOfMinirun};
  record.overlay = true;
  record.annotations = {{"a", "1"}, {"b\n", "\xc3\xa9"}};
  return record;
}

class State : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(mkdtemp(path_), nullptr);
    auto root = open_state_root(path_, true);
    ASSERT_TRUE(root.ok()) << root.error().text();
    root_ = std::move(root).value();
  }
  void TearDown() override { EXPECT_EQ(rmdir(path_), 0) << "something is left in the state root"; }
  char path_[32] = "/tmp/minirun-state-XXXXXX";
  UniqueFd root_;
};

}  // namespace

TEST(ContainerId, IsANameAndNeverAPath) {
  for (const char* good : {"a", "web1", "_x", "0", "A.b-c+d_e"}) EXPECT_TRUE(check_id(good).ok()) << good;
  for (const char* bad : {"", ".", "..", ".cache", "-x", "+x", "a/b", "a b", "a\n", "\xff", "../x"})
    EXPECT_FALSE(check_id(bad).ok()) << bad;
  EXPECT_TRUE(check_id(std::string(255, 'a')).ok());
  EXPECT_FALSE(check_id(std::string(256, 'a')).ok());
  EXPECT_FALSE(check_id(std::string("a\0b", 3)).ok());
}

TEST(ContainerId, MadeUpOnesAreGoodAndDiffer) {
  auto one = make_up_id(), other = make_up_id();
  EXPECT_TRUE(check_id(*one).ok());
  EXPECT_NE(*one, *other);
}

TEST(StateRecord, ComesBackAsItWas) {
  ContainerRecord record = example();
  auto read = record_from_json(record_to_json(record));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(record_to_json(*read), record_to_json(record));
  EXPECT_EQ(read->cgroup.inode, 1234567890123u);
  EXPECT_EQ(read->annotations, record.annotations);
  EXPECT_EQ(read->rdt.monitor, "web1");
  ASSERT_TRUE(read->systemd);
  EXPECT_EQ(read->systemd->unit, "minirun-web1.scope");
  EXPECT_TRUE(read->systemd->user);
  EXPECT_TRUE(read->overlay);
  EXPECT_EQ(read->changes.name, "kept: \n");
  EXPECT_EQ(read->changes.gid, kOwnerOfMinirun);
  record.rdt = {};
  record.changes = {};
  record.systemd.reset();
  EXPECT_EQ(record_to_json(*record_from_json(record_to_json(record))), record_to_json(record));
  EXPECT_FALSE(read->exit_status);
  record.resident_init = true;
  record.own_pid_namespace = false;
  record.exit_status = 143;
  EXPECT_TRUE(read->keepers.empty());
  record.keepers = {{4243, 778, 100}, {4244, 779, 0}};
  read = record_from_json(record_to_json(record));
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_TRUE(read->resident_init);
  EXPECT_FALSE(read->own_pid_namespace);
  EXPECT_EQ(read->exit_status, 143);
  ASSERT_EQ(read->keepers.size(), 2u);
  EXPECT_EQ(read->keepers[0].pid, 4243);
  EXPECT_EQ(read->keepers[1].start_ticks, 779u);
  EXPECT_EQ(record_to_json(*read), record_to_json(record));
}

TEST(StateRecord, OlderOnesHaveAnInitAndNoTerminal) {
  ContainerRecord record = example();
  record.resident_init = false;
  record.terminal = true;
  std::string text = record_to_json(record);
  auto read = record_from_json(text);
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_FALSE(read->resident_init);
  EXPECT_TRUE(read->terminal);
  for (const char* line : {"\"resident\": false,", "\"terminal\": true,"}) {
    ASSERT_NE(text.find(line), std::string::npos) << text;
    text.erase(text.find(line), strlen(line));
  }
  EXPECT_FALSE(record_from_json(text).ok());  // damage
  size_t sum = text.find(",\n  \"checksum\"");
  ASSERT_NE(sum, std::string::npos) << text;
  text.erase(sum, text.rfind('\n') - sum);
  auto older = record_from_json(text);
  ASSERT_TRUE(older.ok()) << older.error().text();
  EXPECT_TRUE(older->resident_init);
  EXPECT_FALSE(older->terminal);
}

TEST(StateRecord, CutAtAnyOffsetIsAnErrorOrWhole) {
  std::string whole = record_to_json(example());
  for (size_t n = 0; n + 1 < whole.size(); n++)
    EXPECT_FALSE(record_from_json(whole.substr(0, n)).ok()) << "cut at " << n;
}

// As an older minirun wrote it: without the checksum, which would refuse every change.
nlohmann::json unsealed() {
  nlohmann::json record = nlohmann::json::parse(record_to_json(example()));
  record.erase("checksum");
  return record;
}

TEST(StateRecord, PidsThatCannotBeAreRefused) {
  nlohmann::json record = unsealed();
  for (const char* pid : {"-1", "4194305", "1099511627776", "\"1\""}) {
    record["init"]["pid"] = nlohmann::json::parse(pid);
    EXPECT_FALSE(record_from_json(record.dump()).ok()) << pid;
  }
  record["init"]["pid"] = 4194304;
  EXPECT_TRUE(record_from_json(record.dump()).ok());
}

TEST(StateRecord, MembersThatAreMissingOrOfAnotherTypeAreRefused) {
  const nlohmann::json whole = unsealed();
  ASSERT_TRUE(record_from_json(whole.dump()).ok());
  for (const char* place :
       {"/id",           "/bundle",         "/rootfs",           "/created",         "/bootId",
        "/cgroup",       "/cgroup/path",    "/cgroup/device",    "/cgroup/inode",    "/cgroup/made",
        "/init",         "/init/pid",       "/init/startTicks",  "/init/pidfdInode", "/rdt/group",
        "/rdt/monitor",  "/rdt/makesGroup", "/rdt/makesMonitor", "/rdt/ownGroup",    "/systemd/unit",
        "/systemd/mark", "/systemd/user",   "/annotations",      "/changes/folder",  "/changes/name",
        "/changes/mark", "/changes/made",   "/changes/mode",     "/changes/uid",     "/changes/gid"}) {
    nlohmann::json::json_pointer pointer(place);
    nlohmann::json record = whole;
    record[pointer] = nlohmann::json::array();
    EXPECT_FALSE(record_from_json(record.dump()).ok()) << place;
    record = whole;
    record.at(pointer.parent_pointer()).erase(pointer.back());
    EXPECT_FALSE(record_from_json(record.dump()).ok()) << place;
  }
  for (const auto& [place, value] : {std::pair("/changes/name", "a/b"), std::pair("/changes/name", ""),
                                     std::pair("/changes/mark", "../x"), std::pair("/changes/folder", "srv")}) {
    nlohmann::json record = whole;
    record[nlohmann::json::json_pointer(place)] = value;
    EXPECT_FALSE(record_from_json(record.dump()).ok()) << place << value;
  }
  for (const char* place : {"/rdt", "/systemd", "/changes"}) {  // these need not be there
    nlohmann::json record = whole;
    record[nlohmann::json::json_pointer(place)] = 1;
    EXPECT_FALSE(record_from_json(record.dump()).ok()) << place;
  }
  EXPECT_FALSE(record_from_json("[]").ok());
}

TEST(StateRecord, FormatComesFirst) {
  std::string begin = std::string("{\n  \"format\": 2,\n  \"minirun\": \"") + minirun_version() + "\",\n  \"id\"";
  EXPECT_EQ(record_to_json(example()).substr(0, begin.size()), begin);
  auto read = record_from_json(record_to_json(example()));
  EXPECT_EQ(read->format, kRecordFormat);
  EXPECT_EQ(read->made_by, minirun_version());
  EXPECT_TRUE(check_format(*read).ok());
}

TEST(StateRecord, OneOfFormatOneHasNoNumber) {
  nlohmann::json record = unsealed();
  record.erase("format");  // as 65916da wrote it
  record.erase("minirun");
  auto read = record_from_json(record.dump());
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(read->format, 1u);
  EXPECT_TRUE(check_format(*read).ok());
}

// tests/unit/data/formats/README.md.
TEST(StateRecord, OfEachFormatIsRead) {
  for (uint64_t format : {uint64_t{1}, uint64_t{2}}) {
    auto text = read_file(AT_FDCWD, MINIRUN_SOURCE_DIR "/tests/unit/data/formats/record." + std::to_string(format));
    ASSERT_TRUE(text.ok()) << format;
    auto record = record_from_json(*text);
    ASSERT_TRUE(record.ok()) << record.error().text();
    EXPECT_EQ(record->format, format);
    EXPECT_TRUE(check_format(*record).ok());
    EXPECT_EQ(record->id, "web1");
    EXPECT_EQ(record->cgroup.path, "/minirun-web1");
    EXPECT_GT(record->init.pid, 0);
    EXPECT_FALSE(record->resident_init);
  }
}

TEST(StateRecord, NewerFormatIsRefusedWithBothVersions) {
  std::string words =
      std::string("the container was made by minirun 9.8, whose records have format 3; this is minirun ") +
      minirun_version() + ", which knows formats up to 2";
  nlohmann::json record = unsealed();
  record["format"] = kRecordFormat + 1;
  record["minirun"] = "9.8";
  auto read = record_from_json(record.dump());  // for delete --force
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(read->init.pid, 4242);
  EXPECT_EQ(check_format(*read).error().text(), words);
  record["init"] = "4242 777";  // whatever else has changed
  read = record_from_json(record.dump());
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().text(), words);
}

TEST(StateRecord, FormatThatIsNoneIsDamage) {
  nlohmann::json record = unsealed();
  for (const char* format : {"0", "1", "-3", "2.0", "\"2\"", "null", "[2]", "18446744073709551616"}) {
    record["format"] = nlohmann::json::parse(format);
    auto read = record_from_json(record.dump());
    EXPECT_FALSE(read.ok()) << format;
    EXPECT_EQ(read.error().code, EINVAL) << format;
  }
  record["format"] = 2;
  record.erase("minirun");
  EXPECT_FALSE(record_from_json(record.dump()).ok());
}

TEST(StateRecord, MembersOfNewerOnesThatMakeNoSenseAreAsIfTheyWereNotThere) {
  nlohmann::json record = unsealed();
  record["terminal"] = 1;
  record["exitStatus"] = 256;
  record["annotations"]["number"] = 1;
  auto read = record_from_json(record.dump());
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_FALSE(read->terminal);
  EXPECT_FALSE(read->exit_status);
  EXPECT_EQ(read->annotations, example().annotations);
  record["exitStatus"] = "1";
  EXPECT_FALSE(record_from_json(record.dump())->exit_status);
}

TEST_F(State, AnIdIsClaimedOnce) {
  auto first = StateDirectory::claim(root_.get(), "x");
  ASSERT_TRUE(first.ok());
  auto second = StateDirectory::claim(root_.get(), "x");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().text(), "container with given ID already exists");
  EXPECT_EQ(second.error().kind, ErrorKind::state);
  EXPECT_FALSE(is_no_container(second.error()));
}

TEST_F(State, OneThatIsNotThereIsToldFromOneThatAnotherCommandHas) {
  auto claimed = StateDirectory::claim(root_.get(), "x");
  ASSERT_TRUE(claimed.ok());
  auto other = StateDirectory::open(root_.get(), "x");
  ASSERT_TRUE(other.ok()) << other.error().text();
  auto locked = other->lock(std::chrono::milliseconds(1));
  ASSERT_FALSE(locked.ok());
  EXPECT_EQ(locked.error().kind, ErrorKind::busy);
  EXPECT_FALSE(is_no_container(locked.error()));
  ASSERT_TRUE(claimed->remove().ok());
  claimed->unlock();
  for (const Error& error : {other->lock().error(), StateDirectory::open(root_.get(), "x").error(),
                             open_existing_root(std::string(path_) + "/none").error()}) {
    EXPECT_TRUE(is_no_container(error)) << error.text();
    EXPECT_EQ(error.kind, ErrorKind::state);
    EXPECT_EQ(error.text(), "container does not exist");
  }
}

TEST_F(State, IsGoneWithItsOwnerUnlessKept) {
  {
    auto claimed = StateDirectory::claim(root_.get(), "x");
    ASSERT_TRUE(claimed->write(example()).ok());
  }
  EXPECT_EQ(list_ids(root_.get())->size(), 0u);
  {
    auto claimed = StateDirectory::claim(root_.get(), "x");
    ASSERT_TRUE(claimed->write(example()).ok());
    claimed->detach();
  }
  EXPECT_EQ(*list_ids(root_.get()), std::vector<std::string>{"x"});
  auto opened = StateDirectory::open(root_.get(), "x");
  EXPECT_EQ(opened->read()->id, "web1");
  EXPECT_TRUE(opened->remove().ok());
}

TEST(StateRoot, IsRefusedWhenOthersCanWriteToIt) {
  char path[] = "/tmp/minirun-root-XXXXXX";
  ASSERT_NE(mkdtemp(path), nullptr);
  ASSERT_EQ(chmod(path, 0777), 0);
  EXPECT_FALSE(open_state_root(path, true).ok());
  ASSERT_EQ(chmod(path, 0700), 0);
  EXPECT_TRUE(open_state_root(path, true).ok());
  rmdir(path);
}

TEST(StateRoot, IsMadeOnlyWhenAskedFor) {
  char path[] = "/tmp/minirun-root-XXXXXX";
  ASSERT_NE(mkdtemp(path), nullptr);
  std::string below = std::string(path) + "/parent/deeper/root";
  EXPECT_EQ(open_state_root(below, false).error().code, ENOENT);
  EXPECT_TRUE(open_state_root(below, true).ok());
  EXPECT_EQ(rmdir(below.c_str()), 0);
  EXPECT_EQ(rmdir((std::string(path) + "/parent/deeper").c_str()), 0);
  EXPECT_EQ(rmdir((std::string(path) + "/parent").c_str()), 0);
  EXPECT_EQ(rmdir(path), 0);
}

TEST(OpenInit, FindsAProcessByMoreThanItsNumber) {
  UniqueFd own(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  ASSERT_TRUE(own);
  ContainerRecord record = example();
  record.init = *ProcessIdentity::of(getpid(), own.get());
  EXPECT_TRUE(open_process(record, record.init).ok());

  ContainerRecord older = record;
  older.init.start_ticks--;
  EXPECT_EQ(open_process(older, older.init).error().code, ENOENT) << "a recycled pid";
  ContainerRecord other_boot = record;
  other_boot.boot_id = "another";
  EXPECT_EQ(open_process(other_boot, other_boot.init).error().code, ENOENT);
  if (record.init.pidfd_inode == 0) GTEST_SKIP() << "no pidfs (Linux 6.9)";
  ContainerRecord same_tick = record;
  same_tick.init.pidfd_inode++;
  EXPECT_EQ(open_process(same_tick, same_tick.init).error().code, ENOENT) << "a pid recycled within one tick";
}

TEST(OpenInit, ProcessesThatAreNobodysAreNeverFound) {
  ContainerRecord record = example();
  for (pid_t pid : {0, 1}) {
    record.init.pid = pid;
    EXPECT_EQ(open_process(record, record.init).error().code, ENOENT) << pid;
  }
}

TEST(Now, IsWhatDateSays) {
  std::string now = now_rfc3339();
  time_t since_epoch = time(nullptr);
  tm utc{};
  gmtime_r(&since_epoch, &utc);
  char expected[32];
  strftime(expected, sizeof expected, "%Y-%m-%dT%H:", &utc);
  EXPECT_EQ(now.substr(0, 14), expected);
  EXPECT_EQ(now.size(), 30u);
  EXPECT_EQ(now.back(), 'Z');
}

}  // namespace minirun
