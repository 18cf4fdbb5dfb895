// SPDX-License-Identifier: Apache-2.0
// `minirun spec`: writes a config.json to start from.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/commands/command.h"
#include "runtime/oci/default_spec.h"
#include "sys/file.h"

namespace minirun {
namespace {

struct SpecCommand {
  std::string bundle = ".";
  bool rootless = false;
};

void describe(Options& options, SpecCommand& command) {
  options.value("-b,--bundle", "DIR", command.bundle, "write config.json here (default: the current directory)");
  options.flag("--rootless", command.rootless, "write it for a container of the calling user");
}

Result<void> write_whole(int fd, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    ssize_t n = write(fd, text.data() + done, text.size() - done);
    if (n < 0 && errno != EINTR) return fail(errno, "write config.json");
    if (n > 0) done += static_cast<size_t>(n);
  }
  return {};
}

// O_EXCL touches nothing that exists, neither a file nor the target of a symbolic link.
Result<void> write_config(const std::string& bundle, const std::string& text) {
  UniqueFd directory = TRY(open_at(AT_FDCWD, bundle, O_RDONLY | O_DIRECTORY));
  auto file = open_at(directory.get(), "config.json", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
  if (!file.ok() && file.error().code == EEXIST)
    return fail(ErrorKind::usage, "config.json exists in {}: it is never overwritten, remove it first", bundle);
  if (!file.ok()) return wrap(file.error(), bundle);
  auto written = write_whole(file->get(), text);
  if (!written.ok()) (void)unlinkat(directory.get(), "config.json", 0);  // the first error is reported
  return written;
}

Result<Outcome> perform(const GlobalOptions&, const SpecCommand& command) {
  std::optional<RootlessOwner> rootless;
  if (command.rootless) rootless = RootlessOwner{geteuid(), getegid()};
  auto written = write_config(command.bundle, default_spec(rootless));
  if (!written.ok()) return wrap(written.error(), "spec");
  return Outcome{};
}

}  // namespace

Command spec_command() {
  return Command::of<SpecCommand, describe, perform>({
      .summary = "write a config.json to start from",
      .description =
          "Writes a config.json with safe defaults, which runs a shell in the directory rootfs beside it. It never "
          "overwrites a file.",
      .examples = {{{"minirun spec --bundle bundle/", "write bundle/config.json"},
                    {"minirun spec --rootless", "for a container that the calling user can run without root"}}},
  });
}

}  // namespace minirun
