// SPDX-License-Identifier: Apache-2.0
// `minirun checkpoint`: saves a running container to files, through criu.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include "cgroups/hierarchy.h"
#include "runtime/commands/command.h"
#include "runtime/container/container.h"
#include "runtime/criu/arguments.h"
#include "runtime/criu/config_file.h"
#include "runtime/criu/images.h"
#include "runtime/criu/init_process.h"
#include "runtime/criu/mount_points.h"
#include "runtime/criu/run.h"
#include "runtime/launch/remove.h"
#include "runtime/oci/annotations.h"
#include "runtime/oci/bundle.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

constexpr ExitStatus kCheckpointStatuses[] = {
    {"0", "done"},
    {"1", "failed, or criu is not installed (also for --help); one line on stderr says why"},
};

struct CheckpointCommand : DumpOptions {
  std::string id;
};

void describe(Options& options, CheckpointCommand& command) {
  options.value("--image-path", "DIR", command.image_path, "write the images here (default: checkpoint)");
  options.value("--work-path", "DIR", command.work_path, "write criu's log and work files here");
  options.flag("--leave-running", command.leave_running, "let the container continue");
  options.group("What criu may save");
  options.flag("--tcp-established", command.tcp_established, "open TCP connections");
  options.flag("--tcp-skip-in-flight", command.tcp_skip_in_flight, "skip TCP connections in flight");
  options.flag("--link-remap", command.link_remap, "open files that were unlinked");
  options.flag("--ext-unix-sk", command.ext_unix_sk, "open Unix sockets whose peer is outside");
  options.flag("--shell-job", command.shell_job, "the job of a shell");
  options.flag("--file-locks", command.file_locks, "file locks");
  options.values("--empty-ns", "NAMESPACE", command.empty_ns, "restore makes this namespace new and empty: network");
  options.value("--manage-cgroups-mode", "MODE", command.manage_cgroups_mode, "soft, full, strict or ignore");
  options.group("Memory in several steps");
  options.flag("--pre-dump", command.pre_dump, "save memory only; the container continues");
  options.value("--parent-path", "DIR", command.parent_path,
                "images of an earlier --pre-dump, relative to --image-path");
  options.flag("--auto-dedup", command.auto_dedup, "remove from the parent images what is saved again");
  options.flag("--lazy-pages", command.lazy_pages, "leave memory here until restore asks for it");
  options.value("--page-server", "ADDRESS:PORT", command.page_server, "send memory to criu's page server");
  options.value("--status-fd", "FD", command.status_fd, "criu writes a NUL when lazy pages can be served");
  options.id(command.id);
}

Result<void> check_container(const Container& container) {
  if (container.status != ContainerStatus::running && container.status != ContainerStatus::paused)
    return fail(ErrorKind::state, "container not running: {}", status_name(container.status));
  if (container.record.overlay)
    return fail(ErrorKind::state,
                "cannot be saved: its changes are in an overlay, which criu leaves out (--overlay or --keep-changes)");
  return {};
}

// Drops masked directories, which the container's own tmpfs covers, and missing paths, which are not masked.
std::vector<CriuMount> mounts_that_are_there(std::vector<CriuMount> mounts, pid_t pid) {
  std::erase_if(mounts, [pid](const CriuMount& mount) {
    if (mount.source != "/dev/null") return false;
    struct stat info {};
    std::string path = fmt::format("/proc/{}/root{}", pid, mount.destination);
    return stat(path.c_str(), &info) < 0 || S_ISDIR(info.st_mode);
  });
  return mounts;
}

Result<std::vector<std::string>> joined_namespaces(const oci::Spec& spec) {
  std::vector<std::string> joined;
  for (const CriuNamespace& ns : criu_namespaces(spec)) {
    std::string key = external_namespace_key(ns.type);
    struct stat info {};
    if (stat(ns.path.c_str(), &info) < 0) return fail(errno, "inspect the {} namespace {}", ns.type, ns.path);
    if (!key.empty()) joined.push_back(fmt::format("{}[{}]:{}", ns.type, info.st_ino, key));
  }
  return joined;
}

Result<DumpFacts> dump_facts(const Container& container, const Bundle& config, const ImagePaths& paths) {
  DumpFacts facts;
  facts.pid = container.record.init.pid;
  facts.images = paths.images;
  facts.work = paths.work;
  facts.rootfs = container.record.rootfs;
  facts.cgroup_path = container.record.cgroup.path;
  Hierarchy hierarchy = TRY(find_hierarchy());
  facts.cgroup_directory = hierarchy.mount_point + container.record.cgroup.path;
  auto mounts = criu_mounts(*config.spec, container.record.bundle, facts.cgroup_directory, "/dev/console");
  facts.mounts = mounts_that_are_there(std::move(mounts), facts.pid);
  for (CriuMount& mount : facts.mounts) mount.at = TRY(mounted_at(facts.pid, mount.destination));
  pid_t workload = facts.pid;
  if (container.record.resident_init) workload = TRY(workload_of(facts.pid));
  facts.descriptors = TRY(descriptor_names(workload));
  facts.joined = TRY(joined_namespaces(*config.spec));
  facts.iptables = in_search_path("iptables-restore");
  return facts;
}

// criu has killed it, but its parent may be slow to reap it.
Result<void> wait_for_end(int pidfd) {
  constexpr std::chrono::seconds kTimeout{10};
  bool ended = TRY(await_end(pidfd, std::chrono::steady_clock::now() + kTimeout));
  return ended ? Result<void>() : fail(ETIMEDOUT, "the container is saved, but its first process does not end");
}

Result<void> checkpoint(const GlobalOptions& global, const CheckpointCommand& command) {
  std::string criu = TRY(find_criu());
  Container container = TRY(find_locked(global.root, command.id));
  TRY(check_container(container));
  if (command.status_fd && fcntl(*command.status_fd, F_GETFD) < 0)
    return fail(errno, "--status-fd {}", *command.status_fd);
  ImagePaths paths = TRY(make_image_paths(command.image_path, command.work_path));
  if (!command.parent_path.empty()) TRY(check_parent_images(paths, command.parent_path));
  std::string text = TRY(container.state.read_config());
  Bundle config = TRY(parse_config(text));
  auto criu_config = TRY(open_criu_config(*config.spec, container.record.bundle, container.record.rootfs));
  DumpFacts facts = TRY(dump_facts(container, config, paths));
  SavedInit init;
  if (container.record.resident_init) init = TRY(saved_init(facts.pid, container.state.fd()));
  facts.init = init.name;
  facts.end_page = init.end_page;
  CriuRun run;
  if (criu_config) {
    facts.config_fd = criu_config->get();
    run.kept_fds = {facts.config_fd};
  }
  run.program = criu;
  run.arguments = TRY(dump_arguments(command, facts));
  run.log = paths.work + "/dump.log";
  if (command.status_fd) run.kept_fds.push_back(*command.status_fd);
  // Written first: with --lazy-pages a restore needs the images before criu ends.
  if (!command.pre_dump) TRY(write_descriptors(paths, facts.descriptors));
  if (!command.pre_dump) TRY(write_init(paths, init));
  TRY(run_criu(run));
  if (command.leave_running || command.pre_dump) return {};
  TRY(wait_for_end(container.init.get()));
  // Frees its id for a restore.
  Container stopped = TRY(inspect(std::move(container.state)));
  return remove_container(stopped);
}

Result<Outcome> perform(const GlobalOptions& global, const CheckpointCommand& command) {
  TRY(checkpoint(global, command));
  return Outcome{};
}

}  // namespace

// Engines run checkpoint --help to learn whether containers can be checkpointed: only its status counts.
Command checkpoint_command() {
  Command command = Command::of<CheckpointCommand, describe, perform>({
      .summary = "save a running container, through criu",
      .arguments = "ID",
      .description =
          "Saves the container's processes to --image-path through criu(8), then ends them unless --leave-running is "
          "given.",
      .examples = {{{"minirun checkpoint --image-path web1.images web1", "save web1 and end it"},
                    {"minirun checkpoint --leave-running --image-path web1.images web1",
                     "save web1, which continues"}}},
      .exit_statuses = kCheckpointStatuses,
  });
  command.needs = find_criu;
  command.feature = feature_key::kCheckpoint;
  return command;
}

}  // namespace minirun
