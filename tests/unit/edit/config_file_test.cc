// SPDX-License-Identifier: Apache-2.0
#include "runtime/edit/config_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "sys/file.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

class ConfigFileTest : public ::testing::Test {
 protected:
  void put(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(replace_file(AT_FDCWD, path(name), text, 0640).ok());
  }
  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  std::string got(const std::string& name) const { return read_file(AT_FDCWD, path(name)).value(); }
  // All names but . and ..
  size_t count() const {
    size_t names = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) names += !entry.path().empty();
    return names;
  }
  static std::string error_of(const Result<void>& result) { return result.ok() ? "" : result.error().text(); }

  TemporaryDirectory directory_;
};

TEST_F(ConfigFileTest, ReplacesAsAWholeAndKeepsModeAndOwner) {
  put("c", "old");
  ASSERT_EQ(chmod(path("c").c_str(), 0604), 0);
  const bool root = geteuid() == 0;
  ASSERT_EQ(root ? chown(path("c").c_str(), 12, 34) : 0, 0);
  struct stat before = {}, after = {};
  ASSERT_EQ(stat(path("c").c_str(), &before), 0);
  UniqueFd reader(open(path("c").c_str(), O_RDONLY | O_CLOEXEC));
  {
    auto file = ConfigFile::open(path("c"));
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(file->text(), "old");
    EXPECT_EQ(error_of(file->replace("new and longer")), "");
  }
  ASSERT_EQ(stat(path("c").c_str(), &after), 0);
  EXPECT_EQ(after.st_mode, before.st_mode);
  EXPECT_EQ(after.st_uid, before.st_uid);
  EXPECT_EQ(after.st_gid, before.st_gid);
  EXPECT_EQ(got("c"), "new and longer");
  EXPECT_EQ(read_all(reader.get(), 100, "c").value(), "old");
  EXPECT_EQ(count(), 1U);
}

TEST_F(ConfigFileTest, RefusesWhatItCannotReplace) {
  auto refused = [&](const std::string& name) {
    auto file = ConfigFile::open(path(name));
    return file.ok() ? "opened" : file.error().text();
  };
  put("c", "x");
  ASSERT_EQ(symlink("c", path("link").c_str()) | mkfifo(path("pipe").c_str(), 0600) | mkdir(path("d").c_str(), 0700),
            0);
  EXPECT_EQ(refused("link"), "it is a symbolic link: name the file that it leads to");
  EXPECT_EQ(refused("pipe"), "not a regular file");
  EXPECT_EQ(refused("d"), "not a regular file");
  EXPECT_NE(refused("nothing").find("no such file"), std::string::npos);
  EXPECT_NE(refused("d/").find("--edit: must name a file"), std::string::npos);
  EXPECT_NE(refused(".").find("--edit: must name a file"), std::string::npos);
  ASSERT_EQ(truncate(path("c").c_str(), (16 << 20) + 1), 0);
  EXPECT_EQ(refused("c"), "16777217 bytes, more than the 16777216 that minirun reads");
}

TEST_F(ConfigFileTest, AChangeWithoutTheLockIsAnErrorAndStays) {
  put("c", "old");
  auto file = ConfigFile::open(path("c"));
  ASSERT_TRUE(file.ok());
  put("c", "of an editor");  // by rename
  EXPECT_EQ(error_of(file->replace("mine")), "another program has changed it meanwhile: nothing is written");
  EXPECT_EQ(got("c"), "of an editor");
  file = ConfigFile::open(path("c"));
  ASSERT_TRUE(file.ok());
  UniqueFd writer(open(path("c").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  ASSERT_EQ(write(writer.get(), "in place", 8), 8);
  EXPECT_EQ(file->replace("mine").error().kind, ErrorKind::busy);
  EXPECT_EQ(got("c"), "in place");
  ASSERT_EQ(unlink(path("c").c_str()), 0);
  EXPECT_NE(error_of(file->replace("mine")).find("no such file"), std::string::npos);
  EXPECT_EQ(count(), 0U);
}

TEST_F(ConfigFileTest, TakesWhatAKilledOneLeft) {
  put("c", "old");
  put(".c.minirun", "half");
  EXPECT_EQ(error_of(ConfigFile::open(path("c"))->replace("new")), "");
  EXPECT_EQ(got("c"), "new");
  EXPECT_EQ(count(), 1U);
  // Never writes through a link that stands there.
  put("victim", "whole");
  ASSERT_EQ(symlink("victim", path(".c.minirun").c_str()), 0);
  EXPECT_EQ(error_of(ConfigFile::open(path("c"))->replace("newer")), "");
  EXPECT_EQ(got("victim"), "whole");
  EXPECT_EQ(got("c"), "newer");
}

// Each of many racers adds its letter; some do so as an editor that knows no lock does, by rename.
TEST_F(ConfigFileTest, RacersLoseNothing) {
  put("c", "");
  constexpr int kRacers = 4, kRounds = 25;
  std::atomic<int> added = 0, busy = 0;
  std::vector<std::thread> racers;
  for (int racer = 0; racer < kRacers; ++racer)
    racers.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        auto file = ConfigFile::open(path("c"));
        if (!file.ok()) {
          ++busy;
          continue;
        }
        auto replaced = file->replace(file->text() + "x");
        ++(replaced.ok() ? added : busy);
      }
    });
  for (std::thread& racer : racers) racer.join();
  EXPECT_EQ(got("c"), std::string(static_cast<size_t>(added.load()), 'x'));
  EXPECT_EQ(added, kRacers * kRounds) << "no one got an error: " << busy << " did";
  EXPECT_EQ(count(), 1U);
}

// An editor that knows no lock replaces the file again and again, with a new number each time. minirun's replacement
// comes from the number that it has read, or is an error: the editor's later number is never lost.
TEST_F(ConfigFileTest, AnEditorWithoutTheLockLosesNothing) {
  put("c", "0");
  std::atomic<bool> done = false;
  std::atomic<int> latest = 0;
  std::thread editor([&] {
    for (int number = 1; !done; ++number) {
      (void)replace_file(AT_FDCWD, path("c"), std::to_string(number), 0640);
      latest = number;
      usleep(static_cast<unsigned>(number % 7) * 50);
    }
  });
  int replaced = 0, refused = 0;
  for (int round = 0; round < 100 || (replaced == 0 && round < 100'000); ++round) {
    auto file = ConfigFile::open(path("c"));
    if (!file.ok()) continue;
    int read = std::stoi(file->text());
    if (read < 0) continue;
    auto result = file->replace(std::to_string(-read));
    ++(result.ok() ? replaced : refused);
    // What a success took away is what it had read, so a number read afterwards is never an older one of the editor.
    int now = std::abs(std::stoi(got("c")));
    EXPECT_GE(now, read);
  }
  done = true;
  editor.join();
  EXPECT_GT(replaced, 0);
  const bool conflict = access(path("c.conflict").c_str(), F_OK) == 0;
  EXPECT_TRUE(std::abs(std::stoi(got("c"))) == latest || conflict) << "not the editor's last text, nor one made of it";
}

TEST_F(ConfigFileTest, AHeldLockIsWaitedForAndThenAnError) {
  put("c", "old");
  UniqueFd holder(open(path("c").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(syscall(SYS_flock, holder.get(), LOCK_EX | LOCK_NB), 0);
  std::thread release([&] {
    usleep(50'000);
    holder = UniqueFd();
  });
  auto file = ConfigFile::open(path("c"));
  release.join();
  ASSERT_TRUE(file.ok());
  auto second = ConfigFile::open(path("c"), 20);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, ErrorKind::busy);
  EXPECT_EQ(second.error().text(), "another program has held its lock for 20 ms");
}

}  // namespace
}  // namespace minirun
