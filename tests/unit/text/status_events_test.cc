// SPDX-License-Identifier: Apache-2.0
#include "runtime/text/status_events.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "runtime/text/patient_write.h"
#include "sys/fd.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

Result<void> use(const UniqueFd& fd) {
  return set_status_fd(static_cast<uint64_t>(fd.get()), 0);
}

// An event is longer than what a pipe takes at once: it waits for the reader in between, and comes whole.
TEST(StatusEvents, ALongOneIsWholeBehindASmallPipe) {
  Pipe pipe = make_pipe().value();
  ASSERT_EQ(fcntl(pipe.writer.get(), F_SETPIPE_SZ, 4096), 4096);
  ASSERT_TRUE(use(pipe.writer).ok());
  std::string text;
  std::thread reader([&] {
    char part[512];
    for (ssize_t n = 0; (n = read(pipe.reader.get(), part, sizeof part)) > 0;)
      text.append(part, static_cast<size_t>(n));
  });
  Error error = fail(ErrorKind::config, "{}", std::string(100000, 'x'));
  status_error(error);
  pipe.writer.reset();
  reader.join();
  nlohmann::json event = nlohmann::json::parse(text, nullptr, false);
  ASSERT_TRUE(event.is_object()) << text.substr(0, 200);
  EXPECT_EQ(event["msg"], error.message);
}

TEST(StatusEvents, AfterOneThatIsLostComeNoMore) {
  Pipe pipe = make_pipe().value();
  ASSERT_EQ(fcntl(pipe.writer.get(), F_SETPIPE_SZ, 4096), 4096);
  std::string most(4096, 'x');
  ASSERT_EQ(write(pipe.writer.get(), most.data(), most.size()), 4096);
  ASSERT_TRUE(use(pipe.writer).ok());
  auto before = std::chrono::steady_clock::now();
  status_running("a", 1);
  auto first = std::chrono::steady_clock::now();
  EXPECT_GE(first - before, kReaderPatience);
  ASSERT_EQ(read(pipe.reader.get(), most.data(), most.size()), 4096);
  status_exited("a", 0, 0);  // the pipe has room again
  EXPECT_LT(std::chrono::steady_clock::now() - first, kReaderPatience);
  pipe.writer.reset();
  EXPECT_EQ(read(pipe.reader.get(), most.data(), most.size()), 0);
}

// SIGPIPE has its default action here, and would end this program.
TEST(StatusEvents, AReaderThatIsGoneSendsNoSignal) {
  Pipe pipe = make_pipe().value();
  pipe.reader.reset();
  ASSERT_TRUE(use(pipe.writer).ok());
  status_running("a", 1);
  sigset_t pending;
  ASSERT_EQ(sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGPIPE), 0);
}

TEST(StatusEvents, OneWithoutMemoryIsJsonToo) {
  Pipe pipe = make_pipe().value();
  ASSERT_TRUE(use(pipe.writer).ok());
  status_out_of_memory();
  char text[4096];
  ssize_t n = read(pipe.reader.get(), text, sizeof text);
  ASSERT_GT(n, 0);
  nlohmann::json event = nlohmann::json::parse(std::string(text, static_cast<size_t>(n)), nullptr, false);
  EXPECT_EQ(event,
            nlohmann::json({{"event", "error"}, {"msg", "out of memory"}, {"kind", "host"}, {"exit_status", 1}}));
}

TEST(StatusEvents, DescriptorsThatAreNoGoodAreRefused) {
  Pipe pipe = make_pipe().value();
  auto writer = static_cast<uint64_t>(pipe.writer.get());
  EXPECT_FALSE(set_status_fd(writer, writer - 2).ok());
  EXPECT_TRUE(set_status_fd(writer, writer - 3).ok());
  EXPECT_FALSE(use(pipe.reader).ok());
  for (uint64_t fd : {uint64_t{0}, uint64_t{2}, uint64_t{9999}, writer + (uint64_t{1} << 32), ~uint64_t{0}})
    EXPECT_EQ(set_status_fd(fd, 0).error().kind, ErrorKind::usage) << fd;
}

}  // namespace
}  // namespace minirun
