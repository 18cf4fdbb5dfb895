// SPDX-License-Identifier: Apache-2.0
#include "runtime/diagnosis/exec_diagnosis.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/diagnosis/program_file.h"
#include "sys/fd.h"
#include "sys/image_path.h"
#include "sys/result.h"

namespace minirun {
namespace {

constexpr int kMaxInterpreters = 5;  // the kernel gives up (ELOOP) at about as many, exec.c: BINPRM recursion

// A file of the image. O_PATH first, since opening a device or a FIFO may have an effect.
struct Found {
  UniqueFd fd;  // O_PATH
  struct stat status = {};
};

std::optional<Found> find_in_root(int root_fd, const std::string& path, int flags = 0) {
  Found found{open_in_image(root_fd, path.c_str(), O_PATH | flags)};
  if (!found.fd || fstat(found.fd.get(), &found.status) < 0) return std::nullopt;
  return found;
}

// The kernel's view of a relative path: from the working directory of the process.
std::string absolute(const std::string& cwd, const std::string& path) {
  return !path.empty() && path[0] == '/' ? path : cwd + "/" + path;
}

std::string missing_hint(int root_fd, const std::string& path) {
  auto link = find_in_root(root_fd, path, O_NOFOLLOW);
  if (!link || !S_ISLNK(link->status.st_mode)) return "";
  char target[4096];
  ssize_t n = readlinkat(link->fd.get(), "", target, sizeof target);
  if (n < 0) return "";
  return fmt::format("it is a symbolic link to {}, which does not exist in the rootfs",
                     printable(std::string_view(target, static_cast<size_t>(n))));
}

const char* type_name(mode_t mode) {
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  if (S_ISFIFO(mode)) return "a FIFO";
  return "a socket";
}

std::string permission_hint(const Found& found) {
  const unsigned mode = found.status.st_mode & 07777;
  if (!S_ISREG(found.status.st_mode)) return fmt::format("it is {}", type_name(found.status.st_mode));
  if ((mode & 0111) == 0) return fmt::format("it has no execute permission: mode {:04o}", mode);
  struct statfs fs = {};
  if (fstatfs(found.fd.get(), &fs) == 0 && (static_cast<unsigned long>(fs.f_flags) & ST_NOEXEC) != 0)
    return "it is on a file system mounted noexec";
  return "";
}

class Examiner {
 public:
  explicit Examiner(const ExecFailure& failure) : failure_(failure) {}

  // Why the kernel may have refused the file; empty: no problem found.
  std::string examine(const Found& found, int depth = 0) const {
    std::string hint = permission_hint(found);
    if (!hint.empty()) return hint;
    // Opens the inode that was examined, whatever the path names now; O_NONBLOCK, since a file server may delay an
    // open.
    const std::string self = fmt::format("/proc/self/fd/{}", found.fd.get());
    UniqueFd file(open(self.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!file) return "";
    const ProgramFile program = read_program_file(file.get(), static_cast<uint64_t>(found.status.st_size));
    if (!program.problem.empty()) return program.problem;
    if (program.is_32bit && failure_.code == ENOEXEC) return "it is a 32-bit program, which this kernel does not run";
    if (program.interpreter.empty()) return "";
    if (program.is_script && failure_.code == ELOOP)
      return "the interpreter of its \"#!\" line is a script itself, and so on, deeper than the kernel follows";
    return depth < kMaxInterpreters ? examine_interpreter(program, depth) : "";
  }

 private:
  std::string examine_interpreter(const ProgramFile& program, int depth) const {
    const char* kind = program.is_script ? "the interpreter of its \"#!\" line," : "its ELF interpreter";
    const char* comma = program.is_script ? "," : "";
    const std::string path = absolute(failure_.cwd, program.interpreter);
    const std::string name = printable(program.interpreter);
    auto interpreter = find_in_root(failure_.root_fd, path);
    if (!interpreter) {
      std::string link = missing_hint(failure_.root_fd, path);
      if (!link.empty()) return fmt::format("{} {}{} is missing: {}", kind, name, comma, link);
      return fmt::format("{} {}{} does not exist in the rootfs", kind, name, comma);
    }
    std::string hint = examine(*interpreter, depth + 1);
    return hint.empty() ? "" : fmt::format("{} {}{} cannot be executed: {}", kind, name, comma, hint);
  }

  const ExecFailure& failure_;
};

int exit_status_for(int code) {
  return code == ENOENT || code == ENOTDIR ? 127 : 126;
}

Error exec_error(int code, int exit_status, const std::string& path, const std::string& message) {
  Error error = fail(ErrorKind::exec, code, "{}", message);
  error.exit_status = exit_status;
  ErrorDetail& detail = error.change_details();
  detail.pointer = "/process/args";
  detail.call = "execve";
  detail.path = path;
  return error;
}

// `name` is shown, `path` opened.
Error diagnose_path(const ExecFailure& failure, const std::string& name, const std::string& path) {
  auto found = find_in_root(failure.root_fd, path);
  std::string hint;
  if (!found) hint = failure.code == ENOENT ? missing_hint(failure.root_fd, path) : "";
  if (found) hint = Examiner(failure).examine(*found);
  int code = failure.code;
  if (found && code == EACCES && S_ISDIR(found->status.st_mode)) {
    code = EISDIR;
    hint.clear();
  }
  if (found && code == EACCES && hint.empty())
    hint = fmt::format("mode {:04o}, owner {}:{}: {}", found->status.st_mode & 07777, found->status.st_uid,
                       found->status.st_gid,
                       (found->status.st_mode & 0111) == 0111
                           ? "so a directory above it, a seccomp filter or a security module forbids it"
                           : "not for the user of the process, or a directory above it is not");
  return with_hint(exec_error(code, exit_status_for(failure.code), name, "exec " + printable(name)), hint);
}

// The paths that argv0 may mean along PATH.
std::vector<std::string> candidates(const ExecFailure& failure) {
  std::vector<std::string> all;
  std::string_view rest = failure.search_path;
  for (bool more = !rest.empty() && !failure.argv0.empty(); more;) {
    const size_t colon = rest.find(':');
    all.push_back(absolute(failure.cwd, std::string(rest.substr(0, colon))) + "/" + failure.argv0);
    more = colon != std::string_view::npos;
    if (more) rest.remove_prefix(colon + 1);
  }
  return all;
}

// The first candidate along PATH, preferably an executable one, since execvp(3) continues after EACCES.
std::optional<std::string> search(const ExecFailure& failure) {
  std::optional<std::string> fallback;
  for (const std::string& candidate : candidates(failure)) {
    auto found = find_in_root(failure.root_fd, candidate);
    if (!found || S_ISDIR(found->status.st_mode)) continue;
    if (permission_hint(*found).empty()) return candidate;
    if (!fallback) fallback = candidate;
  }
  return fallback;
}

// The errno of execve(path) if it is sure to fail, else 0. Files that this process cannot examine, or that only the
// kernel can follow (/proc/self/exe), may exist.
int surely_fails(int root_fd, const std::string& path) {
  errno = 0;
  auto found = find_in_root(root_fd, path);
  if (!found) return errno == ENOENT || errno == ENOTDIR ? errno : 0;
  return !S_ISREG(found->status.st_mode) || (found->status.st_mode & 0111) == 0 ? EACCES : 0;
}

}  // namespace

Error diagnose_exec(const ExecFailure& failure) {
  if (failure.argv0.find('/') != std::string::npos)
    return diagnose_path(failure, failure.argv0, absolute(failure.cwd, failure.argv0));
  auto found = search(failure);
  if (found) return diagnose_path(failure, *found, *found);
  const std::string where =
      failure.search_path.empty() ? "PATH is not set" : fmt::format("PATH is {}", printable(failure.search_path));
  std::string message = fmt::format("exec: \"{}\": executable file not found in $PATH", printable(failure.argv0));
  return with_hint(exec_error(0, 127, failure.argv0, message), where);
}

std::optional<Error> foresee_exec(const ExecFailure& failure) {
  ExecFailure foreseen = failure;
  foreseen.code = ENOENT;
  const bool is_path = failure.argv0.find('/') != std::string::npos;
  for (const std::string& path :
       is_path ? std::vector<std::string>{absolute(failure.cwd, failure.argv0)} : candidates(failure)) {
    const int code = surely_fails(failure.root_fd, path);
    if (code == 0) return std::nullopt;
    if (is_path || code == EACCES) foreseen.code = code;
  }
  return diagnose_exec(foreseen);
}

}  // namespace minirun
