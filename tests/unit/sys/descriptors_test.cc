// SPDX-License-Identifier: Apache-2.0
// Descriptors that the kernel makes from nothing or from another one: copies, pipes, files in memory.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "sys/close_range.h"
#include "sys/file.h"
#include "sys/memory_file.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

bool is_close_on_exec(int fd) {
  return fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

// Runs it without a single further descriptor.
template <class Function>
void without_descriptors(Function function) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  function();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

TEST(Duplicate, IsTheSameFileAboveTheStandardStreams) {
  auto file = memory_file("test");
  ASSERT_TRUE(file.ok()) << file.error().text();
  ASSERT_EQ(write(file->get(), "abc", 3), 3);
  UniqueFd copy = UniqueFd::duplicate(file->get()), high = UniqueFd::duplicate(file->get(), 100);
  ASSERT_TRUE(copy);
  EXPECT_GE(copy.get(), 3);
  EXPECT_GE(high.get(), 100);
  EXPECT_TRUE(is_close_on_exec(copy.get()) && is_close_on_exec(high.get()));
  EXPECT_EQ(lseek(copy.get(), 0, SEEK_CUR), 3) << "one open file, and one position";
}

TEST(Duplicate, OfNothingOrBeyondTheLimitHasAnErrno) {
  EXPECT_FALSE(UniqueFd::duplicate(-1));
  EXPECT_EQ(errno, EBADF);
  without_descriptors([] {
    EXPECT_FALSE(UniqueFd::duplicate(STDIN_FILENO));
    EXPECT_EQ(errno, EINVAL) << "the limit is below the lowest number";
  });
}

TEST(MakePipe, HasTwoEndsThatNoProgramInherits) {
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe.ok()) << pipe.error().text();
  EXPECT_TRUE(is_close_on_exec(pipe->reader.get()) && is_close_on_exec(pipe->writer.get()));
  ASSERT_EQ(write(pipe->writer.get(), "x", 1), 1);
  pipe->writer.reset();
  EXPECT_EQ(*read_all(pipe->reader.get(), 10, "the pipe"), "x");
}

TEST(MakePipe, HasTheFlagsOnBothEnds) {
  auto pipe = make_pipe(O_NONBLOCK);
  ASSERT_TRUE(pipe.ok()) << pipe.error().text();
  char byte = 0;
  EXPECT_EQ(read(pipe->reader.get(), &byte, 1), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_NE(fcntl(pipe->writer.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(MakePipe, WithoutDescriptorsIsAnError) {
  without_descriptors([] { EXPECT_EQ(make_pipe().error().text(), "pipe2: too many open files"); });
}

TEST(MemoryFile, OfDataIsNeverExecuted) {
  auto file = memory_file("test");
  ASSERT_TRUE(file.ok()) << file.error().text();
  EXPECT_TRUE(is_close_on_exec(file->get()));
  EXPECT_EQ(name_of_descriptor(file->get()).value(), "/memfd:test (deleted)");
  struct stat facts {};
  ASSERT_EQ(fstat(file->get(), &facts), 0);
  if ((facts.st_mode & 0111) != 0) GTEST_SKIP() << "no MFD_NOEXEC_SEAL before Linux 6.3";
  EXPECT_EQ(fchmod(file->get(), 0700), -1) << "sealed";
}

TEST(MemoryFile, IsSealedWhenAskedFor) {
  for (auto* make : {memory_file, executable_memory_file}) {
    auto file = make("test");
    ASSERT_TRUE(file.ok()) << file.error().text();
    ASSERT_EQ(write(file->get(), "x", 1), 1);
    ASSERT_TRUE(seal_memory_file(file->get()).ok());
    EXPECT_EQ(write(file->get(), "y", 1), -1);
  }
}

// vm.memfd_noexec is a setting of a pid namespace (Linux 6.6; of the whole system before): a new one gets it.
int try_where_executable_ones_are_forbidden() {
  if (!write_control(AT_FDCWD, "/proc/sys/vm/memfd_noexec", "2").ok()) return 1;
  if (!memory_file("data").ok()) return 2;
  auto refused = executable_memory_file("program");
  return !refused.ok() && refused.error().code == EACCES ? 0 : 3;
}

TEST(MemoryFile, OfDataIsMadeWhereExecutableOnesAreForbidden) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: makes a pid namespace";
  if (access("/proc/sys/vm/memfd_noexec", W_OK) != 0) GTEST_SKIP() << "no writable vm.memfd_noexec";
  pid_t outer = fork();
  if (outer == 0) {
    if (unshare(CLONE_NEWPID) < 0) _exit(10);
    pid_t inner = fork();
    if (inner == 0) _exit(try_where_executable_ones_are_forbidden());
    int status = 0;
    _exit(waitpid(inner, &status, 0) == inner && WIFEXITED(status) ? WEXITSTATUS(status) : 11);
  }
  int status = 0;
  ASSERT_EQ(waitpid(outer, &status, 0), outer);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "1: the setting, 2: of data, 3: executable";
}

TEST(CloseAllBut, ClosesWhatIsNotKeptFromTheFirstOn) {
  constexpr int kFirst = 100, kLast = 110;
  // -1 is none, and one below the first does not matter.
  const std::vector<int> kept = {-1, kFirst - 50, kFirst + 1, kFirst + 2, kLast};
  pid_t pid = fork();
  if (pid == 0) {
    bool good = true;
    for (int fd = kFirst - 1; fd <= kLast + 1; fd++) good = good && fcntl(STDIN_FILENO, F_DUPFD, fd) == fd;
    good = good && close_all_but(kept, kFirst);
    for (int fd = kFirst - 1; fd <= kLast + 1; fd++) {
      bool stays = fd < kFirst || fd == kFirst + 1 || fd == kFirst + 2 || fd == kLast;
      good = good && (fcntl(fd, F_GETFD) >= 0) == stays;
    }
    _exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace minirun
