// SPDX-License-Identifier: Apache-2.0
// The mappings of an existing user namespace. The kernel shows only those of a process, in the reader's ids
// (user_namespaces(7)), so a child enters the namespace and this process reads the child's.
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <sstream>

#include "namespaces/id_map.h"
#include "sys/file.h"
#include "sys/pipe.h"

namespace minirun {
namespace {

// setns(2) refuses the one that a process is in.
bool is_own(int user_namespace) {
  struct stat own {
  }, wanted{};
  return stat("/proc/self/ns/user", &own) == 0 && fstat(user_namespace, &wanted) == 0 && own.st_ino == wanted.st_ino &&
         own.st_dev == wanted.st_dev;
}

// A process in the namespace. The destructor kills and reaps it.
class Visitor {
 public:
  Visitor() = default;
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  ~Visitor() {
    if (pid_ <= 0) return;
    (void)kill(pid_, SIGKILL);  // not waited for yet: the number is still its own
    while (waitpid(pid_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
  }

  // A fork(2) without SIGCHLD at its end, so no other code sees it.
  Result<pid_t> start(int user_namespace) {
    auto [ours, theirs] = TRY(make_pipe());
    pid_t self = getpid();
    pid_ = static_cast<pid_t>(syscall(SYS_clone, 0, 0, 0, 0, 0));
    if (pid_ < 0) return fail(errno, "clone");
    if (pid_ == 0) visit(user_namespace, theirs.get(), self);
    theirs.reset();
    int code = EPROTO;
    ssize_t n = 0;
    while ((n = read(ours.get(), &code, sizeof code)) < 0 && errno == EINTR) {
    }
    if (n != sizeof code) code = EPROTO;
    if (code != 0) return fail(code, "enter it");
    return pid_;
  }

 private:
  [[noreturn]] static void visit(int user_namespace, int report, pid_t parent) {
    int code = is_own(user_namespace) || setns(user_namespace, CLONE_NEWUSER) == 0 ? 0 : errno;
    (void)!write(report, &code, sizeof code);
    while (getppid() == parent) usleep(10000);  // it is usually killed before
    _exit(0);
  }
  pid_t pid_ = -1;
};

IdMaps parse(const std::string& text) {
  IdMaps maps;
  std::istringstream numbers(text);
  for (IdMap map; numbers >> map.container_id >> map.host_id >> map.size;) maps.push_back(map);
  return maps;
}

}  // namespace

Result<NamespaceIds> read_id_maps(int user_namespace) {
  Visitor visitor;
  pid_t pid = TRY(visitor.start(user_namespace));
  UniqueFd proc = TRY(open_at(AT_FDCWD, fmt::format("/proc/{}", pid), O_PATH | O_DIRECTORY));
  NamespaceIds ids;
  ids.uids = parse(TRY(read_file(proc.get(), "uid_map")));
  ids.gids = parse(TRY(read_file(proc.get(), "gid_map")));
  ids.setgroups_denied = TRY(read_file(proc.get(), "setgroups")).starts_with("deny");
  return ids;
}

}  // namespace minirun
