// SPDX-License-Identifier: Apache-2.0
// fs.suid_dumpable 1 (proc_sys_fs(5)): a change of ids leaves a process open to tracers of the same user.
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

constexpr const char* kSysctl = "/proc/sys/fs/suid_dumpable";

class Dumpable : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    if (getenv("MINIRUN_TESTS_OWN_MACHINE") == nullptr) GTEST_SKIP() << "fs.suid_dumpable is the whole machine's";
    before_ = content(kSysctl);
    ASSERT_TRUE(write_control(AT_FDCWD, kSysctl, "1"));
  }
  void TearDown() override {
    if (!before_.empty()) {
      EXPECT_TRUE(write_control(AT_FDCWD, kSysctl, before_));
    }
    MinirunTest::TearDown();
  }
  std::string before_;
};

TEST_F(Dumpable, NothingOfMinirunsIsOpenToTheContainersUser) {
  constexpr const char* kSaid = "/run/tests/said";
  Bundle bundle;
  bundle.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  bundle.config["process"]["capabilities"] = nlohmann::json::object();
  bundle.payload({"trace"});
  UniqueFd file(open(kSaid, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  StartOptions options;
  options.stdout_fd = file.get();
  Outcome outcome = run(bundle, {"--detach"}, options);
  ASSERT_EQ(outcome.code, 0) << describe(outcome);
  ASSERT_TRUE(eventually([] { return content(kSaid).find("ready") != std::string::npos; })) << content(kSaid);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(call({"exec", id(), "/bin/payload", "true"}).code, 0);
  EXPECT_EQ(call({"exec", id(), "/bin/payload", "trace", "1"}).out, "attached 0 empty 0 before 0 findings 0\n");
  EXPECT_EQ(call({"kill", id(), "TERM"}).code, 0);
  EXPECT_TRUE(eventually([] { return content(kSaid).find("findings") != std::string::npos; })) << content(kSaid);
  const std::string said = content(kSaid);
  EXPECT_NE(said.find(" before 0 findings 0"), std::string::npos) << said;
  EXPECT_EQ(said.find("attached 0 "), std::string::npos) << "it attached to nothing, its own program neither: " << said;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  EXPECT_EQ(unlink(kSaid), 0);
}

}  // namespace
}  // namespace minirun::testing
