// SPDX-License-Identifier: Apache-2.0
#include "runtime/seccomp/cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstring>

#include "runtime/seccomp/filter.h"
#include "sys/file.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/seccomp/seccomp_profile.h"

namespace minirun {
namespace {

oci::Seccomp small_profile(uint32_t default_errno = 1) {
  oci::Seccomp seccomp;
  seccomp.default_action = oci::SeccompAction::error;
  seccomp.default_errno_ret = default_errno;
  seccomp.flags = 0;
  seccomp.syscalls = {rule({"read", "a_call_of_2040"}, oci::SeccompAction::allow)};
  return seccomp;
}

std::string bytes_of(const SeccompProgram& program) {
  std::string bytes(reinterpret_cast<const char*>(program.filter.data()), program.filter.size() * sizeof(sock_filter));
  for (const std::string& name : program.skipped_syscalls) bytes += name + ",";
  return bytes + std::to_string(program.flags);
}

class SeccompCache : public ::testing::Test {
 protected:
  std::string get(const oci::Seccomp& seccomp) const {
    auto program = cached_seccomp(state_.fd(), seccomp);
    EXPECT_TRUE(program.ok());
    return program.ok() ? bytes_of(*program) : "";
  }
  std::string file(const oci::Seccomp& seccomp) const {
    return ".cache/seccomp/" + seccomp_cache_name(seccomp_cache_key(seccomp));
  }
  std::string content(const oci::Seccomp& seccomp) const {
    auto read = read_file(state_.fd(), file(seccomp));
    return read.ok() ? *read : "";
  }
  TemporaryDirectory state_;
};

TEST_F(SeccompCache, HandsOutWhatWasCompiledWithFlagsAndSkippedNames) {
  const std::string fresh = bytes_of(*compile_seccomp(small_profile()));
  EXPECT_EQ(get(small_profile()), fresh);
  ASSERT_FALSE(content(small_profile()).empty());
  EXPECT_EQ(get(small_profile()), fresh);
  EXPECT_EQ(bytes_of(*compile_seccomp(engine_like_profile())), get(engine_like_profile()));
  EXPECT_EQ(bytes_of(*compile_seccomp(engine_like_profile())), get(engine_like_profile()));
}

TEST_F(SeccompCache, ReallyTakesItFromTheFile) {
  // A hit is seen by the inode: nothing is written again.
  get(small_profile());
  struct stat first = {};
  ASSERT_EQ(fstatat(state_.fd(), file(small_profile()).c_str(), &first, 0), 0);
  get(small_profile());
  struct stat second = {};
  ASSERT_EQ(fstatat(state_.fd(), file(small_profile()).c_str(), &second, 0), 0);
  EXPECT_EQ(first.st_ino, second.st_ino);
  EXPECT_EQ(first.st_mode & 07777, 0600U);
}

TEST_F(SeccompCache, HasAKeyForEachDifferenceThatMatters) {
  std::vector<oci::Seccomp> all(9, small_profile());
  all[1].default_errno_ret.reset();
  all[2].flags.reset();
  all[3].architectures = {oci::SeccompArch::x86};
  all[4].syscalls[0].names = {"read", "a_call_of_204", "0"};
  all[5].syscalls[0].args = {{0, 1, 0, oci::SeccompOperator::eq}};
  all[6].syscalls[0].args = {{0, 1, 0, oci::SeccompOperator::ne}};
  all[7].default_action = oci::SeccompAction::trace;
  all[8].syscalls.push_back(rule({}, oci::SeccompAction::allow));
  std::set<std::string> keys;
  for (const oci::Seccomp& seccomp : all) keys.insert(seccomp_cache_key(seccomp));
  EXPECT_EQ(keys.size(), all.size());
}

// Two builds of one version may compile a profile differently. tests/lib/lint.sh sees that the hash is of the sources.
TEST_F(SeccompCache, HasTheGeneratorsSourcesInItsKey) {
  const std::string generator = seccomp_generator();
  EXPECT_EQ(generator.size(), 64U);
  EXPECT_EQ(generator.find_first_not_of("0123456789abcdef"), std::string::npos) << generator;
  EXPECT_NE(seccomp_cache_key(small_profile()).find(generator), std::string::npos);
}

TEST_F(SeccompCache, CompilesAgainWhenTheFileIsCutAnywhere) {
  const std::string fresh = get(small_profile());
  const std::string whole = content(small_profile());
  for (size_t size = 0; size < whole.size(); ++size) {
    state_.write(file(small_profile()), whole.substr(0, size), 0600);
    ASSERT_EQ(get(small_profile()), fresh) << "cut to " << size;
    ASSERT_EQ(content(small_profile()), whole) << "not written again after a cut to " << size;
  }
}

TEST_F(SeccompCache, CompilesAgainWhenAnyBitIsFlipped) {
  const std::string fresh = get(small_profile());
  const std::string whole = content(small_profile());
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    state_.write(file(small_profile()), damaged, 0600);
    ASSERT_EQ(get(small_profile()), fresh) << "byte " << i;
    ASSERT_EQ(content(small_profile()), whole) << "byte " << i;
  }
}

TEST_F(SeccompCache, CompilesAgainWhenTheFormatIsAnother) {
  const std::string fresh = get(small_profile());
  const std::string whole = content(small_profile());
  uint32_t format = 0;
  memcpy(&format, whole.data() + 4, sizeof format);
  EXPECT_EQ(format, 3U);
  for (uint32_t other : {0U, format - 1, format + 1, 0xffffffffU}) {
    std::string changed = whole;
    memcpy(changed.data() + 4, &other, sizeof other);
    state_.write(file(small_profile()), changed, 0600);
    EXPECT_EQ(get(small_profile()), fresh) << other;
    EXPECT_EQ(content(small_profile()), whole) << other;
  }
}

TEST_F(SeccompCache, BelievesTheKeyInTheFileNotItsName) {
  get(small_profile(1));
  get(small_profile(2));
  state_.write(file(small_profile(1)), content(small_profile(2)), 0600);  // as if the two names had one hash
  EXPECT_EQ(get(small_profile(1)), bytes_of(*compile_seccomp(small_profile(1))));
  EXPECT_NE(get(small_profile(1)), get(small_profile(2)));
}

TEST_F(SeccompCache, DoesNotBelieveAFileThatOthersCanWriteTo) {
  get(small_profile());
  const std::string whole = content(small_profile());
  struct stat before = {};
  for (mode_t mode : {0644U, 0660U, 0622U, 04600U}) {
    state_.write(file(small_profile()), whole, mode);
    ASSERT_EQ(fstatat(state_.fd(), file(small_profile()).c_str(), &before, 0), 0);
    get(small_profile());
    struct stat after = {};
    ASSERT_EQ(fstatat(state_.fd(), file(small_profile()).c_str(), &after, 0), 0);
    EXPECT_NE(before.st_ino, after.st_ino) << "mode " << mode;
    EXPECT_EQ(after.st_mode & 07777, 0600U);
  }
}

TEST_F(SeccompCache, DoesNotBelieveAFileOfAnotherUser) {
  if (geteuid() != 0) GTEST_SKIP() << "not root: files of another user cannot be made";
  get(small_profile());
  ASSERT_EQ(fchownat(state_.fd(), file(small_profile()).c_str(), 1000, 1000, 0), 0);
  get(small_profile());
  struct stat after = {};
  ASSERT_EQ(fstatat(state_.fd(), file(small_profile()).c_str(), &after, 0), 0);
  EXPECT_EQ(after.st_uid, 0U);
}

TEST_F(SeccompCache, ReplacesALinkInsteadOfFollowingIt) {
  const std::string fresh = get(small_profile());
  state_.write("elsewhere", content(small_profile()), 0600);
  ASSERT_EQ(unlinkat(state_.fd(), file(small_profile()).c_str(), 0), 0);
  state_.link(file(small_profile()), "../../elsewhere");
  EXPECT_EQ(get(small_profile()), fresh);
  struct stat after = {};
  ASSERT_EQ(fstatat(state_.fd(), file(small_profile()).c_str(), &after, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_TRUE(S_ISREG(after.st_mode));
}

TEST_F(SeccompCache, CompilesWhenThereCanBeNoCache) {
  const std::string fresh = bytes_of(*compile_seccomp(small_profile()));
  EXPECT_EQ(bytes_of(*cached_seccomp(-1, small_profile())), fresh);
  state_.link(".cache", "/tmp");
  EXPECT_EQ(get(small_profile()), fresh);
  ASSERT_EQ(unlinkat(state_.fd(), ".cache", 0), 0);
  state_.make_directory(".cache", 0777);  // others can write there (but for the umask)
  ASSERT_EQ(chmod(state_.path(".cache").c_str(), 0777), 0);
  EXPECT_EQ(get(small_profile()), fresh);
  EXPECT_TRUE(TemporaryDirectory::names(state_.path(".cache")).empty());
}

TEST_F(SeccompCache, CompilesWhenADirectoryIsInTheFilesPlace) {
  const std::string fresh = bytes_of(*compile_seccomp(small_profile()));
  get(small_profile(2));
  state_.make_directory(file(small_profile()), 0700);
  EXPECT_EQ(get(small_profile()), fresh);
}

TEST_F(SeccompCache, KeepsABoundedNumberOfFilesTheNewest) {
  for (uint32_t i = 1; i <= kMaxCachedFilters + 10; ++i) get(small_profile(i));
  EXPECT_EQ(TemporaryDirectory::names(state_.path(".cache/seccomp")).size(), kMaxCachedFilters);
  EXPECT_FALSE(content(small_profile(kMaxCachedFilters + 10)).empty());
  EXPECT_TRUE(content(small_profile(1)).empty());
}

TEST_F(SeccompCache, KeepsNothingOfAProfileInError) {
  oci::Seccomp wrong = small_profile();
  wrong.syscalls[0].errno_ret = 5;
  EXPECT_FALSE(cached_seccomp(state_.fd(), wrong).ok());
  EXPECT_TRUE(TemporaryDirectory::names(state_.path(".cache/seccomp")).empty());
}

}  // namespace
}  // namespace minirun
