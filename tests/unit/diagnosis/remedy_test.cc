// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/remedy.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <cerrno>
#include <filesystem>

#include "sys/file.h"

namespace minirun {
namespace {

std::string remedy(std::string_view what, int code, const std::string& text, const std::string& call = "") {
  FailureFacts facts;
  facts.what = what;
  facts.code = code;
  facts.text = text;
  facts.call = call;
  facts.most_files = 1000;
  return remedy_for(facts);
}

// A sentence that nothing has caused is a guess.
TEST(Remedies, EachHasTheTestThatCausesIt) {
  std::string all;
  for (const auto& entry : std::filesystem::directory_iterator(MINIRUN_SOURCE_DIR "/tests/integration"))
    all += read_file(AT_FDCWD, entry.path().string(), 1 << 20).value();
  for (std::string_view test : remedy_tests()) {
    std::string head = "TEST_F(" + std::string(test) + ") {";
    head.replace(head.find('.'), 1, ", ");
    EXPECT_NE(all.find(head), std::string::npos) << test;
  }
}

TEST(Remedies, AreForTheStepAndTheErrnoAlone) {
  const std::string tried = "/mounts/3: bind /a on /b";
  EXPECT_NE(remedy("attach", EISDIR, tried), "");
  EXPECT_EQ(remedy("attach", EIO, tried), "");
  EXPECT_EQ(remedy("mount_new", EISDIR, tried), "");
  EXPECT_EQ(remedy("nosuch", EISDIR, tried), "");
}

TEST(Remedies, OfAHardLimitNameTheSysctlOnlyAboveIt) {
  const std::string tried = "/process/rlimits/0: limit RLIMIT_NOFILE: soft 5, hard ";
  for (const char* above : {"1001", "unlimited"})
    EXPECT_NE(remedy("rlimit", EPERM, tried + above).find("nr_open"), std::string::npos);
  for (const char* below : {"1000", "5"})
    EXPECT_EQ(remedy("rlimit", EPERM, tried + below).find("nr_open"), std::string::npos);
  EXPECT_NE(remedy("rlimit", EPERM, tried + "5"), "");
}

TEST(Remedies, OfAFilesystemNeedTheUserNamespace) {
  EXPECT_EQ(remedy("mount_new", EPERM, "/mounts/3: mount sysfs on /sys"), "");
  FailureFacts facts{.what = "mount_new", .code = EPERM, .text = "/mounts/3: mount sysfs on /sys"};
  facts.user_namespace = true;
  EXPECT_NE(remedy_for(facts).find("network namespace of its own"), std::string::npos);
  facts.new_namespaces = CLONE_NEWNET;
  EXPECT_NE(remedy_for(facts).find("/proc and /sys are whole"), std::string::npos);
}

}  // namespace
}  // namespace minirun
