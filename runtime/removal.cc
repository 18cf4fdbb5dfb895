#include "runtime/removal.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/hook_points.h"
#include "runtime/host_side.h"
#include "runtime/launch.h"
#include "runtime/systemd_driver.h"

namespace minirun {

static Result<void> kill_init(int pidfd) {
  // ESRCH: it has ended since. The wait tells.
  if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0) < 0 && errno != ESRCH)
    return fail(errno, "kill the container's first process");
  pollfd ended{pidfd, POLLIN, 0};
  constexpr int kTimeoutMs = 10000;
  int n = poll(&ended, 1, kTimeoutMs);
  if (n < 0) return fail(errno, "wait for the container's first process");
  return n > 0 ? Result<void>() : fail(ETIMEDOUT, "the container's first process does not end after SIGKILL");
}

Result<void> remove_cgroup(Cgroup& cgroup) {
  return cgroup.remove(Cgroup::Processes::kill, std::chrono::steady_clock::now() + kRemovalTime);
}

Result<void> remove_directory(StateDirectory& state) {
  auto removed = state.remove();
  if (removed.ok()) return removed;
  return fail(0, "{} (nothing else of the container is left)", removed.error().text());
}

// Of another boot nothing is left.
static bool of_this_boot(const ContainerRecord& record) {
  auto boot = current_boot_id();
  return !boot.ok() || *boot == record.boot_id;
}

Result<void> remove_container(Container& container) {
  if (container.init) TRY(kill_init(container.init.get()));
  auto cgroup = TRY(find_cgroup(container.record));
  if (cgroup) TRY(remove_cgroup(*cgroup));
  if (container.record.systemd && of_this_boot(container.record)) TRY(stop_scope(*container.record.systemd));
  TRY(remove_host_side(container.record.rdt));
  run_recorded_poststop_hooks(container.state, container.record);
  return remove_directory(container.state);
}

}  // namespace minirun
