// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/refusal_counter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "sys/close_range.h"
#include "sys/file.h"
#include "sys/pidfd.h"
#include "sys/process_stat.h"
#include "sys/socket_message.h"
#include "sys/transient_error.h"

namespace minirun {
namespace {

constexpr std::chrono::seconds kLongestReport{10};
constexpr size_t kMostKills = 64;  // whose victims are remembered, to find the workload among them

struct Victim {
  pid_t pid = 0;
  pid_t parent = 0;
  bool eldest = false;  // of the parent's children
};

// What goes over the socket at the end: this, then the rows.
struct CounterReport {
  uint64_t others = 0;
  uint32_t rows = 0;
  uint32_t victims = 0;
  Victim victim[kMostKills];
};
static_assert(std::is_trivially_copyable_v<CounterReport> && std::is_trivially_copyable_v<Refusal>);

// The forked side.
class Counting {
 public:
  Counting(const RefusalRules& rules, int socket) : rules_(rules), socket_(socket) {}
  void run();

 private:
  // The kernel's structs may be longer than those of the headers (SECCOMP_GET_NOTIF_SIZES).
  struct Room {
    alignas(8) char bytes[512];
  };

  bool receive_listener();
  bool answer(int listener);
  static bool ask(int listener, unsigned long request, void* room);
  static bool is_waiting(int listener, uint64_t id) {
    return ask(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) && errno == 0;
  }
  static Refusal refusal_of(int listener, const seccomp_notif& asked, const Refused& refused);
  bool end_process(int listener, const seccomp_notif& asked);
  void report();

  const RefusalRules& rules_;
  int socket_;
  bool counts_ = true;
  std::vector<UniqueFd> listeners_;
  Refusals refusals_;
  CounterReport report_;
};

// False when minirun wants the report, or is gone.
bool Counting::receive_listener() {
  char byte = 0;
  iovec piece{&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(socket_, &message, MSG_CMSG_CLOEXEC);
  if (n <= 0) return n < 0;  // an error: next turn
  const cmsghdr* header = CMSG_FIRSTHDR(&message);
  // No descriptor was free for it: it is closed, so the kernel answers.
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS) return true;
  int fd = -1;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  listeners_.emplace_back(fd);
  return true;
}

// Each listener, and minirun, gets a turn: a flood keeps none of them waiting. Ends when minirun has closed its end.
void Counting::run() {
  for (;;) {
    std::vector<pollfd> polls = {{socket_, static_cast<short>(counts_ ? POLLIN : 0), 0}};
    for (const UniqueFd& listener : listeners_) polls.push_back({listener.get(), POLLIN, 0});
    if (poll(polls.data(), polls.size(), -1) < 0 && !is_transient(errno)) return;
    for (size_t i = polls.size() - 1; i > 0; --i) {
      // Else no process uses the filter any more (Linux 5.9).
      const bool goes_on = polls[i].revents == 0 || ((polls[i].revents & POLLIN) != 0 && answer(polls[i].fd));
      if (!goes_on) listeners_.erase(listeners_.begin() + static_cast<std::ptrdiff_t>(i) - 1);
    }
    if (polls[0].revents == 0) continue;
    if (!counts_) return;
    if (!receive_listener()) report();
  }
}

// False: the listener is of no use, and closing it makes the kernel answer in its place. True with errno 0, or with
// ENOENT: the thread does not wait any more. Other errors should not happen, but none may leave a thread waiting.
bool Counting::ask(int listener, unsigned long request, void* room) {
  constexpr int kAttempts = 3;
  for (int i = 0; i < kAttempts; ++i) {
    errno = 0;
    if (ioctl(listener, request, room) == 0 || errno == ENOENT) return true;
  }
  return false;
}

// The name is the notifying thread's only if the notification is still valid after the look (seccomp_unotify(2)).
Refusal Counting::refusal_of(int listener, const seccomp_notif& asked, const Refused& refused) {
  Refusal refusal;
  refusal.call = {asked.data.arch, asked.data.nr};
  refusal.refused = refused;
  auto name = read_file(AT_FDCWD, fmt::format("/proc/{}/comm", asked.pid), 4 * sizeof refusal.program);
  if (!name.ok() || !is_waiting(listener, asked.id)) return refusal;
  if (name->ends_with('\n')) name->pop_back();
  name->copy(refusal.program, sizeof refusal.program - 1);
  return refusal;
}

// Whether the notifying process has ended or will. The pidfd is its thread group's, if the notification is still valid
// after it was opened: as long as the thread waits, neither its number nor its group's can be another's.
bool Counting::end_process(int listener, const seccomp_notif& asked) {
  auto status = read_status(static_cast<pid_t>(asked.pid));
  auto number = [&](const char* name) {
    auto field = status.ok() ? status_field(*status, name) : std::nullopt;
    return field ? static_cast<pid_t>(strtol(field->c_str(), nullptr, 10)) : 0;
  };
  Victim victim{number("Tgid"), number("PPid")};
  // Without a look at it (proc(5), hidepid) this works for a process's first thread.
  auto pidfd = open_pidfd(victim.pid > 0 ? victim.pid : static_cast<pid_t>(asked.pid));
  if (victim.parent > 0) {
    auto children = read_file(AT_FDCWD, fmt::format("/proc/{0}/task/{0}/children", victim.parent));
    victim.eldest = children.ok() && strtol(children->c_str(), nullptr, 10) == victim.pid;
  }
  if (!is_waiting(listener, asked.id)) return true;
  if (!pidfd.ok() || !send_signal(pidfd->get(), SIGKILL).ok()) return false;
  if (report_.victims < kMostKills) report_.victim[report_.victims++] = victim;
  return true;
}

// False: close the listener.
bool Counting::answer(int listener) {
  Room asking{}, answering{};
  auto& asked = *reinterpret_cast<seccomp_notif*>(asking.bytes);
  auto& answer = *reinterpret_cast<seccomp_notif_resp*>(answering.bytes);
  if (!ask(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked)) return false;
  if (errno == ENOENT) return true;
  Refusal refusal = refusal_of(listener, asked, rules_.judge(asked.data));
  uint32_t& action = refusal.refused.action;
  const bool must_end = kills(refusal.refused);
  const bool ends = must_end && end_process(listener, asked);
  if (must_end && !ends) action = SECCOMP_RET_ERRNO | EPERM;  // the most that can be done
  if (counts_) add_refusal(refusal, &refusals_);
  if (ends) return true;  // it never returns from the call
  answer.id = asked.id;
  answer.error = -static_cast<int32_t>(action & SECCOMP_RET_DATA);
  return ask(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

void Counting::report() {
  counts_ = false;
  report_.others = refusals_.others;
  report_.rows = static_cast<uint32_t>(refusals_.rows.size());
  std::string text(reinterpret_cast<const char*>(&report_), sizeof report_);
  text.append(reinterpret_cast<const char*>(refusals_.rows.data()), refusals_.rows.size() * sizeof(Refusal));
  for (size_t at = 0; at < text.size();) {
    ssize_t n = send(socket_, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (n < 0 && is_transient(errno)) continue;
    if (n <= 0) return;  // minirun is gone
    at += static_cast<size_t>(n);
  }
}

// The forked side trusts /proc to show the pids that the kernel names it.
Result<void> check_procfs() {
  auto pids = status_field(TRY(read_file(AT_FDCWD, "/proc/self/status")), "NSpid");
  if (pids && *pids == std::to_string(getpid())) return {};
  return fail(ErrorKind::host, "--explain-seccomp needs a /proc of minirun's own pid namespace");
}

bool takes_structs_of_the_kernel() {
  constexpr size_t kRoom = 512;
  seccomp_notif_sizes sizes{};
  return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 && sizes.seccomp_notif <= kRoom &&
         sizes.seccomp_notif_resp <= kRoom;
}

[[noreturn]] void count(const RefusalRules& rules, int socket) {
  (void)prctl(PR_SET_NAME, "minirun-seccomp");
  const int kept[] = {socket};
  (void)close_all_but(kept, 0);  // fails only on kernels that minirun does not support
  Counting(rules, socket).run();
  _exit(0);
}

// False if not all of it comes.
bool receive_all(int socket, void* room, size_t size, std::chrono::steady_clock::time_point end) {
  for (size_t at = 0; at < size;) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    pollfd readable{socket, POLLIN, 0};
    int ready = left.count() > 0 ? poll(&readable, 1, static_cast<int>(left.count())) : 0;
    if (ready == 0) return false;
    ssize_t n = ready < 0 ? -1 : read(socket, static_cast<char*>(room) + at, size - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;  // it was killed
    at += static_cast<size_t>(n);
  }
  return true;
}

}  // namespace

Result<RefusalCounter> RefusalCounter::start(const RefusalRules& rules) {
  TRY(check_procfs());
  if (!takes_structs_of_the_kernel())
    return fail(ErrorKind::host,
                "--explain-seccomp: this kernel's notifications have another form (seccomp_unotify(2))");
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) return fail(errno, "socketpair");
  UniqueFd ours(pair[0]), theirs(pair[1]);
  pid_t pid = fork();
  if (pid < 0) return fail(errno, "fork the process that counts for --explain-seccomp");
  if (pid == 0) count(rules, theirs.get());
  auto pidfd = open_pidfd(pid);
  if (!pidfd.ok()) {
    (void)kill(pid, SIGKILL);  // a child that is not reaped yet keeps its pid
    (void)waitpid(pid, nullptr, 0);
    return pidfd.error();
  }
  RefusalCounter counter(std::move(*pidfd), std::move(ours));
  // Set here and not in the process itself, which may not have run yet when minirun's group is killed.
  if (setpgid(pid, pid) < 0) return fail(errno, "give the process that counts for --explain-seccomp a process group");
  return counter;
}

RefusalCounter::~RefusalCounter() {
  if (!pidfd_) return;
  socket_.reset();                           // which alone ends it soon
  (void)send_signal(pidfd_.get(), SIGKILL);  // ESRCH: it has been killed, and reaped
  siginfo_t ended{};
  while (waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &ended, WEXITED) < 0 && errno == EINTR) {
  }
}

Result<void> RefusalCounter::take(int listener) {
  const int descriptors[] = {listener};
  auto sent = send_message(socket_.get(), "l", descriptors);
  return sent.ok() ? Result<void>() : wrap(sent.error(), "hand the listener to the process that counts");
}

Refusals RefusalCounter::finish(pid_t first, bool under_init) {
  Refusals refusals;
  refusals.lost = true;
  (void)shutdown(socket_.get(), SHUT_WR);  // asks for the report; fails if the process was killed
  const auto end = std::chrono::steady_clock::now() + kLongestReport;
  CounterReport head;
  if (!receive_all(socket_.get(), &head, sizeof head, end)) return refusals;
  if (head.rows > kMostRefusals || head.victims > kMostKills) return refusals;
  std::vector<Refusal> rows(head.rows);
  if (!receive_all(socket_.get(), rows.data(), rows.size() * sizeof(Refusal), end)) return refusals;
  refusals.lost = false;
  refusals.others = head.others;
  refusals.rows = std::move(rows);
  refusals.main_killed = std::any_of(head.victim, head.victim + head.victims, [&](const Victim& victim) {
    return under_init ? victim.parent == first && victim.eldest : victim.pid == first;
  });
  return refusals;
}

}  // namespace minirun
