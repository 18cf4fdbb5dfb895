// SPDX-License-Identifier: Apache-2.0
#include "sys/image_path.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <random>

#include "sys/kernel_abi.h"
#include "tests/support/renamer.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

// What the kernel says, without another process that renames.
UniqueFd by_kernel(int root, const std::string& path, int flags) {
  abi::OpenHow how{static_cast<uint64_t>(flags | O_CLOEXEC), 0, abi::kResolveInRoot | abi::kResolveNoMagiclinks};
  UniqueFd fd;
  do {
    fd.reset(static_cast<int>(syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
  } while (!fd && errno == EAGAIN);
  return fd;
}

// The file that was opened, or the error.
std::string answer(const UniqueFd& fd) {
  struct stat facts {};
  if (!fd) return "errno " + std::to_string(errno);
  EXPECT_EQ(fstat(fd.get(), &facts), 0);
  return std::to_string(facts.st_dev) + ":" + std::to_string(facts.st_ino) + " " + std::to_string(facts.st_mode);
}

class ImagePath : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"root", "root/d", "root/d/e", "root/d/e/f", "outside"}) top_.make_directory(name);
    for (const char* name : {"root/file", "root/d/file", "root/d/e/f/file", "outside/file", "file"})
      top_.write(name, "");
    const std::pair<const char*, const char*> kLinks[] = {{"up", ".."},
                                                          {"root/d/up", ".."},
                                                          {"root/abs", "/d/e"},
                                                          {"root/d/e/out", "../../../../file"},
                                                          {"root/self", "self"},
                                                          {"root/d/slash", "e/"},
                                                          {"root/dangling", "no"},
                                                          {"root/d/e/top", "/"},
                                                          {"root/d/l", "../l2"},
                                                          {"root/l2", "d/e/../e/f"},
                                                          {"root/f", "d/file"},
                                                          {"root/fs", "/../../outside"},
                                                          {"root/proc", "/"},
                                                          {"root/d/chain", "slash/f"},
                                                          {"root/dotdot", "d/.."}};
    for (const auto& [name, target] : kLinks) top_.link(name, target);
    root_.reset(open(top_.path("root").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  }
  TemporaryDirectory top_;
  UniqueFd root_;
};

TEST_F(ImagePath, WalkingAnswersAsTheKernelDoes) {
  constexpr const char* kNames[] = {"d",     "e",        "f",  "file",   "up", "abs",   "out", "self",
                                    "slash", "top",      "l",  "l2",     "fs", "chain", "no",  "proc",
                                    ".",     "dangling", "..", "dotdot", "",   ".."};
  std::mt19937 random(20261129);
  int opened = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string path = random() % 4 == 0 ? "/" : "";
    for (auto left = 1 + random() % 6; left > 0; --left)
      path += std::string(kNames[random() % std::size(kNames)]) + (left > 1 || random() % 5 == 0 ? "/" : "");
    for (int flags : {O_RDONLY, O_PATH, O_PATH | O_NOFOLLOW, O_RDONLY | O_DIRECTORY, O_PATH | O_DIRECTORY}) {
      const std::string wanted = answer(by_kernel(root_.get(), path, flags));
      ASSERT_EQ(answer(walk_in_image(root_.get(), path.c_str(), flags)), wanted) << path << " with flags " << flags;
      opened += wanted[0] != 'e' ? 1 : 0;
    }
  }
  EXPECT_GT(opened, 5000) << "hardly a path led anywhere";
}

TEST_F(ImagePath, MagicLinksAreRefused) {
  UniqueFd proc(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  for (const char* path : {"self/root", "self/exe", "self/cwd", "self/fd/0", "self/root/etc", "thread-self/ns/mnt"})
    EXPECT_EQ(answer(walk_in_image(proc.get(), path, O_PATH)), "errno " + std::to_string(ELOOP)) << path;
  EXPECT_TRUE(walk_in_image(proc.get(), "self/status", O_RDONLY));
  EXPECT_TRUE(walk_in_image(proc.get(), "mounts", O_RDONLY));
  EXPECT_TRUE(walk_in_image(proc.get(), "self/exe", O_PATH | O_NOFOLLOW)) << "the link itself";
}

TEST_F(ImagePath, TooLongIsAnError) {
  EXPECT_EQ(answer(walk_in_image(root_.get(), std::string(4096, 'a').c_str(), O_PATH)), "errno 36");
  EXPECT_EQ(answer(walk_in_image(root_.get(), std::string(256, 'a').c_str(), O_PATH)), "errno 36");
  EXPECT_EQ(answer(walk_in_image(root_.get(), "", O_PATH)), "errno 2");
}

// The directory that the walk stands in is moved out of the root and back: "..", counted by the walk, never leaves it.
TEST_F(ImagePath, WhatIsMovedOutMeanwhileLeadsNowhereElse) {
  const std::string inside = top_.path("root/d/e"), outside = top_.path("moved");
  pid_t mover = fork();
  if (mover == 0) {
    for (;;) {
      if (rename(inside.c_str(), outside.c_str()) < 0 || rename(outside.c_str(), inside.c_str()) < 0) _exit(1);
    }
  }
  struct stat forbidden {};
  ASSERT_EQ(stat(top_.path("file").c_str(), &forbidden), 0);
  for (int i = 0; i < 20000; ++i) {
    UniqueFd fd = walk_in_image(root_.get(), "d/e/f/../../../file", O_RDONLY);
    struct stat facts {};
    if (!fd) continue;
    ASSERT_EQ(fstat(fd.get(), &facts), 0);
    ASSERT_NE(facts.st_ino, forbidden.st_ino) << "round " << i;
  }
  EXPECT_EQ(kill(mover, SIGKILL), 0);
  EXPECT_EQ(waitpid(mover, nullptr, 0), mover);
  (void)rename(outside.c_str(), inside.c_str());
}

}  // namespace
}  // namespace minirun
