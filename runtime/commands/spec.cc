// SPDX-License-Identifier: Apache-2.0
// `minirun spec`: writes a config.json to start from, or changes one.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "runtime/commands/command.h"
#include "runtime/edit/changes.h"
#include "runtime/edit/config_file.h"
#include "runtime/edit/judge.h"
#include "runtime/oci/default_spec.h"
#include "sys/file.h"

namespace minirun {
namespace {

struct SpecCommand {
  std::string bundle;
  std::string edit;
  bool rootless = false;
  bool host_network = false;
  bool no_network = false;
  bool read_write = false;
  bool read_only = false;
  std::vector<std::string> args;
  SpecChanges changes;  // but for those above
};

void describe_process(Options& options, SpecCommand& command) {
  SpecChanges& changes = command.changes;
  options.group("The process");
  options.values("--args", "WORD", command.args, "the command, a word each time; the same as COMMAND after --");
  options.values("-e,--env", "NAME[=VALUE]", changes.env, "set a variable; without a value, to that of the caller");
  options.value("--cwd", "DIR", changes.cwd, "working directory, in the container");
  options.value("-u,--user", "UID[:GID]", changes.user, "run as this user, in numbers");
  options.flag("-t,--terminal,!--no-terminal", changes.terminal, "give the process a terminal, or none");
  options.values("--cap-add", "CAPABILITY", changes.cap_add, "add a capability, such as NET_ADMIN, or ALL");
  options.values("--cap-drop", "CAPABILITY", changes.cap_drop, "take a capability away, or ALL");
  options.choice("--seccomp", {"default", "none"}, changes.seccomp,
                 "a filter that allows what these capabilities may need, or no filter");
  options.rest_after_dashes(changes.args);
}

void describe(Options& options, SpecCommand& command) {
  options.value("-b,--bundle", "DIR", command.bundle, "write config.json here (default: the current directory)");
  options.flag("--rootless", command.rootless, "write it for a container of the calling user");
  options.value("--edit", "FILE", command.edit, "change this config.json in place; what no option names stays");
  describe_process(options, command);
  options.group("Limits");
  options.value("--memory", "SIZE", command.changes.memory, "memory limit, such as 64M; -1: no limit");
  options.value("--cpus", "N", command.changes.cpus, "CPU time in CPUs, such as 0.5; -1: no limit");
  options.value("--pids", "N", command.changes.pids, "number of processes and threads; -1: no limit");
  options.group("Files and network");
  options.values("--bind", "SRC:DST[:OPTIONS]", command.changes.binds, "show this file or directory in the container");
  options.values("--tmpfs", "DST[:OPTIONS]", command.changes.tmpfs, "an empty directory in memory");
  options.flag("--read-write", command.read_write, "let the container write to its root filesystem");
  options.flag("--read-only", command.read_only, "do not");
  options.value("--hostname", "NAME", command.changes.hostname, "host name in the container");
  options.flag("--host-network", command.host_network, "use the host's network");
  options.flag("--no-network", command.no_network, "use a network of its own, with nothing but lo");
}

Result<void> refuse_both(bool one, const char* first, bool other, const char* second) {
  if (!one || !other) return {};
  return fail(ErrorKind::usage, "{} cannot be used with {}", first, second);
}

Result<SpecChanges> changes_of(const SpecCommand& command) {
  TRY(refuse_both(command.host_network, "--host-network", command.no_network, "--no-network"));
  TRY(refuse_both(command.read_write, "--read-write", command.read_only, "--read-only"));
  TRY(refuse_both(!command.args.empty(), "--args", !command.changes.args.empty(), "-- COMMAND"));
  SpecChanges changes = command.changes;
  if (!command.args.empty()) changes.args = command.args;
  if (command.host_network || command.no_network) changes.own_network = command.no_network;
  if (command.read_write || command.read_only) changes.read_only = command.read_only;
  return changes;
}

Result<SpecCaller> caller_of(const SpecChanges& changes) {
  SpecCaller caller;
  caller.variable = [](const char* name) -> const char* { return getenv(name); };
  if (changes.binds.empty()) return caller;
  char directory[PATH_MAX];
  if (getcwd(directory, sizeof directory) == nullptr) return fail(errno, "--bind: find the current directory");
  caller.directory = directory;
  return caller;
}

Error exists_in(const std::string& bundle) {
  return fail(ErrorKind::usage,
              "config.json exists in {}: it is never overwritten, change it with --edit or remove it first", bundle);
}

// From a file without a name, so that a reader finds all of it or nothing: open(2), O_TMPFILE. False: not every
// filesystem can, and not every process sees /proc.
Result<bool> link_config(int directory, const std::string& bundle, const std::string& text) {
  auto file = open_at(directory, ".", O_WRONLY | O_TMPFILE, 0644);
  if (!file.ok() || !write_all(file->get(), text, "config.json").ok()) return false;
  const std::string name = fmt::format("/proc/self/fd/{}", file->get());
  if (linkat(AT_FDCWD, name.c_str(), directory, "config.json", AT_SYMLINK_FOLLOW) == 0) return true;
  return errno == EEXIST ? Result<bool>(exists_in(bundle)) : Result<bool>(false);
}

// O_EXCL touches nothing that exists, neither a file nor the target of a symbolic link.
Result<void> write_config(const std::string& bundle, const std::string& text) {
  UniqueFd directory = TRY(open_at(AT_FDCWD, bundle, O_RDONLY | O_DIRECTORY));
  if (TRY(link_config(directory.get(), bundle, text))) return {};
  auto file = open_at(directory.get(), "config.json", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  if (!file.ok() && file.error().code == EEXIST) return exists_in(bundle);
  if (!file.ok()) return wrap(file.error(), bundle);
  auto written = write_all(file->get(), text, "config.json");
  if (!written.ok()) (void)unlinkat(directory.get(), "config.json", 0);  // the first error is reported
  return written;
}

Result<std::string> changed(std::string_view text, const SpecChanges& changes, const std::string& file) {
  auto config = JsonEdit::parse(text);
  const bool has_pointer = !config.ok() && !config.error().details().pointer.empty();
  if (has_pointer) return wrap(config.error(), file);
  if (!config.ok()) return fail(ErrorKind::config, "{}:{}", file, config.error().message);  // LINE:COLUMN follows
  auto applied = apply_changes(*config, changes, TRY(caller_of(changes)));
  if (!applied.ok()) return applied.error().kind == ErrorKind::usage ? applied.error() : wrap(applied.error(), file);
  return judged_text(*config, changes, text, file);
}

Result<void> write_new(const SpecCommand& command, const SpecChanges& changes) {
  std::optional<RootlessOwner> rootless;
  if (command.rootless) rootless = RootlessOwner{geteuid(), getegid()};
  std::string text = default_spec(rootless);
  if (changes.any()) text = TRY(changed(text, changes, "config.json"));
  return write_config(command.bundle.empty() ? "." : command.bundle, text);
}

Result<void> edit_file(const SpecCommand& command, const SpecChanges& changes) {
  TRY(refuse_both(!command.bundle.empty(), "--edit", true, "--bundle"));
  TRY(refuse_both(command.rootless, "--edit", true, "--rootless"));
  if (!changes.any()) return fail(ErrorKind::usage, "--edit: no other option says what to change");
  auto file = ConfigFile::open(command.edit);
  if (!file.ok()) return wrap(file.error(), command.edit);
  const std::string text = TRY(changed(file->text(), changes, command.edit));
  if (text == file->text()) return {};
  auto replaced = file->replace(text);
  return replaced.ok() ? replaced : wrap(replaced.error(), command.edit);
}

Result<Outcome> perform(const GlobalOptions&, const SpecCommand& command) {
  auto changes = changes_of(command);
  if (!changes.ok()) return wrap(changes.error(), "spec");
  auto done = command.edit.empty() ? write_new(command, *changes) : edit_file(command, *changes);
  if (!done.ok()) return wrap(done.error(), "spec");
  return Outcome{};
}

}  // namespace

Command spec_command() {
  return Command::of<SpecCommand, describe, perform>({
      .summary = "write a config.json to start from, or change one",
      .arguments = "[-- COMMAND [ARG...]]",
      .description =
          "Writes a config.json with safe defaults, which runs COMMAND, or else a shell, in the directory rootfs "
          "beside it. It never overwrites a file.\n\n"
          "With --edit, changes an existing file instead. What no option names stays as it is written, byte for byte. "
          "The file is replaced as a whole, with its mode and owner, and under a lock: a change that another program "
          "makes at the same time is not lost, but an error. A symbolic link is refused. The same options given twice "
          "make the same file.\n\n"
          "minirun writes only what `run` accepts as a configuration. If a file to be changed has another fault, "
          "minirun names it and changes nothing.\n\n"
          "Names of users are not looked up. --user without GID leaves the group as it is. --env NAME removes the "
          "variable if the caller has none of that name. A capability is added to the sets that count for the user: "
          "for another user than root, also to the inheritable and the ambient one. --seccomp default is made for the "
          "capabilities of the moment: give it again when they change.\n\n"
          "--memory leaves a limit of swap as it is. --cpus keeps a period that the file has, and otherwise sets one "
          "of 100 ms. A relative SRC of --bind counts from the current directory. OPTIONS are mount options, "
          "separated by commas: of --bind such as ro, which includes the mounts below it, or bind, without them; of "
          "--tmpfs such as size=64m, added to nosuid,nodev,noexec. Either replaces a mount at the same DST.",
      .examples = {{{"minirun spec --memory 64M --bind ./data:/data:ro -- /bin/app -v", "write config.json"},
                    {"minirun spec --edit config.json --env DEBUG=1 --host-network", "change it"}}},
  });
}

}  // namespace minirun
