// SPDX-License-Identifier: Apache-2.0
// tmpcopyup on plain directories: what is copied, and what a hostile image cannot do with it.
#include "namespaces/copy_up.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "sys/file.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

class CopyUpTest : public ::testing::Test {
 protected:
  Result<void> copy(const std::string& directory, CopyUp what = {}) {
    what.directory = directory;
    return copy_up(image.fd(), made.fd(), what);
  }
  struct stat facts(const std::string& name) {
    struct stat info {};
    EXPECT_EQ(lstat(made.path(name).c_str(), &info), 0) << name;
    return info;
  }
  std::string content(const std::string& name) {
    auto text = read_file(made.fd(), name);
    return text.ok() ? *text : text.error().text();
  }
  static std::string target(const std::string& path) {
    char text[PATH_MAX];
    ssize_t n = readlink(path.c_str(), text, sizeof text);
    return n < 0 ? "" : std::string(text, static_cast<size_t>(n));
  }

  TemporaryDirectory image, made;
};

TEST_F(CopyUpTest, FilesKeepModeTimesAndAttributes) {
  image.make_directory("data");
  image.make_directory("data/sub", 0750);
  image.write("data/sub/file", "some text", 0640);
  image.write("data/program", "x", 04755);
  std::string file = image.path("data/sub/file");
  const timespec times[] = {{1000, 5}, {2000, 6}};
  bool attributes = setxattr(file.c_str(), "user.note", "kept", 4, 0) == 0;
  ASSERT_EQ(chmod(image.path("data/program").c_str(), 04755), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  ASSERT_EQ(utimensat(AT_FDCWD, image.path("data/sub").c_str(), times, 0), 0);
  auto copied = copy("/data");
  ASSERT_TRUE(copied.ok()) << copied.error().text();
  EXPECT_EQ(content("sub/file"), "some text");
  EXPECT_EQ(facts("sub/file").st_mode, S_IFREG | 0640u);
  EXPECT_EQ(facts("sub").st_mode, S_IFDIR | 0750u);
  EXPECT_EQ(facts("program").st_mode, S_IFREG | 04755u);
  for (const char* name : {"sub", "sub/file"}) {
    EXPECT_EQ(facts(name).st_mtim.tv_sec, 2000) << name;
    EXPECT_EQ(facts(name).st_mtim.tv_nsec, 6) << name;
  }
  char value[8];
  if (attributes) {
    EXPECT_EQ(getxattr(made.path("sub/file").c_str(), "user.note", value, sizeof value), 4);
  }
}

TEST_F(CopyUpTest, OwnersNodesAndSetIdBits) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: gives files away";
  image.make_directory("data");
  image.write("data/file", "x");
  ASSERT_EQ(chown(image.path("data/file").c_str(), 1234, 5678), 0);
  ASSERT_EQ(chmod(image.path("data/file").c_str(), 06755), 0);
  ASSERT_EQ(mkfifo(image.path("data/fifo").c_str(), 0622), 0);
  ASSERT_EQ(symlink("/etc/shadow", image.path("data/link").c_str()), 0);
  ASSERT_EQ(lchown(image.path("data/link").c_str(), 7, 8), 0);
  bool nodes = mknod(image.path("data/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0;
  auto copied = copy("data");
  ASSERT_TRUE(copied.ok()) << copied.error().text();
  EXPECT_EQ(facts("file").st_uid, 1234u);
  EXPECT_EQ(facts("file").st_gid, 5678u);
  EXPECT_EQ(facts("file").st_mode, S_IFREG | 06755u);
  EXPECT_TRUE(S_ISFIFO(facts("fifo").st_mode));
  EXPECT_TRUE(S_ISLNK(facts("link").st_mode));
  EXPECT_EQ(facts("link").st_uid, 7u);
  EXPECT_EQ(target(made.path("link")), "/etc/shadow");
  if (nodes) {
    EXPECT_EQ(facts("null").st_rdev, makedev(1, 3));
  }
}

TEST_F(CopyUpTest, RootTakesOnWhatIsAsked) {
  image.make_directory("data", 0711);
  image.write("data/file", "x");
  ASSERT_TRUE(copy("/data", {"", true, false, false}).ok());
  EXPECT_EQ(facts(".").st_mode, S_IFDIR | 0711u);
  EXPECT_EQ(access(made.path("file").c_str(), F_OK), -1) << "the mode alone was asked for";
  ASSERT_EQ(chmod(made.path().c_str(), 0700), 0);
  ASSERT_TRUE(copy("/data", {"", false, true, true}).ok());
  EXPECT_EQ(facts(".").st_mode, S_IFDIR | 0700u);
  EXPECT_EQ(content("file"), "x");
}

TEST_F(CopyUpTest, DirectoryIsFoundInsideTheImage) {
  image.make_directory("inside");
  image.write("inside/file", "the image's");
  ASSERT_EQ(symlink("/inside", image.path("absolute").c_str()), 0);
  ASSERT_EQ(symlink("../../../../inside", image.path("upwards").c_str()), 0);
  for (const char* way : {"/absolute", "/upwards"}) {
    ASSERT_TRUE(copy(way).ok()) << way;
    EXPECT_EQ(content("file"), "the image's");
    ASSERT_EQ(unlink(made.path("file").c_str()), 0);
  }
  EXPECT_TRUE(copy("/not/there").ok()) << "nothing to copy";
  image.write("file", "x");
  EXPECT_EQ(copy("/file").error().text(), "copy /file of the rootfs: not a directory");
}

TEST_F(CopyUpTest, HolesStayHoles) {
  image.make_directory("data");
  UniqueFd file(open(image.path("data/sparse").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(pwrite(file.get(), "middle", 6, 64 << 20), 6);
  ASSERT_EQ(ftruncate(file.get(), off_t{1} << 40), 0);
  auto copied = copy("/data");
  ASSERT_TRUE(copied.ok()) << copied.error().text();
  EXPECT_EQ(facts("sparse").st_size, off_t{1} << 40);
  EXPECT_LT(facts("sparse").st_blocks, 4096);
  UniqueFd read_back(open(made.path("sparse").c_str(), O_RDONLY | O_CLOEXEC));
  char text[6];
  EXPECT_EQ(pread(read_back.get(), text, 6, 64 << 20), 6);
  EXPECT_EQ(std::string(text, 6), "middle");
}

TEST_F(CopyUpTest, TooDeepIsAnError) {
  std::string path = "data";
  image.make_directory(path);
  for (int i = 0; i < 130; i++) image.make_directory(path += "/d");
  auto copied = copy("/data");
  ASSERT_FALSE(copied.ok());
  EXPECT_EQ(copied.error().code, ELOOP);
  EXPECT_TRUE(copied.error().message.ends_with("/d/d: more than 128 directories deep")) << copied.error().message;
}

}  // namespace
}  // namespace minirun
