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

std::string remedy(std::string_view what, int code) {
  return remedy_for({.what = what, .code = code});
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
  EXPECT_NE(remedy("attach", EISDIR), "");
  EXPECT_EQ(remedy("attach", EIO), "");
  EXPECT_EQ(remedy("mount_new", EISDIR), "");
  EXPECT_EQ(remedy("nosuch", EISDIR), "");
}

TEST(Remedies, OfAHardLimitNameTheSysctlOnlyAboveIt) {
  FailureFacts facts{.what = "rlimit", .code = EPERM, .most_files = 1000};
  for (uint64_t above : {uint64_t{1001}, UINT64_MAX}) {
    facts.open_files = above;
    EXPECT_NE(remedy_for(facts).find("nr_open"), std::string::npos);
  }
  for (uint64_t below : {uint64_t{1000}, uint64_t{5}}) {
    facts.open_files = below;
    EXPECT_NE(remedy_for(facts), "");
    EXPECT_EQ(remedy_for(facts).find("nr_open"), std::string::npos);
  }
}

TEST(Remedies, OfAFilesystemNeedTheUserNamespace) {
  FailureFacts facts{.what = "mount_new", .code = EPERM, .pointer = "/mounts/3", .filesystem = "sysfs"};
  EXPECT_EQ(remedy_for(facts), "");
  facts.user_namespace = true;
  EXPECT_NE(remedy_for(facts).find("network namespace of its own"), std::string::npos);
  facts.new_namespaces = CLONE_NEWNET;
  EXPECT_NE(remedy_for(facts).find("/proc and /sys are whole"), std::string::npos);
}

// What a path or a label is called decides nothing: each of these names has the words of another remedy.
TEST(Remedies, DoNotDependOnNames) {
  FailureFacts facts{.what = kOpenSource, .code = ENOENT, .pointer = "/linux/namespaces/0", .call = "open"};
  EXPECT_EQ(remedy_for(facts), "");
  facts.pointer = "/mounts/0";
  EXPECT_EQ(remedy_for(facts), "");
  facts.call = "open_tree";
  EXPECT_NE(remedy_for(facts).find("a relative one starts at the bundle"), std::string::npos);
  EXPECT_EQ(remedy_for({.what = "mount_new", .code = ELOOP, .call = "openat2", .filesystem = "tmpfs"}), "");
  EXPECT_NE(remedy_for({.what = "mount_new", .code = ELOOP, .call = "openat2", .filesystem = "proc"}), "");
  EXPECT_EQ(remedy_for({.what = "write_proc", .code = EINVAL, .pointer = "/process/oomScoreAdj"}), "");
  EXPECT_NE(remedy_for({.what = "write_proc", .code = EINVAL, .pointer = "/linux/sysctl/x"}), "");
}

}  // namespace
}  // namespace minirun
