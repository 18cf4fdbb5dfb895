// SPDX-License-Identifier: Apache-2.0
#include "runtime/oci/bundle.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <type_traits>

#include "sys/file.h"
#include "tests/support/config_edit.h"

namespace minirun {

using test::kSmallConfig;
using test::with;

// A directory of its own, removed afterwards.
class LoadBundle : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/minirun-bundle-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    path_ = name;
    dir_ = open_at(AT_FDCWD, path_, O_PATH | O_DIRECTORY).value();
    ASSERT_EQ(mkdirat(dir_.get(), "rootfs", 0755), 0);
  }
  void TearDown() override {
    for (const char* name : {"config.json", "link", "file"}) (void)unlinkat(dir_.get(), name, 0);
    for (const char* name : {"config.json", "rootfs"}) (void)unlinkat(dir_.get(), name, AT_REMOVEDIR);
    (void)rmdir(path_.c_str());
  }
  void write(std::string_view text) { ASSERT_TRUE(replace_file(dir_.get(), "config.json", text, 0600).ok()); }
  std::string error() {
    auto bundle = load_bundle(path_);
    return bundle.ok() ? "" : bundle.error().text();
  }

  std::string path_;
  UniqueFd dir_;
};

static_assert(std::is_same_v<decltype(*Bundle::spec), const oci::Spec&>, "nothing changes what is validated");

TEST_F(LoadBundle, ReadsAndValidates) {
  write(with(kSmallConfig, "/typo", "1"));
  auto bundle = load_bundle(path_ + "/../" + path_.substr(5));
  ASSERT_TRUE(bundle.ok()) << bundle.error().text();
  EXPECT_EQ(bundle->path, path_) << "absolute and plain";
  EXPECT_EQ(bundle->spec->process->args, oci::Strings{"/bin/true"});
  ASSERT_EQ(bundle->unknown.size(), 1U);
  EXPECT_EQ(bundle->unknown[0].pointer, "/typo");
}

TEST_F(LoadBundle, NamesEveryProblemOnALineOfItsOwn) {
  write(with(with(kSmallConfig, "/process/cwd", "\"tmp\""), "/ociVersion", "\"2.0.0\""));
  EXPECT_EQ(error(),
            "config.json:1:15: /ociVersion: must be a version 1.x.y of the runtime-spec: found \"2.0.0\"\n"
            "config.json:1:65: /process/cwd: must be an absolute path: found \"tmp\"");
  const Error error = load_bundle(path_).error();
  EXPECT_EQ(error.kind, ErrorKind::config);
  const std::vector<Problem>& problems = error.details().problems;
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_EQ(problems[0].pointer, "/ociVersion");
  EXPECT_EQ(problems[1].pointer, "/process/cwd");
  EXPECT_EQ(problems[1].message, "must be an absolute path: found \"tmp\"");
}

TEST_F(LoadBundle, SaysWhereTheTextIsNotJson) {
  write("{\n  \"ociVersion\": \"1.0.0\"\n  \"root\": {}\n}");
  EXPECT_EQ(error().substr(0, 17), "config.json:3:8: ");
  write("[]");
  EXPECT_EQ(error(), "config.json:1:1: must be an object: found an empty array");
}

TEST_F(LoadBundle, NamesWhatIsMissing) {
  EXPECT_EQ(error(), path_ + ": open config.json: no such file or directory");
  EXPECT_EQ(load_bundle(path_ + "/none").error().text(), "open " + path_ + "/none: no such file or directory");
  write("{}");
  EXPECT_EQ(load_bundle(path_ + "/config.json").error().text(), "open " + path_ + "/config.json: not a directory");
}

TEST_F(LoadBundle, DoesNotHangOnAFifoOrTakeADirectory) {
  ASSERT_EQ(mkfifoat(dir_.get(), "config.json", 0600), 0);
  EXPECT_EQ(error(), path_ + ": config.json: not a regular file");
  ASSERT_EQ(unlinkat(dir_.get(), "config.json", 0), 0);
  ASSERT_EQ(mkdirat(dir_.get(), "config.json", 0700), 0);
  EXPECT_EQ(error(), path_ + ": config.json: not a regular file");
}

TEST_F(LoadBundle, RefusesAHundredMegabytesAtOnceAndInLittleMemory) {
  {
    UniqueFd file = open_at(dir_.get(), "config.json", O_CREAT | O_WRONLY, 0600).value();
    ASSERT_EQ(ftruncate(file.get(), 100'000'000), 0);
  }
  struct rusage before = {};
  struct rusage after = {};
  getrusage(RUSAGE_SELF, &before);
  auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(error(), path_ + ": config.json: 100000000 bytes, more than the 16777216 that minirun reads");
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  getrusage(RUSAGE_SELF, &after);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 4096) << "KiB";
}

TEST_F(LoadBundle, SurvivesDepthAndGarbage) {
  write(std::string(100'000, '['));
  EXPECT_EQ(error(), "config.json:1:129: nested more than 128 deep");
  write("{\"ociVersion\": \"\xFF\"}");
  EXPECT_EQ(error().substr(0, 18), "config.json:1:17: ");
  write(std::string_view("{\0}", 3));
  EXPECT_EQ(error(), "config.json:1:2: NUL byte");
  write("");
  EXPECT_EQ(error(), "config.json:1:1: no JSON in here: empty");
}

TEST_F(LoadBundle, TellsOfAMissingRootfsWithEverythingElse) {
  ASSERT_EQ(unlinkat(dir_.get(), "rootfs", AT_REMOVEDIR), 0);
  write(with(kSmallConfig, "/process/cwd", "\"tmp\""));
  EXPECT_NE(error().find(": /process/cwd: must be"), std::string::npos);
  EXPECT_NE(error().find(": /root/path: open rootfs: no such file or directory"), std::string::npos);
}

TEST_F(LoadBundle, OpensTheRootfsFromTheBundleOnly) {
  ASSERT_EQ(unlinkat(dir_.get(), "rootfs", AT_REMOVEDIR), 0);
  EXPECT_EQ(open_rootfs(dir_.get(), {"rootfs", false}).error().text(), "open rootfs: no such file or directory");
  ASSERT_EQ(mkdirat(dir_.get(), "rootfs", 0755), 0);
  EXPECT_TRUE(open_rootfs(dir_.get(), {"rootfs", false}).ok());
  EXPECT_TRUE(open_rootfs(dir_.get(), {"rootfs/", false}).ok());
  EXPECT_TRUE(open_rootfs(-1, {path_ + "/rootfs", false}).ok());
}

TEST_F(LoadBundle, RefusesARootfsThatIsALinkOrAFile) {
  ASSERT_EQ(symlinkat("rootfs", dir_.get(), "link"), 0);
  ASSERT_TRUE(replace_file(dir_.get(), "file", "x", 0600).ok());
  EXPECT_EQ(open_rootfs(dir_.get(), {"link", false}).error().text(),
            "must be a directory: \"link\" is a symbolic link");
  EXPECT_EQ(open_rootfs(dir_.get(), {"link//", false}).error().text(),
            "must be a directory: \"link//\" is a symbolic link");
  EXPECT_EQ(open_rootfs(dir_.get(), {"file", false}).error().text(),
            "must be a directory: \"file\" is not a directory");
}

}  // namespace minirun
