// SPDX-License-Identifier: Apache-2.0
#include "cgroups/systemd/client.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "sys/file.h"
#include "sys/pipe.h"

namespace minirun::systemd {
namespace {

using std::chrono::steady_clock;

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> list;
  list.reserve(texts.size() + 1);
  for (const std::string& text : texts) list.push_back(const_cast<char*>(text.c_str()));
  list.push_back(nullptr);
  return list;
}

struct ChildFacts {
  const char* program;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  int socket, null, errors, report;
};

// As the helper is born in the caller's surroundings, and its placeholder is put into the container's cgroup, it takes
// no descriptor and no signal setting along.
[[noreturn]] void be_the_helper(const ChildFacts& facts) {
  bool ready = dup2(facts.socket, STDIN_FILENO) >= 0 && dup2(facts.null, STDOUT_FILENO) >= 0 &&
               dup2(facts.errors, STDERR_FILENO) >= 0;
  constexpr unsigned kCloseOnExec = 4;  // CLOSE_RANGE_CLOEXEC
  ready = ready && syscall(SYS_close_range, 3U, ~0U, kCloseOnExec) == 0;
  sigset_t none;
  sigemptyset(&none);
  (void)sigprocmask(SIG_SETMASK, &none, nullptr);
  if (ready) execve(facts.program, facts.arguments.data(), facts.environment.data());
  int code = errno;
  (void)!write(facts.report, &code, sizeof code);
  _exit(127);
}

// The errno of a failed start, 0 when the helper runs: then the pipe was closed by its exec.
Result<int> read_report(int fd) {
  int code = 0;
  ssize_t n = 0;
  do {
    n = read(fd, &code, sizeof code);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return fail(errno, "start minirun-systemd");
  return n == static_cast<ssize_t>(sizeof code) ? code : 0;
}

}  // namespace

Result<Client> Client::start(const std::string& program, const std::vector<std::string>& environment,
                             const TimeLimits& limits) {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) return fail(errno, "socketpair");
  UniqueFd ours(pair[0]), theirs(pair[1]);
  auto [report, told] = TRY(make_pipe());
  auto [errors, their_errors] = TRY(make_pipe(O_NONBLOCK));
  UniqueFd null = TRY(open_at(AT_FDCWD, "/dev/null", O_WRONLY));
  const std::vector<std::string> arguments{"minirun-systemd"};
  ChildFacts facts{program.c_str(),    pointers(arguments), pointers(environment), theirs.get(), null.get(),
                   their_errors.get(), told.get()};
  pid_t pid = fork();
  if (pid < 0) return fail(errno, "fork");
  if (pid == 0) be_the_helper(facts);
  Client client(std::move(ours), std::move(errors), pid, limits);
  told.reset();
  int code = TRY(read_report(report.get()));
  if (code != 0) return fail(code, "execute {}", program);
  return client;
}

Client::Client(Client&& other) noexcept
    : socket_(std::move(other.socket_)),
      errors_(std::move(other.errors_)),
      pid_(std::exchange(other.pid_, -1)),
      call_limit_(other.call_limit_),
      end_(other.end_) {}

Client::~Client() {
  if (pid_ <= 0) return;
  (void)kill(pid_, SIGKILL);  // a child of this process that is not reaped yet
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

Error Client::ended() {
  char text[512];
  ssize_t n = read(errors_.get(), text, sizeof text);
  std::string words(text, n < 0 ? 0 : static_cast<size_t>(n));
  while (!words.empty() && words.back() == '\n') words.pop_back();
  std::replace(words.begin(), words.end(), '\n', ' ');
  return fail(ErrorKind::host, "minirun-systemd has ended{}{}", words.empty() ? "" : ": ", words);
}

Result<std::string> Client::receive(Deadline deadline) {
  std::string packet(kMostMessageBytes, '\0');
  for (;;) {
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    pollfd wait{socket_.get(), POLLIN, 0};
    int n = poll(&wait, 1, static_cast<int>(std::max<int64_t>(left, 0)));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno, "wait for minirun-systemd");
    if (n == 0) return fail(ETIMEDOUT, "minirun-systemd does not answer");
    ssize_t size = recv(socket_.get(), packet.data(), packet.size(), MSG_TRUNC);
    if (size <= 0) return ended();
    if (static_cast<size_t>(size) > packet.size()) return fail(EPROTO, "minirun-systemd says too much");
    packet.resize(static_cast<size_t>(size));
    return packet;
  }
}

Result<Reply> Client::ask(const Request& request) {
  std::string packet = encode(request);
  if (packet.size() > kMostMessageBytes) return fail(EMSGSIZE, "more properties than minirun-systemd takes");
  if (send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno == EPIPE || errno == ECONNRESET) return ended();
    return fail(errno, "ask minirun-systemd");
  }
  std::string answer = TRY(receive(std::min(steady_clock::now() + call_limit_, end_)));
  Reply reply = TRY(decode_reply(answer));
  if (!reply.error.empty()) return Error{static_cast<int>(reply.code), reply.error};
  return reply;
}

}  // namespace minirun::systemd
