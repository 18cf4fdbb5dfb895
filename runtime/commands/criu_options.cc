// SPDX-License-Identifier: Apache-2.0
// The options of checkpoint and restore.
#include "runtime/commands/describe_options.h"

namespace minirun {

void add_checkpoint(CLI::App* command, CommandOptions* options) {
  CheckpointCommand& checkpoint = options->checkpoint;
  begin_group(command, "Options");
  add_value(command, "--image-path", "DIR", checkpoint.image_path, "write the images here (default: checkpoint)");
  add_value(command, "--work-path", "DIR", checkpoint.work_path, "write criu's log and work files here");
  command->add_flag("--leave-running", checkpoint.leave_running, "let the container continue");
  begin_group(command, "What criu may save");
  command->add_flag("--tcp-established", checkpoint.tcp_established, "open TCP connections");
  command->add_flag("--tcp-skip-in-flight", checkpoint.tcp_skip_in_flight, "skip TCP connections in flight");
  command->add_flag("--link-remap", checkpoint.link_remap, "open files that were unlinked");
  command->add_flag("--ext-unix-sk", checkpoint.ext_unix_sk, "open Unix sockets whose peer is outside");
  command->add_flag("--shell-job", checkpoint.shell_job, "the job of a shell");
  command->add_flag("--file-locks", checkpoint.file_locks, "file locks");
  add_values(command, "--empty-ns", "NAMESPACE", checkpoint.empty_ns,
             "restore makes this namespace new and empty: network");
  add_value(command, "--manage-cgroups-mode", "MODE", checkpoint.manage_cgroups_mode, "soft, full, strict or ignore");
  begin_group(command, "Memory in several steps");
  command->add_flag("--pre-dump", checkpoint.pre_dump, "save memory only; the container continues");
  add_value(command, "--parent-path", "DIR", checkpoint.parent_path,
            "images of an earlier --pre-dump, relative to --image-path");
  command->add_flag("--auto-dedup", checkpoint.auto_dedup, "drop from the parent images what is saved again");
  command->add_flag("--lazy-pages", checkpoint.lazy_pages, "leave memory here until restore asks for it");
  add_value(command, "--page-server", "ADDRESS:PORT", checkpoint.page_server, "send memory to criu's page server");
  add_value(command, "--status-fd", "FD", checkpoint.status_fd, "criu writes a NUL when lazy pages can be served");
  add_id(command, &checkpoint.id);
}

void add_restore(CLI::App* command, CommandOptions* options) {
  RestoreCommand& restore = options->restore;
  begin_group(command, "Options");
  command->add_flag("-d,--detach", restore.detach, "return once the container runs");
  add_value(command, "--image-path", "DIR", restore.image_path, "read the images from here (default: checkpoint)");
  add_value(command, "--work-path", "DIR", restore.work_path, "write criu's log and work files here");
  add_launch(command, &restore.launch);
  add_ignored(command, "--no-subreaper", kNoSubreaperText);
  begin_group(command, "What criu may restore");
  command->add_flag("--tcp-established", restore.tcp_established, "open TCP connections");
  command->add_flag("--ext-unix-sk", restore.ext_unix_sk, "open Unix sockets whose peer is outside");
  command->add_flag("--shell-job", restore.shell_job, "the job of a shell");
  command->add_flag("--file-locks", restore.file_locks, "file locks");
  add_values(command, "--empty-ns", "NAMESPACE", restore.empty_ns, "make this namespace new and empty: network");
  add_value(command, "--manage-cgroups-mode", "MODE", restore.manage_cgroups_mode, "soft, full, strict or ignore");
  add_value(command, "--lsm-profile", "TYPE:NAME", restore.lsm_profile, "restore with this LSM profile");
  add_value(command, "--lsm-mount-context", "CONTEXT", restore.lsm_mount_context, "restore with this mount context");
  begin_group(command, "Memory in several steps");
  command->add_flag("--auto-dedup", restore.auto_dedup, "drop from the images what is restored");
  command->add_flag("--lazy-pages", restore.lazy_pages, "fetch memory when the container touches it");
  add_id(command, &restore.id);
}

}  // namespace minirun
