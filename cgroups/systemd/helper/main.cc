// SPDX-License-Identifier: Apache-2.0
// minirun-systemd talks to systemd for minirun, which is static and small and has no D-Bus. Its stdin is the socket
// that protocol.h describes; minirun starts it only for `--systemd-cgroup`, and it ends with minirun.
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "cgroups/systemd/helper/bus.h"
#include "cgroups/systemd/protocol.h"

namespace minirun::systemd {
namespace {

constexpr int kSocket = STDIN_FILENO;

// A process that does nothing: systemd makes a scope around a process, and the scope ends with the last one. It
// allocates no memory, since its cgroup will have the container's limit.
class Placeholder {
 public:
  Placeholder() = default;
  Placeholder(const Placeholder&) = delete;
  Placeholder& operator=(const Placeholder&) = delete;
  ~Placeholder() { end(); }

  Result<uint32_t> start() {
    pid_t parent = getpid();
    pid_ = fork();
    if (pid_ < 0) return fail(errno, "fork");
    if (pid_ == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      while (getppid() == parent) pause();
      _exit(0);
    }
    return static_cast<uint32_t>(pid_);
  }

  void end() {
    pid_t pid = std::exchange(pid_, -1);
    if (pid <= 0) return;
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

 private:
  pid_t pid_ = -1;
};

class Server {
 public:
  // Serves one request and returns the answer.
  Reply serve(const Request& request) {
    Reply reply;
    auto done = perform(request, &reply);
    if (done.ok()) return reply;
    Reply refusal;
    refusal.error = done.error().message;
    refusal.code = static_cast<uint32_t>(done.error().code);
    return refusal;
  }

 private:
  Result<void> perform(const Request& request, Reply* reply) {
    if (request.call == Call::release) {
      placeholder_.end();
      return {};
    }
    if (!manager_) manager_.emplace(TRY(Manager::connect(request.user)));
    switch (request.call) {
      case Call::look:
        return look(request, reply);
      case Call::start:
        return start(request, reply);
      case Call::set:
        return manager_->set(request.unit, request.properties);
      case Call::stop:
        return stop(request);
      case Call::adopt:
        return manager_->start_scope(request.unit, with_pid(request, request.pid));
      default:
        return fail(EPROTO, "an unknown call");
    }
  }

  Result<void> look(const Request& request, Reply* reply) {
    reply->version = TRY(manager_->version());
    reply->cgroup = TRY(manager_->cgroup());
    UnitFacts facts = TRY(manager_->look(request.unit));
    reply->load_state = facts.load_state;
    reply->description = facts.description;
    return {};
  }

  Result<void> start(const Request& request, Reply* reply) {
    reply->pid = TRY(placeholder_.start());
    TRY(manager_->start_scope(request.unit, with_pid(request, reply->pid)));
    reply->cgroup = TRY(manager_->scope_cgroup(request.unit));
    return {};
  }

  Result<void> stop(const Request& request) {
    UnitFacts facts = TRY(manager_->look(request.unit));
    if (facts.load_state == "not-found" && facts.active_state == "inactive") return {};
    if (facts.description != request.mark) return {};  // another program's unit of that name
    return manager_->stop(request.unit);
  }

  static Properties with_pid(const Request& request, uint32_t pid) {
    Properties properties = request.properties;
    properties.push_back(text("Description", request.mark));
    properties.push_back(numbers32("PIDs", {pid}));
    return properties;
  }

  std::optional<Manager> manager_;
  Placeholder placeholder_;
};

int serve() {
  std::vector<char> packet(kMostMessageBytes);
  Server server;
  for (;;) {
    ssize_t n = recv(kSocket, packet.data(), packet.size(), MSG_TRUNC);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return n == 0 ? 0 : 1;  // minirun is gone, or done
    if (static_cast<size_t>(n) > packet.size()) return 1;
    auto request = decode_request({packet.data(), static_cast<size_t>(n)});
    Reply reply;
    if (request.ok())
      reply = server.serve(*request);
    else
      reply.error = request.error().text();
    std::string answer = encode(reply);
    if (send(kSocket, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) return 1;
  }
}

}  // namespace
}  // namespace minirun::systemd

int main(int argc, char**) {
  int type = 0;
  socklen_t size = sizeof type;
  if (argc != 1 || getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET) {
    constexpr char kUse[] = "minirun-systemd is a part of minirun and cannot be run by itself\n";
    (void)!write(STDERR_FILENO, kUse, sizeof kUse - 1);
    return 2;
  }
  return minirun::systemd::serve();
}
