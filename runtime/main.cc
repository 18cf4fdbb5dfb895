// minirun: an OCI container runtime. See docs/design.md.
#include <fcntl.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

#include "runtime/cli.h"
#include "runtime/commands.h"
#include "runtime/log.h"

namespace minirun {
namespace {

// A closed stdin, stdout or stderr would be taken by the next descriptor that is opened, and handed to the container
// as its stdio.
void open_missing_stdio() {
  for (int fd = 0; fd < 3; fd++)
    if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) (void)open("/dev/null", O_RDWR);  // takes the lowest: fd
}

int print(const PrintAndExit& text) {
  if (!text.out.empty()) (void)!write(STDOUT_FILENO, text.out.data(), text.out.size());
  if (!text.error.empty()) report_error(text.error);
  return text.status;
}

Result<Outcome> perform(const Invocation& invocation) {
  const GlobalOptions& global = invocation.global;
  struct Visitor {
    const GlobalOptions& global;
    Result<Outcome> operator()(const PrintAndExit& text) const { return Outcome{print(text), "", "", {}}; }
    Result<Outcome> operator()(const RunCommand& command) const { return run_command(global, command); }
    Result<Outcome> operator()(const PlanCommand& command) const { return plan_command(global, command); }
    Result<Outcome> operator()(const DeleteCommand& command) const { return delete_command(global, command); }
    Result<Outcome> operator()(const KillCommand& command) const { return kill_command(global, command); }
    Result<Outcome> operator()(const StateCommand& command) const { return state_command(global, command); }
    Result<Outcome> operator()(const ListCommand& command) const { return list_command(global, command); }
  };
  return std::visit(Visitor{global}, invocation.command);
}

}  // namespace

int minirun_main(int argc, char** argv) {
  open_missing_stdio();
  if (getauxval(AT_SECURE) != 0) {  // before anything of the caller is looked at (lxc-user-nic's CVE-2018-6556 class)
    report_error("refusing to run setuid or with file capabilities");
    return 1;
  }
  Invocation invocation = parse_command_line(argc, argv);
  set_log_options({invocation.global.debug, invocation.global.log_format == "json", invocation.global.log});
  auto outcome = perform(invocation);
  if (!outcome.ok()) {
    report_error(outcome.error().text());
    return 1;
  }
  if (!outcome->out.empty()) (void)print({outcome->out, "", 0});
  if (outcome->error) report_error(outcome->error->text());
  if (!outcome->note.empty()) report_line(outcome->note);
  return outcome->status;
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
