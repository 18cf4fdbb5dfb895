// SPDX-License-Identifier: Apache-2.0
// What the parent makes of an init that says more than one does: a container that traces it speaks in its name.
#include <chrono>

#include "runtime/compile/compile.h"
#include "runtime/container/owned_process.h"
#include "runtime/launch/gates.h"
#include "sys/socket_message.h"
#include "tests/unit/supervise/foreground_rig.h"

namespace minirun {
namespace {

using std::chrono::steady_clock;

// The parent at work on a process that plays the init, each in a process of its own: blocking signals is for good. The
// text of the failure goes through the pipe.
class InitMessages : public testing::Test {
 protected:
  struct Answer {
    std::string text;
    steady_clock::duration took;
  };

  static GateHandlers all_handlers() {
    GateHandlers on;
    on.terminal = [](UniqueFd) { return Result<void>(); };
    on.gate = [](Gate) { return Result<void>(); };
    on.listener = [] { return Result<void>(); };
    return on;
  }

  // says: runs until it is killed, or returns.
  static Answer answer_to(const std::function<void(const rig::Init&)>& says, const GateHandlers& on = all_handlers()) {
    const auto begin = steady_clock::now();
    rig::Pipe report = rig::make_pipe();
    pid_t parent = fork();
    if (parent == 0) {
      const std::string text = wait_for(says, on);
      rig::write_bytes(report.writer.get(), text);
      _exit(0);
    }
    report.writer.reset();
    Answer answer{rig::read_bytes(report.reader.get(), 1 << 16), steady_clock::now() - begin};
    (void)kill(parent, SIGKILL);  // it may still be waiting
    EXPECT_EQ(waitpid(parent, nullptr, 0), parent);
    return answer;
  }

 private:
  static std::string wait_for(const std::function<void(const rig::Init&)>& says, const GateHandlers& on) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    int ends[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) return "socketpair";
    UniqueFd near(ends[0]), far(ends[1]);
    pid_t init = fork();
    if (init == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      near.reset();
      says({far.get(), -1, -1});
      for (;;) pause();
    }
    far.reset();
    PlanBuilder builder;
    builder.add(steps::DieWithParent{});
    auto memory = PlanMemory::create(serialize(builder.finish(), {}, -1));
    auto signals = Signals::block();
    if (!memory.ok() || !signals.ok()) return "not set up";
    OwnedProcess process(Child{init, rig::pidfd_of(init), std::move(near), std::move(*memory)});
    const Cgroup cgroup = Cgroup::none();
    const Compiled compiled;
    Channel channel{process.child(), *signals, {cgroup, &compiled}, compiled.init};
    auto followed = follow(channel, on);
    if (!followed.ok()) return followed.error().text();
    return "no failure";
  }
};

void send_terminal(int control, int terminal) {
  Envelope envelope{Message::terminal, 0};
  (void)send_message(control, {reinterpret_cast<const char*>(&envelope), sizeof envelope}, {&terminal, 1});
}

TEST_F(InitMessages, TerminalsWithoutEndAreRefused) {
  Answer answer = answer_to([](const rig::Init& init) {
    UniqueFd master(open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    for (;;) send_terminal(init.control, master.get());
  });
  EXPECT_NE(answer.text.find("twice"), std::string::npos) << answer.text;
  EXPECT_LT(answer.took, std::chrono::seconds(15));
}

// The hooks of a gate would run again.
TEST_F(InitMessages, AGateIsPassedOnce) {
  for (auto gate : {Gate::setup, Gate::commit, Gate::listener, Gate::hooks}) {
    const auto twice = [&](const rig::Init& init) {
      for (int i = 0; i < 2; ++i) init.send(Message::ready, static_cast<int>(gate));
    };
    Answer answer = answer_to(twice);
    EXPECT_NE(answer.text.find("twice"), std::string::npos) << answer.text;
  }
  const auto all = [](const rig::Init& init) {
    for (auto gate : {Gate::setup, Gate::commit, Gate::listener, Gate::hooks})
      init.send(Message::ready, static_cast<int>(gate));
    init.send(Message::running);
  };
  EXPECT_EQ(answer_to(all).text, "no failure");
}

// Of a process that was given all of them, or asks for another turn than the next.
TEST_F(InitMessages, SourcesThatThereAreNotAreRefused) {
  for (int turn : {1, 0, -1, INT32_MAX, INT32_MIN}) {
    Answer answer = answer_to([&](const rig::Init& init) { init.send(Message::sources, turn); });
    EXPECT_NE(answer.text.find("the init"), std::string::npos) << turn << ": " << answer.text;
  }
}

TEST_F(InitMessages, AGateThatThereIsNotIsRefused) {
  for (int gate : {0, 5, -1, INT32_MAX, INT32_MIN}) {
    Answer answer = answer_to([&](const rig::Init& init) { init.send(Message::ready, gate); });
    EXPECT_NE(answer.text.find("the init"), std::string::npos) << gate << ": " << answer.text;
  }
}

// What waits at a gate that no command opens would wait for ever.
TEST_F(InitMessages, AGateThatIsNoPartOfTheCommandIsRefused) {
  for (auto gate : {Gate::setup, Gate::commit, Gate::listener, Gate::hooks}) {
    const auto waits = [&](const rig::Init& init) { init.send(Message::ready, static_cast<int>(gate)); };
    EXPECT_NE(answer_to(waits, {}).text.find("the init"), std::string::npos) << static_cast<int>(gate);
  }
}

// A process that follows itself, to see what signals do: blocking them is for good. True where `check` holds.
bool holds_in_child(const std::function<bool(Channel&, int far)>& check) {
  pid_t pid = fork();
  if (pid == 0) {
    int ends[2] = {-1, -1};
    auto signals = Signals::block();
    auto memory = PlanMemory::create(serialize(PlanBuilder().finish(), {}, -1));
    if (!signals.ok() || !memory.ok() || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) _exit(2);
    Child child{getpid(), rig::pidfd_of(getpid()), UniqueFd(ends[0]), std::move(*memory)};
    const Cgroup cgroup = Cgroup::none();
    const Compiled compiled;
    Channel channel{child, *signals, {cgroup, &compiled}};
    _exit(check(channel, ends[1]) ? 0 : 1);
  }
  int status = -1;
  EXPECT_EQ(waitpid(pid, &status, 0), pid);
  return status == 0;
}

TEST(Follow, IsAbortedByATerminationAndHoldsOtherSignals) {
  EXPECT_TRUE(holds_in_child([](Channel& channel, int) {
    (void)kill(getpid(), SIGUSR1);
    (void)kill(getpid(), SIGTERM);
    auto followed = follow(channel, {});
    return !followed.ok() && followed.error().kind == ErrorKind::aborted &&
           followed.error().exit_status == 128 + SIGTERM && channel.signals.front().number == SIGUSR1;
  }));
}

TEST(Follow, TakesAMessageBeforeAnAbort) {
  EXPECT_TRUE(holds_in_child([](Channel& channel, int far) {
    (void)kill(getpid(), SIGTERM);
    rig::Init{far, -1, -1}.send(Message::running);
    return follow(channel, {}).ok() && channel.signals.collect().ok() && channel.signals.front().number == SIGTERM;
  }));
}

// It runs already, and its init is about to say so.
TEST(Follow, LeavesASignalToAWorkloadThatIsBeingExecuted) {
  EXPECT_TRUE(holds_in_child([](Channel& channel, int far) {
    channel.child.memory.header()->report.state = kExecuting;
    (void)kill(getpid(), SIGTERM);
    pid_t speaker = fork();
    if (speaker == 0) {
      (void)usleep(50'000);
      rig::Init{far, -1, -1}.send(Message::running);
      _exit(0);
    }
    return follow(channel, {}).ok() && channel.signals.front().number == SIGTERM;
  }));
}

TEST(Follow, SeesTheEndOfAnInitWhoseSocketAnotherProcessHolds) {
  EXPECT_TRUE(holds_in_child([](Channel& channel, int far) {
    pid_t pid = fork();
    if (pid == 0) {
      rig::Init{far, -1, -1}.send(Message::ready, static_cast<int>(Gate::setup));
      _exit(3);
    }
    channel.child.pid = pid;
    channel.child.pidfd = rig::pidfd_of(pid);
    if (!rig::readable(channel.child.pidfd.get())) return false;
    int gates = 0;
    GateHandlers on;
    on.gate = [&](Gate) {
      ++gates;
      return Result<void>();
    };
    auto followed = follow(channel, on);
    return !followed.ok() && gates == 1 && followed.error().text().find("exit status 3") != std::string::npos;
  }));
}

// What a program can know of a failed launch without reading its text.
TEST(FailedLaunch, SaysWhatAndWhereAndWhatToDo) {
  PlanBuilder builder;
  Slot slot = builder.slot({SourceKind::tree, "/host/file", false, 0, "/mounts/3"});
  builder.add(steps::DieWithParent{});
  builder.add(steps::Attach{slot, builder.path("/data")}, "/mounts/3");
  Compiled compiled;
  compiled.plan = builder.finish();
  auto memory = PlanMemory::create(serialize(compiled.plan, {-1}, -1));
  ASSERT_TRUE(memory.ok()) << memory.error().text();
  memory->header()->report = {kFailed, 1, EISDIR, SYS_move_mount, ""};
  int ends[2] = {-1, -1};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  UniqueFd near(ends[0]), far(ends[1]);
  rig::Init{far.get(), -1, -1}.send(Message::failed);
  pid_t child = fork();
  if (child == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  sigset_t before;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  auto signals = Signals::block();
  ASSERT_TRUE(signals.ok());
  const Cgroup cgroup = Cgroup::none();
  Result<void> followed;
  {
    OwnedProcess process(Child{child, rig::pidfd_of(child), std::move(near), std::move(*memory)});
    Channel channel{process.child(), *signals, {cgroup, &compiled}};
    followed = follow(channel, {});
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ASSERT_FALSE(followed.ok());
  const Error& error = followed.error();
  EXPECT_EQ(error.kind, ErrorKind::setup);
  EXPECT_EQ(error.exit_status, 1);
  EXPECT_EQ(error.code, EISDIR);
  const ErrorDetail& detail = error.details();
  EXPECT_EQ(detail.step, 2U);
  EXPECT_EQ(detail.steps, 2U);
  EXPECT_EQ(detail.pointer, "/mounts/3");
  EXPECT_EQ(detail.call, "move_mount");
  EXPECT_EQ(detail.path, "/data");
  ASSERT_EQ(detail.hints.size(), 1U);
  EXPECT_EQ(error.text(),
            "/mounts/3: bind /host/file on /data: move_mount: is a directory [step 2 of 2] (" + detail.hints[0] + ")");
}

}  // namespace
}  // namespace minirun
