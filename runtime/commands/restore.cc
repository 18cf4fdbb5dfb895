// SPDX-License-Identifier: Apache-2.0
// `minirun restore`: makes a container from criu's files, with a cgroup, a record and supervision like any other.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>

#include "namespaces/init_program.h"
#include "runtime/commands/launch_options.h"
#include "runtime/commands/run.h"
#include "runtime/commands/timing_option.h"
#include "runtime/container/end_page.h"
#include "runtime/criu/arguments.h"
#include "runtime/criu/config_file.h"
#include "runtime/criu/images.h"
#include "runtime/criu/mount_points.h"
#include "runtime/criu/run.h"
#include "runtime/supervise/console.h"
#include "runtime/text/log.h"
#include "runtime/text/status_events.h"
#include "runtime/text/stopwatch.h"
#include "sys/file.h"
#include "sys/pidfd.h"

namespace minirun {
namespace {

constexpr const char* kPidFile = "criu.pid";
constexpr int kFirstGiven = 64;  // criu's descriptors start after those that minirun uses

struct RestoreCommand : RestoreOptions {
  LaunchOptions launch;
  std::string id;
  bool detach = false;
  TimingOption timing;

  Descriptors descriptors() const { return descriptors_of(launch); }
};

void describe(Options& options, RestoreCommand& command) {
  options.flag("-d,--detach", command.detach, "return once the container runs");
  options.value("--image-path", "DIR", command.image_path, "read the images from here (default: checkpoint)");
  options.value("--work-path", "DIR", command.work_path, "write criu's log and work files here");
  describe_timing(options, command.timing);
  describe(options, command.launch);
  options.group("What criu may restore");
  options.flag("--tcp-established", command.tcp_established, "open TCP connections");
  options.flag("--ext-unix-sk", command.ext_unix_sk, "open Unix sockets whose peer is outside");
  options.flag("--shell-job", command.shell_job, "the job of a shell");
  options.flag("--file-locks", command.file_locks, "file locks");
  options.values("--empty-ns", "NAMESPACE", command.empty_ns, "make this namespace new and empty: network");
  options.value("--manage-cgroups-mode", "MODE", command.manage_cgroups_mode, "soft, full, strict or ignore");
  options.value("--lsm-profile", "TYPE:NAME", command.lsm_profile, "restore with this LSM profile");
  options.value("--lsm-mount-context", "CONTEXT", command.lsm_mount_context, "restore with this mount context");
  options.group("Memory in several steps");
  options.flag("--auto-dedup", command.auto_dedup, "remove from the images what is restored");
  options.flag("--lazy-pages", command.lazy_pages, "fetch memory when the container touches it");
  options.new_id(command.id);
}

// Restores the first process of a container from criu's files.
class Restoration {
 public:
  Restoration(const RestoreCommand& command, Launch& launch, Container& container)
      : command_(command), launch_(launch), prepared_(launch.prepared()), container_(container) {}

  // Starts it in the container's cgroup; it runs on return.
  Result<OwnedProcess> start(const std::string& criu, const ImagePaths& paths, const SavedInit& init);
  // minirun's end, if it has one.
  UniqueFd& terminal() { return terminal_; }

 private:
  Result<void> give(int fd, const std::string& name);
  Result<void> give_descriptors(const ImagePaths& paths);
  Result<void> give_init(const SavedInit& init);
  Result<void> give_namespaces();
  Result<void> open_terminal();
  Result<pid_t> run(const std::string& criu, const ImagePaths& paths);

  const RestoreCommand& command_;
  Launch& launch_;
  const Prepared& prepared_;
  Container& container_;
  RestoreFacts facts_;
  std::optional<UniqueFd> criu_config_;
  std::vector<UniqueFd> given_;
  UniqueFd terminal_;
  UniqueFd slave_;
  std::string console_;
};

// Gives it a unique number, by which criu distinguishes copies.
Result<void> Restoration::give(int fd, const std::string& name) {
  UniqueFd copy = UniqueFd::duplicate(fd, kFirstGiven);
  if (!copy) return fail(errno, "give descriptor {} to the container", fd);
  facts_.inherited.push_back({copy.get(), name});
  given_.push_back(std::move(copy));
  return {};
}

Result<void> Restoration::give_descriptors(const ImagePaths& paths) {
  std::vector<std::string> names = TRY(read_descriptors(paths));
  size_t last = 3 + size_t{command_.launch.preserve_fds};
  for (size_t fd = 0; fd < std::min(names.size(), last); fd++) {
    const std::string& name = names[fd];
    auto same = [&](const InheritedFd& other) { return other.name == name; };
    if (name.empty() || std::any_of(facts_.inherited.begin(), facts_.inherited.end(), same)) continue;
    bool of_terminal = slave_ && name.starts_with("tty[");
    TRY(give(of_terminal ? slave_.get() : static_cast<int>(fd), name));
  }
  return {};
}

// Gives criu an executable that no process can read, as the program of the restored init, and a new page for its end.
Result<void> Restoration::give_init(const SavedInit& init) {
  if (init.name.empty()) return {};
  UniqueFd program = TRY(open_init_program_in_memory(init.program));
  TRY(give(program.get(), init.name));
  if (init.end_page.empty()) return {};
  UniqueFd page = TRY(make_end_page(container_.state.fd()));
  return give(page.get(), init.end_page);
}

Result<void> Restoration::give_namespaces() {
  for (const CriuNamespace& ns : criu_namespaces(*prepared_.bundle.spec)) {
    std::string key = external_namespace_key(ns.type);
    if (key.empty()) {
      facts_.joined.push_back(ns);
      continue;
    }
    UniqueFd file = TRY(open_at(AT_FDCWD, ns.path, O_RDONLY));
    TRY(give(file.get(), key));
  }
  return {};
}

// The old terminal ended with the holder of its other end. The new one comes from the host's devpts, because criu makes
// the container's only later.
Result<void> Restoration::open_terminal() {
  if (!prepared_.compiled.terminal) return {};
  terminal_.reset(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!terminal_) return fail(errno, "open a terminal");
  char name[64];
  if (grantpt(terminal_.get()) < 0 || unlockpt(terminal_.get()) < 0 ||
      ptsname_r(terminal_.get(), name, sizeof name) != 0)
    return fail(errno, "open a terminal");
  console_ = static_cast<const char*>(name);
  slave_ = TRY(open_at(AT_FDCWD, console_, O_RDWR | O_NOCTTY));
  return {};
}

Result<pid_t> Restoration::run(const std::string& criu, const ImagePaths& paths) {
  const oci::Spec& spec = *prepared_.bundle.spec;
  int state = container_.state.fd();
  facts_.images = paths.images;
  facts_.work = paths.work;
  facts_.rootfs = TRY(name_of_descriptor(prepared_.bundle.rootfs.get()));
  facts_.pid_file = TRY(name_of_descriptor(state)) + "/" + kPidFile;
  facts_.cgroup_path = container_.record.cgroup.path;
  facts_.mounts =
      criu_mounts(spec, prepared_.bundle.path, launch_.hierarchy().mount_point + facts_.cgroup_path, console_);
  criu_config_ = TRY(open_criu_config(spec, prepared_.bundle.path, facts_.rootfs));
  if (criu_config_) facts_.config_fd = criu_config_->get();
  TRY(make_mount_points(prepared_.bundle.rootfs.get(), spec, facts_.mounts));
  CriuRun run;
  run.program = criu;
  run.arguments = TRY(restore_arguments(command_, facts_));
  run.log = paths.work + "/restore.log";
  if (criu_config_) run.kept_fds.push_back(criu_config_->get());
  for (const InheritedFd& inherited : facts_.inherited) run.kept_fds.push_back(inherited.fd);
  run.rootfs = facts_.rootfs;
  // Otherwise criu itself makes and joins cgroups as saved.
  bool ignore = command_.manage_cgroups_mode.empty() || command_.manage_cgroups_mode == "ignore";
  if (ignore) {
    run.cgroup_fd = container_.cgroup->cgroup().fd();
    const auto& all = spec.linux_.namespaces;
    run.cgroup_namespace = std::any_of(all.begin(), all.end(),
                                       [](const auto& ns) { return ns.type == CLONE_NEWCGROUP && ns.path.empty(); });
  }
  if (!spec.hooks.prestart.empty() || !spec.hooks.create_runtime.empty())
    run.namespaces_made = [this](pid_t pid) { return launch_.run_restore_hooks(container_, pid); };
  run.signals = &launch_.supervisor().signals();
  TRY(run_criu(run));
  std::string text = TRY(read_file(state, kPidFile));
  (void)unlinkat(state, kPidFile, 0);  // removed with the directory at the latest
  pid_t pid = 0;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  if (pid <= 1) return fail(ErrorKind::setup, "criu says that the container's first process is \"{}\"", text);
  return pid;
}

Result<OwnedProcess> Restoration::start(const std::string& criu, const ImagePaths& paths, const SavedInit& init) {
  TRY(open_terminal());
  TRY(give_descriptors(paths));
  TRY(give_init(init));
  TRY(give_namespaces());
  // Without a plan and a control socket, like an executed workload.
  Child child;
  child.pid = TRY(run(criu, paths));
  child.pidfd = TRY(open_pidfd(child.pid));
  OwnedProcess process(std::move(child));
  // Only now, because criu restores the saved settings of the terminal.
  if (terminal_ && keeps_line_ends(command_.launch.console_socket)) TRY(keep_line_ends(terminal_.get()));
  return process;
}

// criu restores the saved root mount and keyring, so these options have no effect.
void warn_of_ignored_options(const RestoreCommand& command) {
  constexpr const char* kWarning = "minirun: warning: restore {}: {} has no effect: criu restores what was saved";
  if (command.launch.no_pivot) report_line(fmt::format(kWarning, command.id, "--no-pivot"));
  if (command.launch.no_new_keyring) report_line(fmt::format(kWarning, command.id, "--no-new-keyring"));
}

Result<Outcome> perform(const GlobalOptions& global, const RestoreCommand& command) {
  TimedCommand timed(command.timing, "restore", command.id);
  warn_of_ignored_options(command);
  std::string criu = TRY(find_criu());
  ImagePaths paths = TRY(find_image_paths(command.image_path, command.work_path));
  SavedInit init = TRY(read_init(paths));
  LaunchRequest request{.options = command.launch,
                        .id = command.id,
                        .detach = command.detach,
                        .init = !init.name.empty(),
                        .restore = true};
  Launch launch = TRY(Launch::prepare(std::move(request), global.root, cgroup_driver(global)));
  OwnedContainer container = TRY(launch.begin());
  Restoration restoration(command, launch, *container);
  begin_phase("criu");
  OwnedProcess process = TRY(restoration.start(criu, paths, init));
  begin_phase("record");
  TRY(launch.adopt(*container, std::move(process), std::move(restoration.terminal())));
  status_created(command.id, container->record.init.pid);
  status_running(command.id, container->record.init.pid);
  end_setup();
  if (!command.detach) {
    const Reporting reporting = TRY(Reporting::begin(global, {}));
    ForegroundRun run{"restore", false, {}, reporting};
    run.clock.start();
    return supervise_to_end(launch, *container, run);
  }
  container->detach();
  return Outcome{};
}

}  // namespace

Command restore_command() {
  Command command = Command::of<RestoreCommand, describe, perform>({
      .summary = "bring a saved container back, through criu",
      .arguments = "ID",
      .description = "Makes a container of --bundle from the processes that checkpoint saved, through criu(8).",
      .examples = {{{"minirun restore --bundle bundle/ --image-path web1.images web1", "continue in the foreground"},
                    {"minirun restore -d -b bundle/ --image-path web1.images web1", "continue in the background"}}},
      .exit_statuses = kWorkloadStatuses,
  });
  command.needs = find_criu;
  return command;
}

}  // namespace minirun
