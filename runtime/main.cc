// SPDX-License-Identifier: Apache-2.0
// minirun: an OCI container runtime. See docs/design.md.
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

#include "runtime/commands/command.h"
#include "runtime/commands/options.h"
#include "runtime/compile/socket_activation.h"
#include "runtime/text/log.h"
#include "runtime/text/output.h"

namespace minirun {
namespace {

// A closed stdin, stdout or stderr would be taken by the next descriptor that is opened, and handed to the container
// as its stdio.
void open_missing_stdio() {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", O_RDWR);  // takes the lowest: fd
}

// How many descriptors after stdio the caller means for the container.
uint64_t meant_for_container(const Invocation& invocation) {
  auto count = [](const auto& command) -> uint64_t {
    using Type = std::decay_t<decltype(command)>;
    if constexpr (std::is_same_v<Type, ExecCommand>)
      return command.preserve_fds;
    else if constexpr (std::is_same_v<Type, RunCommand> || std::is_same_v<Type, CreateCommand> ||
                       std::is_same_v<Type, RestoreCommand>)
      return uint64_t{own_listen_fds().count} + command.launch.preserve_fds;
    else
      return 0;
  };
  return std::visit(count, invocation.command);
}

// The caller's other descriptors end with minirun. Its own init, which waits in a created container until start, would
// hold them, and a process there with CAP_SYS_PTRACE would reach what they lead to (/proc/1/fd; CVE-2024-21626 class).
Result<void> keep_from_container(uint64_t meant) {
  constexpr unsigned kCloexec = 4;  // CLOSE_RANGE_CLOEXEC
  constexpr unsigned kLast = std::numeric_limits<unsigned>::max();
  uint64_t first = 3 + meant;
  if (first > kLast) return {};  // more than there can be, which the command refuses
  if (syscall(SYS_close_range, static_cast<unsigned>(first), kLast, kCloexec) < 0)
    return fail(errno, "close_range of the caller's descriptors");
  return {};
}

int print(const PrintAndExit& text) {
  auto written = write_output(text.out);
  if (!written.ok()) report_error(written.error());
  if (!text.error.empty()) report_error(text.error);
  return written.ok() || text.status != 0 ? text.status : 1;
}

Result<Outcome> perform(const GlobalOptions&, const PrintAndExit& text) {
  return Outcome{print(text)};
}

// An error with its command and its container in front: "create web1: ...".
Result<Outcome> dispatch(const Invocation& invocation) {
  auto named = [&](const auto& command) -> Result<Outcome> {
    auto outcome = perform(invocation.global, command);
    if constexpr (requires { command.kErrorsOf; })
      if (!outcome.ok()) return wrap(outcome.error(), fmt::format("{} {}", command.kErrorsOf, command.id));
    return outcome;
  };
  return std::visit(named, invocation.command);
}

}  // namespace

int minirun_main(int argc, char** argv) {
  open_missing_stdio();
  (void)umask(022);  // the caller's may leave minirun without access to what it makes; the workload gets its own
  if (getauxval(AT_SECURE) != 0) {  // before anything of the caller is looked at (lxc-user-nic's CVE-2018-6556 class)
    report_error("refusing to run setuid or with file capabilities");
    return 1;
  }
  Invocation invocation = parse_command_line(argc, argv);
  auto kept_out = keep_from_container(meant_for_container(invocation));
  if (!kept_out.ok()) {
    report_error(kept_out.error());
    return 1;
  }
  auto logs = set_log_options({invocation.global.debug, invocation.global.log_format == "json", invocation.global.log});
  if (!logs.ok()) {
    report_error(logs.error());
    return 1;
  }
  auto outcome = dispatch(invocation);
  if (!outcome.ok()) {
    report_error(outcome.error());
    return outcome.error().exit_status;
  }
  int status = print({outcome->out, "", outcome->status});
  if (!outcome->note.empty()) report_line(outcome->note);
  return status;
}

}  // namespace minirun

// Nothing throws on purpose where it is not caught; what is left is memory that cannot be had.
int main(int argc, char** argv) {
  try {
    return minirun::minirun_main(argc, argv);
  } catch (...) {
    constexpr std::string_view kText = "minirun: out of memory\n";
    (void)!write(STDERR_FILENO, kText.data(), kText.size());
    return 1;
  }
}
