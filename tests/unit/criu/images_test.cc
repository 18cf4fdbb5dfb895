// SPDX-License-Identifier: Apache-2.0
#include "runtime/criu/images.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

TEST(CriuImages, InitIsReadAsItWasWrittenAndGoesWithTheNextCheckpoint) {
  TemporaryDirectory directory;
  ImagePaths paths{directory.path(), directory.path()};
  auto none = read_init(paths);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->name, "");
  const std::string program("\177ELF\0\n", 6);
  ASSERT_TRUE(write_init(paths, {"file[1f:400]", program, ""}).ok());
  auto init = read_init(paths);
  ASSERT_TRUE(init.ok()) << init.error().text();
  EXPECT_EQ(init->name, "file[1f:400]");
  EXPECT_EQ(init->program, program);
  EXPECT_EQ(init->end_page, "") << "as of an older minirun";
  ASSERT_TRUE(write_init(paths, {"file[1f:400]", program, "file[17:5]"}).ok());
  EXPECT_EQ(read_init(paths)->end_page, "file[17:5]");
  ASSERT_TRUE(write_init(paths, {}).ok());
  EXPECT_EQ(read_init(paths)->name, "");
  EXPECT_NE(access((paths.images + "/init").c_str(), F_OK), 0);
  EXPECT_TRUE(write_init(paths, {}).ok()) << "nothing to remove";
}

TEST(CriuImages, InitThatIsDamagedIsAnError) {
  TemporaryDirectory directory;
  ImagePaths paths{directory.path(), directory.path()};
  ASSERT_TRUE(write_init(paths, {"file[1f:400]", "x", ""}).ok());
  ASSERT_EQ(unlink((paths.images + "/init").c_str()), 0);
  EXPECT_FALSE(read_init(paths).ok());
  for (const char* text : {"{", "[]", "[\"\"]", "[\"a\",\"\"]", "[\"a\",\"b\",\"c\"]", "[1]"}) {
    directory.write("init.json", text);
    EXPECT_FALSE(read_init(paths).ok()) << text;
  }
}

}  // namespace
}  // namespace minirun
