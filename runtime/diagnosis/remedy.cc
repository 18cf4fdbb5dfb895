// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/remedy.h"

#include <fmt/format.h>
#include <sched.h>

#include <cerrno>

#include "runtime/diagnosis/death.h"

namespace minirun {
namespace {

using Say = std::string (*)(const FailureFacts& facts);

// The first row that returns a sentence counts.
struct Row {
  std::string_view test;
  std::string_view what;
  int code;
  Say say;
};

bool concerns(const FailureFacts& facts, std::string_view pointer) {
  return facts.pointer.starts_with(pointer);
}

bool shows_the_kernel(const FailureFacts& facts) {
  return facts.filesystem == "proc" || facts.filesystem == "sysfs";
}

std::string say_files(const FailureFacts& facts) {
  if (!facts.open_files || !facts.most_files || *facts.open_files <= *facts.most_files) return "";
  return fmt::format("the kernel allows {} at most: lower the limit, or raise the host's sysctl fs.nr_open",
                     *facts.most_files);
}

std::string say_rlimit(const FailureFacts&) {
  return "only CAP_SYS_RESOURCE of the host may raise a hard limit: lower it to that of minirun's caller, or raise the "
         "caller's";
}

// Filesystems that show one namespace belong to the user namespace that owns it.
std::string say_foreign_namespace(const FailureFacts& facts) {
  struct Shown {
    std::string_view filesystem;
    uint64_t type;
    const char* name;
  };
  constexpr Shown kShown[] = {
      {"sysfs", CLONE_NEWNET, "network"}, {"proc", CLONE_NEWPID, "pid"}, {"mqueue", CLONE_NEWIPC, "ipc"}};
  if (!facts.user_namespace) return "";
  for (const Shown& shown : kShown)
    if (facts.filesystem == shown.filesystem && (facts.new_namespaces & shown.type) == 0)
      return fmt::format(
          "in a user namespace it takes a {0} namespace of its own: add one to /linux/namespaces, or bind the host's "
          "with rbind",
          shown.name);
  return "";
}

std::string say_revealing(const FailureFacts& facts) {
  if (!facts.user_namespace || !shows_the_kernel(facts)) return "";
  return "mounts cover parts of the one that minirun sees, and a user namespace may not mount one that shows them: run "
         "minirun where /proc and /sys are whole, or bind the host's with rbind";
}

std::string say_not_for_users(const FailureFacts& facts) {
  bool mounts = !facts.filesystem.empty() || facts.call == "fsconfig" || facts.call == "fsmount";
  if (!facts.user_namespace || !mounts) return "";
  return "a user namespace may not mount this type: mount it on the host and bind it";
}

std::string say_file_on_directory(const FailureFacts&) {
  return "the source is a file and the destination a directory: name the file in the destination, or take a directory "
         "as the source";
}

std::string say_directory_on_file(const FailureFacts&) {
  return "the source is a directory, and the destination or a part of its path is a file: change one of them";
}

std::string say_mount_on_file(const FailureFacts& facts) {
  if (facts.call != "openat2" && facts.call != "move_mount") return "";
  return "the destination or a part of its path is a file, and a filesystem needs a directory: change the destination";
}

std::string say_linked(const FailureFacts& facts) {
  if (facts.call != "openat2" || !shows_the_kernel(facts)) return "";
  return "the image has a symbolic link there, through which a container could fake it: replace the link with a "
         "directory";
}

std::string say_unknown_type(const FailureFacts& facts) {
  if (facts.call != "fsopen") return "";
  return "this kernel has no such filesystem: /proc/filesystems lists them; load its module, or change the type";
}

std::string say_source_missing(const FailureFacts& facts) {
  if (!concerns(facts, "/mounts/") || facts.call != "open_tree") return "";
  return "it must exist on the host; a relative one starts at the bundle";
}

std::string say_arguments(const FailureFacts& facts) {
  return fmt::format(
      "{} in {} arguments and variables; the kernel takes a quarter of RLIMIT_STACK and 6 MiB at most: pass them in a "
      "file, or raise RLIMIT_STACK",
      human_bytes(facts.exec_bytes), facts.exec_strings);
}

std::string say_filtered(const FailureFacts&) {
  return "the seccomp filter forbids execve: allow execve in /linux/seccomp";
}

std::string say_filtered_or_denied(const FailureFacts&) {
  return "a seccomp filter or a security module forbids it: allow execve in /linux/seccomp, or change the profile";
}

std::string say_second_listener(const FailureFacts&) {
  return "minirun runs under a seccomp filter that has a listener, and the kernel allows one for all filters of a "
         "process: run it elsewhere, or without SCMP_ACT_NOTIFY and --explain-seccomp";
}

std::string say_processes(const FailureFacts& facts) {
  if (!facts.pids_reached.empty()) return facts.pids_reached + ": raise it";
  return "RLIMIT_NPROC counts all processes of the user on the host, minirun's init too: raise it, or use --no-init";
}

std::string say_clone_limit(const FailureFacts& facts) {
  if (!facts.pids_reached.empty()) return facts.pids_reached + ": raise it";
  return "RLIMIT_NPROC of minirun's user, pids.max of a cgroup above, or kernel.threads-max is reached: raise it";
}

std::string say_namespaces(const FailureFacts&) {
  return "a sysctl user.max_*_namespaces of the host is reached, or namespaces nest too deep: raise it, or end other "
         "containers";
}

std::string say_unmapped(const FailureFacts&) {
  return "not in the container's user namespace: add it to /linux/uidMappings and /linux/gidMappings";
}

std::string say_sysctl(const FailureFacts& facts) {
  if (!concerns(facts, "/linux/sysctl/")) return "";
  return "this kernel has no such sysctl, or not in a namespace: load its module, or remove it";
}

std::string say_sysctl_value(const FailureFacts& facts) {
  return concerns(facts, "/linux/sysctl/") ? "the kernel does not take this value: change it" : "";
}

std::string say_scheduler(const FailureFacts&) {
  return "the kernel does not take these values together: see sched(7) for the policy's ranges";
}

std::string say_nodes(const FailureFacts&) {
  return "a node is not on this machine, or the mode and its flags do not fit: see /sys/devices/system/node/online";
}

std::string say_directory_is_file(const FailureFacts&) {
  return "it or a part of its path is a file: name a directory";
}

std::string say_no_directory(const FailureFacts&) {
  return "name a directory that the container has";
}

constexpr Row kRows[] = {
    {"Remedy.FilesAboveNrOpen", "rlimit", EPERM, say_files},
    {"Remedy.HardLimitAboveTheCallers", "rlimit", EPERM, say_rlimit},
    {"Remedy.FilesystemOfAnotherNamespace", "mount_new", EPERM, say_foreign_namespace},
    {"RemedyForUsers.ProcThatWouldReveal", "mount_new", EPERM, say_revealing},
    {"RemedyForUsers.FilesystemThatIsNotForUsers", "mount_new", EPERM, say_not_for_users},
    {"RemedyForUsers.FilesystemThatIsNotForUsers", kOpenSource, EPERM, say_not_for_users},
    {"Remedy.FileOnADirectory", "attach", EISDIR, say_file_on_directory},
    {"Remedy.DirectoryOnAFile", "attach", ENOTDIR, say_directory_on_file},
    {"Remedy.ProcAsALink", "mount_new", ENOENT, say_linked},
    {"Remedy.ProcAsALink", "mount_new", ELOOP, say_linked},
    {"Remedy.FilesystemOnAFile", "mount_new", ENOTDIR, say_mount_on_file},
    {"Remedy.UnknownFilesystem", "mount_new", ENODEV, say_unknown_type},
    {"Remedy.UnknownFilesystem", kOpenSource, ENODEV, say_unknown_type},
    {"Remedy.SourceThatIsMissing", kOpenSource, ENOENT, say_source_missing},
    {"Remedy.ArgumentsTooLong", "execute", E2BIG, say_arguments},
    {"Remedy.FilterWithoutExecve", "execute", ENOSYS, say_filtered},
    {"Remedy.FilterWithoutExecve", "execute", EPERM, say_filtered_or_denied},
    {"Remedy.SecondListener", "seccomp", EBUSY, say_second_listener},
    {"Remedy.TooManyProcessesOfTheUser", "supervise", EAGAIN, say_processes},
    {"RemedyForUsers.CloneBeyondALimit", kClone, EAGAIN, say_clone_limit},
    {"RemedyForUsers.CloneBeyondALimit", "birth", EAGAIN, say_clone_limit},
    {"RemedyForUsers.TooManyNamespaces", kClone, ENOSPC, say_namespaces},
    {"RemedyForUsers.TooManyNamespaces", "birth", ENOSPC, say_namespaces},
    {"Remedy.IdThatIsNotMapped", "identity", EINVAL, say_unmapped},
    {"Remedy.IdThatIsNotMapped", "groups", EINVAL, say_unmapped},
    {"Remedy.SysctlOfNoKernel", "write_proc", ENOENT, say_sysctl},
    {"Remedy.SysctlOfNoKernel", "write_proc", EINVAL, say_sysctl_value},
    {"Remedy.SchedulerThatIsRefused", "scheduler", EINVAL, say_scheduler},
    {"Remedy.NodeThatIsNotThere", "memory_policy", EINVAL, say_nodes},
    {"Remedy.WorkingDirectory", "working_directory", ENOTDIR, say_directory_is_file},
    {"Remedy.WorkingDirectory", "working_directory", ENOENT, say_no_directory},
};

}  // namespace

std::string remedy_for(const FailureFacts& facts) {
  for (const Row& row : kRows) {
    if (row.what != facts.what || row.code != facts.code) continue;
    std::string said = row.say(facts);
    if (!said.empty()) return said;
  }
  return "";
}

Error with_remedy(const Error& error, const FailureFacts& facts) {
  return with_hint(error, remedy_for(facts));
}

std::vector<std::string_view> remedy_tests() {
  std::vector<std::string_view> tests;
  for (const Row& row : kRows) tests.push_back(row.test);
  return tests;
}

}  // namespace minirun
