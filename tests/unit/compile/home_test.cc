// SPDX-License-Identifier: Apache-2.0
#include "runtime/compile/home.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "sys/fd.h"
#include "tests/support/renamer.h"

namespace minirun {
namespace {

TEST(Home, IsThatOfTheFirstEntryWithTheUid) {
  const char* passwd = "root:x:0:0:root:/root:/bin/sh\nweb:x:33:33::/var/www:\nwww:x:33:33::/other:/bin/sh";
  EXPECT_EQ(home_in_passwd(passwd, 0), "/root");
  EXPECT_EQ(home_in_passwd(passwd, 33), "/var/www");
  EXPECT_EQ(home_in_passwd(passwd, 34), "/");
  EXPECT_EQ(home_in_passwd("", 0), "/");
}

TEST(Home, LinesThatAreNotSoundAreSkipped) {
  const char* bad[] = {
      "a:x:5:5::/h",          "a:x:5:5::/h:sh:more", "a:x:5 :5::/h:", "a:x:+5:5::/h:", "a:x:0x5:5::/h:",
      "a:x::5::/h:",          "a:x:5:5::h:",         "a:x:5:5:::",    "+::::::",       "5",
      "a:x:4294967301:5::/h:"};
  for (const char* line : bad) {
    EXPECT_EQ(home_in_passwd(line, 5), "/") << line;
    EXPECT_EQ(home_in_passwd(std::string(line) + "\nb:x:5:5::/good:\n", 5), "/good") << line;
  }
}

class HomeOf : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/minirun-home-XXXXXX";
    path = mkdtemp(name);
    root = UniqueFd(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    mkdirat(root.get(), "etc", 0755);
  }
  void TearDown() override {
    unlinkat(root.get(), "etc/passwd", 0);
    unlinkat(root.get(), "etc", AT_REMOVEDIR);
    rmdir(path.c_str());
  }
  void write_passwd(const std::string& text) {
    UniqueFd file(openat(root.get(), "etc/passwd", O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_EQ(write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  std::string path;
  UniqueFd root;
};

TEST_F(HomeOf, ReadsTheImagesFile) {
  write_passwd("me:x:7:7::/home/me:/bin/sh\n");
  EXPECT_EQ(home_of(root.get(), 7).value(), "/home/me");
}

TEST_F(HomeOf, NoFileIsNoEntry) {
  EXPECT_EQ(home_of(root.get(), 7).value(), "/");
}

TEST_F(HomeOf, AFifoDoesNotHoldItUp) {
  ASSERT_EQ(mkfifoat(root.get(), "etc/passwd", 0644), 0);
  EXPECT_EQ(home_of(root.get(), 7).value(), "/");
}

TEST_F(HomeOf, ALinkStaysInsideTheImage) {
  ASSERT_EQ(symlinkat("/../../../../../../etc/passwd", root.get(), "etc/passwd"), 0);  // itself, seen from inside
  EXPECT_EQ(home_of(root.get(), 0).value(), "/");
}

// Each rename on the system makes the kernel give up a resolution with a ".." that it overlaps; this one has 240.
TEST_F(HomeOf, RenamesOfOthersDoNotHoldItUp) {
  ASSERT_EQ(symlinkat("/../../../../../../etc/passwd", root.get(), "etc/passwd"), 0);
  Renamer first, second;
  for (int i = 0; i < 2000; ++i) {
    auto home = home_of(root.get(), 0);
    ASSERT_TRUE(home.ok()) << home.error().text() << " in round " << i;
    EXPECT_EQ(*home, "/");
  }
}

TEST_F(HomeOf, AHugeFileIsReadInPart) {
  write_passwd(std::string(kMaxPasswdBytes, '\n') + "me:x:7:7::/home/me:/bin/sh\n");
  EXPECT_EQ(home_of(root.get(), 7).value(), "/");
}

}  // namespace
}  // namespace minirun
