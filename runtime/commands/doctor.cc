// SPDX-License-Identifier: Apache-2.0
// `minirun doctor`: looks at a live container twice, and says what is wrong with it.
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "runtime/commands/command.h"
#include "runtime/commands/interval_option.h"
#include "runtime/container/container.h"
#include "runtime/inspect/diagnosis_report.h"
#include "runtime/oci/annotations.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

constexpr ExitStatus kDoctorStatuses[] = {
    {"0", "nothing found"},
    {"2", "found something"},
    {"1", "minirun could not look; one line on stderr says why"},
};
constexpr int kFound = 2;

struct DoctorCommand {
  std::string id;
  std::string interval = "1s";
  std::string format = "text";
};

void describe(Options& options, DoctorCommand& command) {
  options.value("--interval", "TIME", command.interval, "time between the two looks, such as 5s (default: 1s)");
  options.choice("-f,--format", {"text", "json"}, command.format, "how to print the findings (default: text)");
  options.id(command.id);
}

Result<Facts> gather(const Container& container, std::chrono::nanoseconds interval) {
  const GoOn always = [] { return true; };
  Facts facts;
  // That of `stop`, without its option. It refuses a bad one.
  if (auto signal = image_stop_signal(container.record.annotations); signal.ok()) facts.stop_signal = *signal;
  facts.host_cpus = static_cast<uint64_t>(std::max(1L, sysconf(_SC_NPROCESSORS_ONLN)));
  auto host_before = host_cpu_pressure();
  facts.before = TRY(look_at(container, Detail::all, always));
  auto until = std::chrono::steady_clock::now() + interval;
  if (TRY(await_end(container.init.get(), until)))
    return fail(ErrorKind::state, "container not running: it has just ended");
  facts.after = TRY(look_at(container, Detail::all, always));
  auto host_after = host_cpu_pressure();
  if (host_before && host_after) facts.host_cpu_wait_us = growth(host_before->some_us, host_after->some_us);
  return facts;
}

Result<Outcome> perform(const GlobalOptions& global, const DoctorCommand& command) {
  auto interval = TRY(parse_interval(command.interval, "--interval"));
  Container container = TRY(find_container(global.root, command.id));
  DoctorReport report = doctor_report(TRY(gather(container, interval)));
  std::string text = command.format == "json" ? to_json(report) : to_text(report);
  return Outcome{report.findings.empty() ? 0 : kFound, text};
}

}  // namespace

Command doctor_command() {
  return Command::of<DoctorCommand, describe, perform>({
      .summary = "say what is wrong with a running container",
      .arguments = "ID",
      .description =
          "Looks at the container twice, through its cgroup and /proc, and prints what is wrong, with numbers and a "
          "remedy, the worst first: memory, descriptors, processes or processors that run out, processes that are "
          "frozen, stopped or wait in the kernel, zombies, an event loop that is blocked, a stop signal that ends "
          "nothing. It runs nothing in the container and needs no agent there.",
      .examples = {{{"minirun doctor web1", "what is wrong with web1"},
                    {"minirun doctor --interval 10s --format json web1", "the same for programs, over ten seconds"}}},
      .exit_statuses = kDoctorStatuses,
  });
}

}  // namespace minirun
