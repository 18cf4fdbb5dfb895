// SPDX-License-Identifier: Apache-2.0
#include "sys/result.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace minirun {

TEST(ErrnoText, IsLowerCaseAsEnginesMatchIt) {
  EXPECT_EQ(errno_text(ENOENT), "no such file or directory");
  EXPECT_EQ(errno_text(EACCES), "permission denied");
  EXPECT_EQ(errno_text(ENOEXEC), "exec format error");
}

TEST(ErrnoText, NamesAnUnknownValueByNumber) {
  EXPECT_EQ(errno_text(4095), "errno 4095");
}

static Result<int> half(int n) {
  if (n % 2 != 0) return fail(EINVAL, "halve {}", n);
  return n / 2;
}

static Result<int> quarter(int n) {
  int h = TRY(half(n));
  return half(h);
}

TEST(Try, HandsTheFirstErrorUp) {
  ASSERT_TRUE(quarter(8).ok());
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(7).error().text(), "halve 7: invalid argument");
  EXPECT_EQ(quarter(6).error().text(), "halve 3: invalid argument");
}

TEST(ErrorText, IsMadeOfWhatIsKnown) {
  Error error = fail(EINVAL, "/mounts/3: mount tmpfs on /dev/shm: fsconfig");
  EXPECT_EQ(error.text(), "/mounts/3: mount tmpfs on /dev/shm: fsconfig: invalid argument");
  error.change_details().step = 9;
  error.change_details().steps = 62;
  error = with_hint(std::move(error), "change it");
  EXPECT_EQ(wrap(error, "run web1").text(),
            "run web1: /mounts/3: mount tmpfs on /dev/shm: fsconfig: invalid argument [step 9 of 62] (change it)");
  EXPECT_EQ(with_hint(error, "").text(), error.text());
  EXPECT_EQ(with_hint(error, "or not").text(), error.text() + " (or not)");
  EXPECT_EQ(fail(ErrorKind::state, ENOENT, "container does not exist").text(), "container does not exist");
}

TEST(ErrorKind, IsOfTheHostUnlessItIsSaid) {
  EXPECT_EQ(fail(ENOSPC, "mkdir x").kind, ErrorKind::host);
  EXPECT_EQ(fail(ENOSPC, "mkdir x").exit_status, 1);
  const Error error = fail(ErrorKind::busy, "another command of {}", "it");
  EXPECT_EQ(error.kind, ErrorKind::busy);
  EXPECT_EQ(wrap(with_hint(error, "wait"), "x").kind, ErrorKind::busy);
  EXPECT_EQ(error.code, 0);
}

// Programs read them.
TEST(ErrorKind, HasAName) {
  std::string all;
  for (ErrorKind kind : {ErrorKind::host, ErrorKind::config, ErrorKind::setup, ErrorKind::exec, ErrorKind::state,
                         ErrorKind::busy, ErrorKind::aborted, ErrorKind::usage})
    all += std::string(kind_name(kind)) + " ";
  EXPECT_EQ(all, "host config setup exec state busy aborted usage ");
}

TEST(ErrorDetails, OfACopyAreItsOwn) {
  Error error = fail(EIO, "open x");
  EXPECT_EQ(error.details().path, "");
  error.change_details().path = "x";
  Error copy = error;
  copy.change_details().path = "y";
  EXPECT_EQ(error.details().path, "x");
  EXPECT_EQ(copy.details().path, "y");
}

}  // namespace minirun
