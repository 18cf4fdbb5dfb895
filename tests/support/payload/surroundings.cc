// SPDX-License-Identifier: Apache-2.0
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "tests/support/payload/payload.h"

namespace payload {

int surroundings(const Args& args) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  bool stays = !args.empty() && args[0] == "pause";
  if (stays) (void)sigprocmask(SIG_BLOCK, &term, nullptr);
  (void)report({});
  open_files({"r:/proc/kcore", "r:/proc/keys", "r:/proc/timer_list", "w:/proc/sys/kernel/hostname",
              "w:/proc/sysrq-trigger", "w:/proc/irq/default_smp_affinity", "w:/sys/kernel/profiling", "w:/etc/canary",
              "c:/bin/new", "r:/dev/null", "w:/dev/full", "r:/dev/fuse", "r:/volume/file", "w:/volume/file"});
  stat_files({"/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/ptmx", "/dev/fd", "/dev/stdin",
              "/dev/core", "/dev/fuse", "/dev/console", "/proc/kcore", "/proc/keys", "/proc/acpi", "/volume/file"});
  print_files({"/proc/kcore", "/proc/keys", "/proc/sys/kernel/msgmax", "/proc/sys/net/ipv4/ip_forward",
               "/proc/self/timerslack_ns", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/1/cgroup"});
  std::string node = stays ? "/dev/shm/node" : "/dev/shm/other";  // both may run at the same time
  make_node({node, "b", "254", "0"});
  open_files({"r:" + node});
  (void)unlink(node.c_str());
  call({"135", "0xffffffff"});  // personality(2), which a filter may refuse
  say("--end--\n");
  if (!stays) return kSurroundingsEnd;
  int signal = 0;
  (void)sigwait(&term, &signal);
  return kSurroundingsEnd;
}

}  // namespace payload
