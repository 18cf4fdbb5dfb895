// SPDX-License-Identifier: Apache-2.0
#include "runtime/launch/seccomp_agent.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "runtime/container/container.h"
#include "runtime/supervise/init_channel.h"
#include "runtime/text/json_writer.h"
#include "runtime/text/unix_socket.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kPurpose = "/linux/seccomp/listenerPath";
constexpr const char* kListenerOf = "/linux/seccomp";

Result<bool> is_closed(int control) {
  char byte = 0;
  const ssize_t n = recv(control, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && errno != EAGAIN) return fail(errno, "look for a message of the container");
  return n == 0;
}

// The outer process, already under the filter, clones the process that the agent must learn about.
Result<pid_t> await_number(Child& child, pid_t number) {
  constexpr int kPauseMs = 1;
  for (bool ended = false; child.stands_in && !ended;) {
    pollfd polls[] = {{child.pidfd.get(), POLLIN, 0}};
    ended = poll(polls, 1, kPauseMs) > 0;  // then it cloned it before, or never will
    UniqueFd born = TRY(pidfd_of_born(child));
    if (born) return child.memory.born();
  }
  return number;
}

// A process that traces a created container can write the number. The agent may serve other containers too, so it gets
// only descriptors that seccomp(2) made.
Result<void> check_listener(int fd) {
  constexpr std::string_view kListener = "anon_inode:seccomp notify";
  auto found = name_of_descriptor(fd);
  if (!found.ok()) return wrap(found.error(), kListenerOf);
  return *found == kListener ? Result<void>() : fail(EPROTO, "{}: the container offers {}", kListenerOf, *found);
}

// Polls memory for the number, since the container may make no system call to send it. Nothing: the container has sent
// a message, or has ended.
Result<std::optional<UniqueFd>> await_listener(Child& child, Signals& signals) {
  constexpr timespec kPause{0, 50'000};
  bool closed = false;  // by an outer process, which then loads the filter
  for (;;) {
    if (auto number = child.memory.offered_listener()) {
      UniqueFd born;
      if (child.stands_in) born = TRY(pidfd_of_born(child));
      int holder = born ? born.get() : child.pidfd.get();
      UniqueFd listener(static_cast<int>(syscall(SYS_pidfd_getfd, holder, *number, 0)));
      if (!listener) return fail(errno, "{}: take the listener from the container", kListenerOf);
      TRY(check_listener(listener.get()));
      return std::optional(std::move(listener));
    }
    TRY(signals.check_abort());
    pollfd polls[] = {{child.pidfd.get(), POLLIN, 0}, {child.control.get(), POLLIN, 0}};
    if (ppoll(polls, closed ? 1 : 2, &kPause, nullptr) <= 0) continue;
    closed = child.stands_in && polls[0].revents == 0 && TRY(is_closed(child.control.get()));
    if (!closed) return std::optional<UniqueFd>();
  }
}

}  // namespace

Result<SeccompAgent> SeccompAgent::connect(const oci::Seccomp& seccomp) {
  return SeccompAgent(seccomp, TRY(connect_stream(seccomp.listener_path, kPurpose)));
}

Result<void> SeccompAgent::serve(Child& child, const ContainerRecord& record, ContainerStatus status,
                                 Signals& signals) {
  pid_t pid = child.pid;
  bool container = pid == record.init.pid;
  TRY(open_gate(child.control.get()));
  auto listener = await_listener(child, signals);
  if (listener.ok() && !*listener) return {};
  if (listener.ok() && child.stands_in) {
    UniqueFd born = TRY(pidfd_of_born(child));
    if (!born) child.memory.answer_listener(kListenerTaken);
    pid = TRY(await_number(child, pid));
  }
  Result<void> sent{};
  if (listener.ok()) {
    ContainerRecord known = record;
    if (container) known.init.pid = pid;
    sent = send_descriptor(socket_.get(), container_process_state(metadata_, known, status, pid), (*listener)->get());
    if (!sent.ok()) sent = fail(sent.error().code, "send the listener to {} {}", kPurpose, path_);
  } else {
    sent = listener.error();
  }
  child.memory.answer_listener(sent.ok() ? kListenerTaken : kListenerRefused);
  return sent;
}

Result<void> give_listener(Child& child, RefusalCounter& counter, Signals& signals) {
  TRY(open_gate(child.control.get()));
  auto listener = await_listener(child, signals);
  if (listener.ok() && !*listener) return {};
  auto taken = listener.ok() ? counter.take((*listener)->get()) : Result<void>(listener.error());
  child.memory.answer_listener(taken.ok() ? kListenerTaken : kListenerRefused);
  return taken;
}

std::string container_process_state(const std::string& metadata, const ContainerRecord& record, ContainerStatus status,
                                    pid_t pid) {
  JsonWriter json;
  json.begin_object().key("ociVersion").string("1.3.0");
  json.key("fds").begin_array().string("seccompFd").end_array().key("pid").number(pid);
  if (!metadata.empty()) json.key("metadata").string(metadata);
  json.key("state");
  append_state(json, record, status_name(status), record.init.pid);
  json.end_object();
  return json.take();
}

}  // namespace minirun
