// SPDX-License-Identifier: Apache-2.0
// Seccomp, hooks, the state root: what else `run` needs of the host.
#include "runtime/seccomp/filter.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "runtime/check/parts.h"
#include "runtime/container/state_directory.h"
#include "runtime/oci/parse.h"
#include "runtime/seccomp/answer.h"

namespace minirun {
namespace {

uint32_t kernel_action(oci::SeccompAction action) {
  switch (action) {
    case oci::SeccompAction::kill_process:
      return SECCOMP_RET_KILL_PROCESS;
    case oci::SeccompAction::kill_thread:
      return SECCOMP_RET_KILL_THREAD;
    case oci::SeccompAction::trap:
      return SECCOMP_RET_TRAP;
    case oci::SeccompAction::error:
      return SECCOMP_RET_ERRNO;
    case oci::SeccompAction::trace:
      return SECCOMP_RET_TRACE;
    case oci::SeccompAction::allow:
      return SECCOMP_RET_ALLOW;
    case oci::SeccompAction::log:
      return SECCOMP_RET_LOG;
    case oci::SeccompAction::notify:
      return SECCOMP_RET_USER_NOTIF;
  }
  return SECCOMP_RET_ALLOW;
}

// Every filter passes these calls on: otherwise minirun's own last steps fail under it.
void check_action(oci::SeccompAction action, const std::string& pointer, CheckReport* report) {
  if (!kernel_has_action(kernel_action(action)))
    report->unknown("seccomp", pointer, fmt::format("this kernel does not know the action {}", oci::name_of(action)));
}

// The filter that the plan loads; empty: none.
std::vector<sock_filter> loaded_filter(const Plan& plan) {
  std::vector<sock_filter> filter;
  for (const Step& step : plan.steps)
    if (const auto* load = get_if<steps::Seccomp>(step)) filter = filter_of(plan, *load);
  return filter;
}

// The first of the calls that every program makes at its start and end that is not certain to pass; "": all are.
std::string refused_at_start(const Plan& plan) {
  const std::vector<sock_filter> filter = loaded_filter(plan);
  if (filter.empty()) return "";
  static constexpr std::pair<long, const char*> kCalls[] = {{SYS_execve, "execve"},
                                                            {SYS_brk, "brk"},
                                                            {SYS_mmap, "mmap"},
                                                            {SYS_mprotect, "mprotect"},
                                                            {SYS_munmap, "munmap"},
                                                            {SYS_openat, "openat"},
                                                            {SYS_read, "read"},
                                                            {SYS_close, "close"},
                                                            {SYS_fstat, "fstat"},
                                                            {SYS_write, "write"},
                                                            {SYS_pread64, "pread64"},
                                                            {SYS_arch_prctl, "arch_prctl"},
                                                            {SYS_exit_group, "exit_group"},
                                                            {SYS_newfstatat, "newfstatat"}};
  for (const auto& [number, name] : kCalls)
    if (!seccomp_allows(filter, SeccompCall{number})) return name;
  return "";
}

void check_hook(const oci::Hook& hook, const std::string& pointer, bool first, const Progress& progress,
                CheckReport* report) {
  progress(pointer, hook.path);
  struct stat info {};
  const bool there = stat(hook.path.c_str(), &info) == 0;
  const bool runs = there && S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0;
  if (runs) return report->unknown("hooks", pointer, "check runs no hook");
  const std::string why = !there ? std::string(std::strerror(errno)) : "no program";
  const std::string message = fmt::format("{}: {}", hook.path, why);
  if (first && (!there ? errno == ENOENT || errno == ENOTDIR : true))
    return report->no("hooks", pointer + "/path", message);
  report->unknown("hooks", pointer + "/path", message + ", unless an earlier hook makes it");
}

}  // namespace

void check_filter(const CheckedBundle& bundle, CheckReport* report) {
  const auto& seccomp = bundle.spec.linux_.seccomp;
  if (!seccomp) return;
  const size_t before = report->lines.size();
  check_action(seccomp->default_action, "/linux/seccomp/defaultAction", report);
  for (size_t i = 0; i < seccomp->syscalls.size(); ++i)
    check_action(seccomp->syscalls[i].action, fmt::format("/linux/seccomp/syscalls/{}/action", i), report);
  if (oci::notifies(*seccomp)) {
    if (access(seccomp->listener_path.c_str(), F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
      report->no("seccomp", "/linux/seccomp/listenerPath",
                 fmt::format("{}: {}", seccomp->listener_path, std::strerror(errno)), "start the agent first");
    else
      report->unknown("seccomp", "/linux/seccomp/listenerPath", "whether the agent answers");
  }
  const std::string refused = refused_at_start(bundle.prepared.compiled.plan);
  if (!refused.empty())
    report->unknown("seccomp", "/linux/seccomp",
                    fmt::format("whether the program starts without {}, which the filter may refuse", refused));
  if (report->lines.size() == before) report->yes("seccomp", "this kernel has every action");
}

void check_hooks(const CheckedBundle& bundle, CheckReport* report) {
  const oci::Hooks& hooks = bundle.spec.hooks;
  const std::pair<const char*, const std::vector<oci::Hook>*> lists[] = {
      {"/hooks/prestart/{}", &hooks.prestart},
      {"/hooks/createRuntime/{}", &hooks.create_runtime},
      {"/hooks/createContainer/{}", &hooks.create_container},
  };
  bool first = true;
  for (const auto& [pointer, list] : lists) {
    for (size_t i = 0; i < list->size(); ++i) {
      check_hook((*list)[i], fmt::format(fmt::runtime(pointer), i), first, bundle.progress, report);
      first = false;
    }
  }
  if (!hooks.start_container.empty()) report->unknown("hooks", "/hooks/startContainer", "check runs no hook");
  if (!hooks.poststart.empty()) report->unknown("hooks", "/hooks/poststart", "check runs no hook");
}

void check_state_root(const std::string& path, CheckReport* report) {
  auto root = open_state_root(path, false);
  if (root.ok()) {
    if (faccessat(root->get(), ".", W_OK, AT_EACCESS) == 0) return report->yes("state", path + " can be written");
    return report->no("state", "", fmt::format("{}: {}", path, std::strerror(errno)),
                      "choose another directory by --root");
  }
  if (root.error().code != ENOENT) return report->no("state", root.error());
  // run makes the directory and the one above it.
  std::string above = directory_of(path);
  if (access(above.c_str(), F_OK) < 0) above = directory_of(above);
  if (faccessat(AT_FDCWD, above.c_str(), W_OK, AT_EACCESS) == 0) return report->yes("state", path + " can be made");
  report->no("state", "", fmt::format("{} cannot be made: {}: {}", path, above, std::strerror(errno)),
             "choose another directory by --root");
}

}  // namespace minirun
