// SPDX-License-Identifier: Apache-2.0
#include "sys/tree.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>

#include "sys/file.h"
#include "tests/support/temporary_directory.h"

namespace minirun {

TEST(RemoveTree, TakesAllButOneEntryAndFollowsNoLink) {
  TemporaryDirectory outside, directory;
  outside.write("kept", "x");
  directory.write("state", "x");
  directory.write("file", "x", 0);
  directory.make_directory("a");
  directory.make_directory("a/state");
  directory.write("a/state/deep", "x");
  directory.link("a/link", outside.path());
  directory.link("dangling", "nowhere");
  auto removed = remove_below(directory.fd(), "state");
  EXPECT_TRUE(removed.ok()) << removed.error().text();
  EXPECT_EQ(TemporaryDirectory::names(directory.path()), std::vector<std::string>{"state"});
  EXPECT_EQ(TemporaryDirectory::names(outside.path()), std::vector<std::string>{"kept"});
}

// As on the way out of the very error that a descriptor is missing.
TEST(RemoveTree, TakesFilesWhereNoDescriptorIsLeft) {
  constexpr int kFiles = 300;  // more than one block of getdents64(2)
  TemporaryDirectory directory;
  for (int i = 0; i < kFiles; i++) directory.write("a-file-with-a-long-name-" + std::to_string(i), "x");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto removed = remove_below(directory.fd(), "a-file-with-a-long-name-7");
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(removed.ok()) << removed.error().text();
  EXPECT_EQ(TemporaryDirectory::names(directory.path()), std::vector<std::string>{"a-file-with-a-long-name-7"});
}

TEST(RemoveTree, TakesOneEntryWhateverItIs) {
  TemporaryDirectory directory;
  directory.write("file", "x");
  directory.make_directory("folder");
  directory.write("folder/file", "x");
  directory.link("link", "folder");
  for (const char* name : {"link", "file", "folder", "not there"}) {
    auto removed = remove_entry(directory.fd(), name);
    EXPECT_TRUE(removed.ok()) << name << ": " << removed.error().text();
  }
  EXPECT_TRUE(TemporaryDirectory::names(directory.path()).empty());
}

TEST(RemoveTree, IsBounded) {
  TemporaryDirectory directory;
  std::string path = "d";
  for (int level = 0; level < 20; level++, path += "/d") directory.make_directory(path);
  auto removed = remove_below(directory.fd());
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().code, ELOOP);
}

}  // namespace minirun
