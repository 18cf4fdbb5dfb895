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
#include <string>
#include <string_view>

#include "runtime/commands/command.h"
#include "runtime/commands/command_line.h"
#include "runtime/commands/global_options.h"
#include "runtime/commands/report_target.h"
#include "runtime/text/log.h"
#include "runtime/text/output.h"
#include "runtime/text/status_events.h"

namespace minirun {
namespace {

// The next opened descriptor would take the number of a closed stdin, stdout or stderr, and become the container's
// stdio.
void open_missing_stdio() {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", O_RDWR);  // takes the lowest: fd
}

// Keeps the caller's other descriptors from minirun's children. The init that waits in a created container would hold
// them, and a process there with CAP_SYS_PTRACE could use them (/proc/1/fd; CVE-2024-21626 class).
Result<void> keep_from_container(uint64_t meant) {
  constexpr unsigned kCloexec = 4;  // CLOSE_RANGE_CLOEXEC
  constexpr unsigned kLast = std::numeric_limits<unsigned>::max();
  uint64_t first = 3 + meant;
  if (first > kLast) return {};  // more than possible, which the command refuses
  if (syscall(SYS_close_range, static_cast<unsigned>(first), kLast, kCloexec) < 0)
    return fail(errno, "close_range of the caller's descriptors");
  return {};
}

// container: the command and the id; "": the error has them.
Error named(const Error& error, const std::string& container) {
  return container.empty() ? error : wrap(error, container);
}

// Checks that come before the command.
Error refusal(const Error& error, const Command& command, const std::string& container) {
  Error wrong = named(error, container);
  wrong.exit_status = command.failure_status;
  return wrong;
}

int report(const Error& error) {
  report_error(error);
  status_error(error);
  return error.exit_status;
}

int print(const Outcome& outcome) {
  auto written = write_output(outcome.out);
  int status = written.ok() ? 0 : report(written.error());
  if (!outcome.note.empty()) report_line(outcome.note);
  return outcome.status != 0 ? outcome.status : status;
}

}  // namespace

int minirun_main(int argc, char** argv) {
  open_missing_stdio();
  (void)umask(022);  // with the caller's, minirun might not be able to use what it makes; the workload gets its own
  if (getauxval(AT_SECURE) != 0) {  // before reading anything of the caller's (lxc-user-nic's CVE-2018-6556 class)
    report_error(fail(ErrorKind::host, "refusing to run setuid or with file capabilities"));
    return 1;
  }
  Invocation invocation = parse_command_line(argc, argv);
  const GlobalOptions& global = invocation.global;
  // Before anything is opened: what is open is the caller's.
  const Descriptors& descriptors = invocation.descriptors;
  auto status = descriptors.status ? set_status_fd(*descriptors.status, descriptors.handed_on) : Result<void>();
  if (status.ok()) status = check_report_descriptor(descriptors.report, descriptors);
  auto kept_out = keep_from_container(descriptors.handed_on);
  if (!kept_out.ok()) return report(kept_out.error());
  auto logs = set_log_options({wants_debug(global), global.log_format == "json", global.log});
  if (!logs.ok()) return report(logs.error());
  if (!invocation.command.ok()) return report(invocation.command.error());
  if (!status.ok()) return report(refusal(status.error(), *invocation.command, invocation.errors_of));
  auto outcome = invocation.command->perform(global);
  if (outcome.ok()) return print(*outcome);
  return report(named(outcome.error(), invocation.errors_of));
}

}  // namespace minirun

// Nothing throws on purpose where it is not caught; what is left is memory that cannot be had.
int main(int argc, char** argv) {
  try {
    return minirun::minirun_main(argc, argv);
  } catch (...) {
    constexpr std::string_view kText = "minirun: out of memory\n";
    (void)!write(STDERR_FILENO, kText.data(), kText.size());
    minirun::status_out_of_memory();
    return 1;
  }
}
