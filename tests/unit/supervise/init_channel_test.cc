// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/init_channel.h"

#include "sys/socket_message.h"
#include "tests/unit/supervise/foreground_rig.h"

namespace minirun {
namespace {

struct Ends {
  UniqueFd near, far;
};

Ends make_ends() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

void send(int socket, Message message, int status, const std::vector<int>& fds) {
  Envelope envelope{message, status};
  EXPECT_EQ(*send_message(socket, {reinterpret_cast<const char*>(&envelope), sizeof envelope}, fds), sizeof envelope);
}

int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 1024; fd++) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

// Blocking all signals is permanent: each test of it runs in its own process and reports by its exit code.
int in_child(const std::function<bool()>& check) {
  pid_t pid = fork();
  if (pid == 0) _exit(check() ? 0 : 1);
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status;
}

TEST(TryReceive, TellsNothingFromTheEnd) {
  Ends ends = make_ends();
  auto nothing = try_receive(ends.near.get());
  ASSERT_TRUE(nothing.ok());
  EXPECT_FALSE(nothing->has_value());
  ends.far.reset();
  auto end = try_receive(ends.near.get());
  ASSERT_TRUE(end.ok() && end->has_value());
  EXPECT_EQ((*end)->kind, Received::Kind::end_of_file);
}

TEST(TryReceive, HandsOverTheTerminalCloseOnExec) {
  Ends ends = make_ends();
  rig::Pipe pipe = rig::make_pipe();
  send(ends.far.get(), Message::terminal, 0, {pipe.writer.get()});
  auto got = try_receive(ends.near.get());
  ASSERT_TRUE(got.ok() && got->has_value());
  EXPECT_EQ((*got)->kind, Received::Kind::message);
  EXPECT_EQ((*got)->envelope.message, Message::terminal);
  EXPECT_EQ(fcntl((*got)->fd.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_TRUE(rig::write_bytes((*got)->fd.get(), "x"));
  EXPECT_EQ(rig::read_bytes(pipe.reader.get(), 1), "x");
}

TEST(TryReceive, RefusesWhatIsNotInTheProtocolAndLeaksNothing) {
  Ends ends = make_ends();
  rig::Pipe pipe = rig::make_pipe();
  int before = open_descriptors();
  send(ends.far.get(), Message::terminal, 0, {});
  send(ends.far.get(), Message::running, 0, {pipe.reader.get()});
  send(ends.far.get(), Message::terminal, 0, {pipe.reader.get(), pipe.writer.get()});
  send(ends.far.get(), Message::terminal, 0, {0, 1, 2, 0});
  EXPECT_EQ(::send(ends.far.get(), "abc", 3, 0), 3);
  EXPECT_EQ(::send(ends.far.get(), "0123456789abcdef", 16, 0), 16);
  for (int i = 0; i < 6; i++) {
    auto got = try_receive(ends.near.get());
    ASSERT_FALSE(got.ok()) << i;
    EXPECT_EQ(got.error().code, EPROTO);
  }
  EXPECT_EQ(open_descriptors(), before);
}

// The next receiver finds the reason: it is gone.
TEST(OpenGate, IsNoErrorForAnInitThatIsGone) {
  Ends ends = make_ends();
  EXPECT_TRUE(open_gate(ends.near.get()).ok());
  Envelope envelope{};
  ASSERT_EQ(recv(ends.far.get(), &envelope, sizeof envelope, 0), static_cast<ssize_t>(sizeof envelope));
  EXPECT_EQ(envelope.message, Message::release);
  EXPECT_TRUE(open_gate(ends.near.get()).ok());
  ends.far.reset();  // with a message unread: ECONNRESET
  EXPECT_TRUE(open_gate(ends.near.get()).ok());
  EXPECT_TRUE(open_gate(ends.near.get()).ok());
  EXPECT_FALSE(open_gate(-1).ok());
}

TEST(Signals, LeavesOutWhatMinirunBringsUponItself) {
  EXPECT_EQ(in_child([] {
              auto signals = Signals::block();
              rig::Pipe pipe = rig::make_pipe();
              pipe.reader.reset();
              bool refused = write(pipe.writer.get(), "x", 1) < 0 && errno == EPIPE;
              return refused && signals.ok() && signals->collect().ok() && signals->empty();
            }),
            0);
}

TEST(Signals, StopsReadingBeforeTheQueueGrowsWithoutBound) {
  EXPECT_EQ(in_child([] {
              auto signals = Signals::block();
              if (!signals.ok()) return false;
              size_t sent = 0;
              sigval value{};
              for (; sent < 6000 && sigqueue(getpid(), 50, value) == 0; sent++) {
                if (sent % 1000 == 0 && !signals->collect().ok()) return false;
              }
              if (sent < 6000 || !signals->collect().ok() || signals->fd() != -1) return false;
              size_t seen = 0;
              for (; !signals->empty(); seen++) {
                signals->pop();
                if (!signals->collect().ok()) return false;
              }
              return seen == sent && signals->fd() >= 0;
            }),
            0);
}

}  // namespace
}  // namespace minirun
