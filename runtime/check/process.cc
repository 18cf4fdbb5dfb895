// SPDX-License-Identifier: Apache-2.0
// The program, its working directory, and the limits and priorities of its process.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/check/parts.h"
#include "runtime/compile/capabilities.h"
#include "runtime/diagnosis/exec_diagnosis.h"
#include "runtime/oci/container_path.h"
#include "runtime/oci/parse.h"
#include "runtime/oci/spec_facts.h"
#include "sys/file.h"
#include "sys/image_path.h"
#include "sys/kernel_text.h"

namespace minirun {
namespace {

// Whether the rootfs alone decides what is at a path: no mount brings other files there or hides its own. Mounts of the
// kernel's views are far from programs, unless the image has a link there.
bool is_far_from_programs(const CheckedBundle& bundle, const oci::Mount& mount) {
  const std::string& destination = mount.target;
  for (const char* far : {"/proc", "/dev", "/sys"}) {
    if (!is_over(far, destination)) continue;
    UniqueFd fd = open_in_image(bundle.prepared.bundle.rootfs.get(), far, O_PATH | O_NOFOLLOW);
    struct stat info {};
    return !fd || (fstat(fd.get(), &info) == 0 && S_ISDIR(info.st_mode));
  }
  return false;
}

const oci::Mount* mount_near_programs(const CheckedBundle& bundle) {
  for (const oci::Mount& mount : bundle.spec.mounts)
    if (!is_far_from_programs(bundle, mount)) return &mount;
  return nullptr;
}

bool has_early_hooks(const oci::Hooks& hooks) {
  return oci::has_setup_hooks(hooks) || !hooks.start_container.empty();
}

bool is_under(const std::string& path) {
  return is_over("/proc", path) || is_over("/dev", path) || is_over("/sys", path);
}

void check_directory(const CheckedBundle& bundle, const oci::Process& process, CheckReport* report) {
  const std::string cwd = clean_path(process.cwd);
  if (cwd == "/") return;
  if (is_under(cwd) || mount_near_programs(bundle) != nullptr || has_early_hooks(bundle.spec.hooks))
    return report->unknown("process", "/process/cwd", fmt::format("whether {} can be entered", cwd));
  UniqueFd fd = open_in_image(bundle.prepared.bundle.rootfs.get(), cwd.c_str(), O_PATH);
  struct stat info {};
  if (!fd || fstat(fd.get(), &info) < 0)
    return report->unknown("process", "/process/cwd", fmt::format("whether {} can be made in the rootfs", cwd));
  if (!S_ISDIR(info.st_mode)) return report->no("process", "/process/cwd", fmt::format("{} is not a directory", cwd));
  if ((info.st_mode & 0001) == 0)
    report->unknown("process", "/process/cwd", fmt::format("whether the user of the process may enter {}", cwd));
}

// The kernel's answer to execve depends on the ids, capabilities and labels of the process too: a program that all may
// read and execute, in directories that all may enter, needs none of them.
bool all_may_execute(int root, const std::string& path) {
  UniqueFd fd = open_in_image(root, path.c_str(), O_PATH);
  struct stat info {};
  if (!fd || fstat(fd.get(), &info) < 0 || (info.st_mode & 0005) != 0005) return false;
  auto full = name_of_descriptor(fd.get());
  auto top = name_of_descriptor(root);
  if (!full.ok() || !top.ok() || !full->starts_with(*top)) return false;
  for (std::string above = full->substr(top->size()); !above.empty();) {
    above.resize(std::max<size_t>(above.rfind('/'), 0));
    UniqueFd directory = open_in_image(root, ("/" + above).c_str(), O_PATH | O_DIRECTORY);
    if (!directory || fstat(directory.get(), &info) < 0 || (info.st_mode & 0001) == 0) return false;
  }
  return true;
}

std::string found_program(int root, const std::vector<std::string>& candidates) {
  for (const std::string& path : candidates)
    if (all_may_execute(root, path)) return path;
  return "";
}

uint64_t number_in(const char* path) {
  auto text = read_file(AT_FDCWD, path);
  return text.ok() ? leading_number(*text).value_or(0) : 0;
}

// Whether minirun has CAP_SYS_RESOURCE of the host, and the container's process still does when it needs it.
bool has_sys_resource(const CheckedBundle& bundle) {
  return !bundle.entered && !bundle.user_namespace && (grantable_capabilities() >> CAP_SYS_RESOURCE & 1) != 0;
}

// Of this process, a child that ends. 0: it may.
int set_oom_score(const void* score) {
  auto written =
      write_control(AT_FDCWD, "/proc/self/oom_score_adj", std::to_string(*static_cast<const int32_t*>(score)));
  return written.ok() ? 0 : 1;
}

void check_rlimit(const CheckedBundle& bundle, const oci::Rlimit& limit, const std::string& pointer,
                  CheckReport* report) {
  const uint64_t most = limit.resource == RLIMIT_NOFILE ? number_in("/proc/sys/fs/nr_open") : 0;
  if (most != 0 && limit.hard > most)
    return report->no("process", pointer,
                      fmt::format("{} {} is beyond the {} that the kernel allows", oci::rlimit_name(limit.resource),
                                  limit.hard, most),
                      "lower it, or raise the sysctl fs.nr_open");
  rlimit own{};
  if (getrlimit(static_cast<__rlimit_resource_t>(limit.resource), &own) < 0 || limit.hard <= own.rlim_max) return;
  if (has_sys_resource(bundle)) return;
  report->unknown("process", pointer,
                  fmt::format("{} {} is above minirun's own {}, and only CAP_SYS_RESOURCE of the host can raise it",
                              oci::rlimit_name(limit.resource), limit.hard, own.rlim_max),
                  "lower it, or raise the limit of minirun's caller");
}

}  // namespace

void check_program(const CheckedBundle& bundle, CheckReport* report) {
  const oci::Process& process = *bundle.spec.process;
  check_directory(bundle, process, report);
  const int root = bundle.prepared.bundle.rootfs.get();
  ExecFailure question;
  question.root_fd = root;
  question.argv0 = process.args[0];
  question.cwd = process.cwd;
  question.search_path = search_path_of(process.env);
  auto failure = foresee_exec(question);
  const oci::Mount* near = mount_near_programs(bundle);
  const bool changes = near != nullptr || has_early_hooks(bundle.spec.hooks);
  if (failure) {
    if (!changes && !is_under(process.args[0])) return report->no("program", "/process/args/0", failure->text());
    return report->unknown("program", "/process/args/0", failure->text() + ", unless a mount or a hook brings it");
  }
  std::vector<std::string> candidates = program_candidates(process.args[0], question.search_path);
  if (process.args[0].find('/') != std::string::npos && !process.args[0].starts_with('/'))
    candidates = {process.cwd + "/" + process.args[0]};
  const std::string path = found_program(root, candidates);
  if (changes || path.empty() || is_under(path))
    return report->unknown("program", "/process/args/0",
                           fmt::format("whether {} can be executed there", process.args[0]));
  // foresee_exec() does not read the file. The diagnosis of a failure does.
  question.code = ENOEXEC;
  question.argv0 = path;
  const Error examined = diagnose_exec(question);
  if (!examined.details().hints.empty())
    return report->unknown("program", "/process/args/0", fmt::format("{}: {}", path, examined.details().hints[0]));
  report->yes("program", path + " is there and can be executed");
}

void check_limits_of_process(const CheckedBundle& bundle, CheckReport* report) {
  const oci::Process& process = *bundle.spec.process;
  for (size_t i = 0; i < process.rlimits.size(); ++i)
    check_rlimit(bundle, process.rlimits[i], fmt::format("/process/rlimits/{}", i), report);
  const int refused = process.oom_score_adj ? in_child(set_oom_score, &*process.oom_score_adj) : 0;
  if (refused < 0) report->unknown("process", "/process/oomScoreAdj", "a child process could not be made to try");
  if (refused > 0)
    report->no("process", "/process/oomScoreAdj",
               fmt::format("{} is below what this user may set", *process.oom_score_adj), "raise it");
  if (process.scheduler) report->unknown("process", "/process/scheduler", "whether the kernel takes the scheduler");
  if (process.io_priority) report->unknown("process", "/process/ioPriority", "whether the kernel takes the priority");
  if (bundle.spec.linux_.memory_policy)
    report->unknown("process", "/linux/memoryPolicy", "whether this host has these nodes");
  if (bundle.spec.linux_.personality) report->unknown("process", "/linux/personality", "whether the kernel takes it");
  if (!process.apparmor_profile.empty() || !process.selinux_label.empty())
    report->unknown("process", "/process", "whether the kernel takes the label");
}

}  // namespace minirun
