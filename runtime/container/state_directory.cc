// SPDX-License-Identifier: Apache-2.0
#include "runtime/container/state_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "runtime/container/record.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/pidfd.h"
#include "sys/process_stat.h"
#include "sys/transient_error.h"
#include "sys/tree.h"

namespace minirun {
namespace {

constexpr const char* kRecordName = "state.json";
constexpr size_t kMaxRecordBytes = 1 << 20;
constexpr const char* kConfigName = "config.json";
constexpr size_t kMaxConfigBytes = 64 << 20;

Result<uint64_t> read_stat_field(pid_t pid, int number) {
  auto field = stat_field(TRY(read_stat(pid)), number);
  return field ? Result<uint64_t>(*field) : fail(EINVAL, "read /proc/{}/stat", pid);
}

Result<uint64_t> read_pidfd_inode(int pidfd) {
  constexpr long kPidfsMagic = 0x50494446;  // before Linux 6.9 all pidfds share one anonymous inode
  struct statfs filesystem {};
  struct stat facts {};
  if (fstatfs(pidfd, &filesystem) < 0) return fail(errno, "statfs of a pidfd");
  if (filesystem.f_type != kPidfsMagic) return uint64_t{0};
  if (fstat(pidfd, &facts) < 0) return fail(errno, "stat of a pidfd");
  return uint64_t{facts.st_ino};
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy = UniqueFd::duplicate(fd);
  if (!copy) return fail(errno, "duplicate a descriptor");
  return copy;
}

}  // namespace

Result<ProcessIdentity> ProcessIdentity::of(pid_t pid, int pidfd) {
  return ProcessIdentity{pid, TRY(read_stat_field(pid, kStatStartTime)), TRY(read_pidfd_inode(pidfd))};
}

bool is_exiting(pid_t pid) {
  constexpr uint64_t kExiting = 4;  // PF_EXITING in include/linux/sched.h
  auto flags = read_stat_field(pid, kStatFlags);
  return flags.ok() ? (*flags & kExiting) != 0 : !is_transient(flags.error().code);
}

Result<void> check_id(const std::string& id) {
  auto letter = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
  auto allowed = [&](char c) { return letter(c) || c == '_' || c == '+' || c == '.' || c == '-'; };
  bool good =
      !id.empty() && id.size() <= 255 && (letter(id[0]) || id[0] == '_') && std::all_of(id.begin(), id.end(), allowed);
  if (good) return {};
  return fail(ErrorKind::usage,
              "invalid container id: 1 to 255 of A-Z a-z 0-9 _ + . -, the first a letter, a digit or _");
}

Result<UniqueFd> open_state_root(const std::string& path, bool make) {
  auto fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (!fd.ok() && fd.error().code == ENOENT && make) {
    // Also makes missing parents, as on a fresh host.
    for (size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
      if (mkdir(path.substr(0, slash).c_str(), 0755) < 0 && errno != EEXIST)
        return fail(errno, "mkdir {}", path.substr(0, slash));
    if (mkdir(path.c_str(), 0700) < 0 && errno != EEXIST) return fail(errno, "mkdir {}", path);
    fd = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  }
  if (!fd.ok()) return wrap(fd.error(), "state root");
  struct stat facts {};
  if (fstat(fd->get(), &facts) < 0) return fail(errno, "stat {}", path);
  if (facts.st_uid != geteuid() || (facts.st_mode & 022) != 0) {
    return fail(ErrorKind::host,
                "state root {}: must belong to uid {} and be writable by that user alone (owner {}, mode {:04o})", path,
                geteuid(), facts.st_uid, facts.st_mode & 07777);
  }
  return fd;
}

static Error no_container() {
  return fail(ErrorKind::state, ENOENT, "container does not exist");
}

bool is_no_container(const Error& error) {
  return error.kind == ErrorKind::state && error.code == ENOENT;
}

Result<UniqueFd> open_existing_root(const std::string& state_root) {
  auto root = open_state_root(state_root, false);
  if (!root.ok() && root.error().code == ENOENT) return no_container();
  return root;
}

Result<StateDirectory> StateDirectory::claim(int root_fd, const std::string& id) {
  UniqueFd root = TRY(duplicate(root_fd));
  if (mkdirat(root_fd, id.c_str(), 0700) < 0) {
    if (errno == EEXIST) return fail(ErrorKind::state, "container with given ID already exists");
    return in_state_directory(root_fd, fail(errno, "mkdir {}", id));
  }
  auto fd = open_at(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd.ok()) {
    (void)unlinkat(root_fd, id.c_str(), AT_REMOVEDIR);  // made above, empty
    return fd.error();
  }
  StateDirectory claimed(std::move(root), id, std::move(fd).value(), true);
  TRY(claimed.lock());
  return claimed;
}

Result<StateDirectory> StateDirectory::open(int root_fd, const std::string& id) {
  auto fd = open_at(root_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!fd.ok() && fd.error().code == ENOENT) return no_container();
  if (!fd.ok()) return fd.error();
  return StateDirectory(TRY(duplicate(root_fd)), id, std::move(fd).value(), false);
}

StateDirectory::StateDirectory(StateDirectory&& other) noexcept
    : root_(std::move(other.root_)),
      id_(std::move(other.id_)),
      fd_(std::move(other.fd_)),
      owned_(std::exchange(other.owned_, false)) {}

Result<void> StateDirectory::lock(std::chrono::milliseconds longest) const {
  auto deadline = std::chrono::steady_clock::now() + longest;
  for (auto pause = std::chrono::milliseconds(1); syscall(SYS_flock, fd_.get(), LOCK_EX | LOCK_NB) < 0; pause *= 2) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail(errno, "lock the state directory");
    if (std::chrono::steady_clock::now() > deadline)
      return fail(ErrorKind::busy, "another minirun command is working on this container");
    std::this_thread::sleep_for(std::min(pause, std::chrono::milliseconds(20)));
  }
  struct stat facts {};
  if (fstat(fd_.get(), &facts) < 0) return fail(errno, "stat the state directory");
  return facts.st_nlink > 0 ? Result<void>() : no_container();
}

void StateDirectory::unlock() const {
  (void)syscall(SYS_flock, fd_.get(), LOCK_UN);
}

StateDirectory::~StateDirectory() {
  if (owned_) (void)remove();  // after an error, which is reported
}

Error in_state_directory(int dirfd, Error error) {
  struct statfs facts {};
  bool no_inodes = error.code == ENOSPC && fstatfs(dirfd, &facts) == 0 && facts.f_files > 0 && facts.f_ffree == 0;
  if (no_inodes) error.message += " (no inode is free)";
  return wrap(std::move(error), "state directory");
}

Result<void> StateDirectory::write(const ContainerRecord& record) const {
  auto written = replace_file(fd_.get(), kRecordName, record_to_json(record), 0600);
  return written.ok() ? written : in_state_directory(fd_.get(), written.error());
}

Result<ContainerRecord> StateDirectory::read() const {
  // Something else may be in its place: a FIFO must not block minirun, nor a link lead to another record.
  UniqueFd fd = TRY(open_at(fd_.get(), kRecordName, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  struct stat facts {};
  if (fstat(fd.get(), &facts) < 0) return fail(errno, "stat {}", kRecordName);
  if (S_ISDIR(facts.st_mode)) return fail(EISDIR, "read {}", kRecordName);
  if (!S_ISREG(facts.st_mode)) return fail(EINVAL, "read {}: not a file", kRecordName);
  std::string text = TRY(read_all(fd.get(), kMaxRecordBytes, kRecordName));
  auto record = record_from_json(text);
  if (!record.ok()) return wrap(record.error(), kRecordName);
  return record;
}

Result<void> StateDirectory::write_config(std::string_view text) const {
  auto fd = open_at(fd_.get(), kConfigName, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  auto written = fd.ok() ? write_all(fd->get(), text, "the copy of config.json") : Result<void>(fd.error());
  return written.ok() ? written : in_state_directory(fd_.get(), written.error());
}

Result<std::string> StateDirectory::read_config() const {
  auto text = read_file(fd_.get(), kConfigName, kMaxConfigBytes);
  if (!text.ok()) return wrap(text.error(), "the container's copy of config.json");
  return text;
}

std::optional<std::string> StateDirectory::other_owner(const std::string& cgroup_path) const {
  auto ids = list_ids(root_.get());
  if (!ids.ok()) return std::nullopt;
  for (const std::string& id : *ids) {
    if (id == id_) continue;
    auto other = open(root_.get(), id);
    if (!other.ok()) continue;  // gone meanwhile
    auto record = other->read();
    if (record.ok() && record->cgroup.path == cgroup_path) return id;
  }
  return std::nullopt;
}

Result<std::string> StateDirectory::mark() const {
  struct stat facts {};
  if (fstat(root_.get(), &facts) < 0) return fail(errno, "stat the state root");
  return fmt::format("{} {}:{}", id_, facts.st_dev, facts.st_ino);
}

Result<void> StateDirectory::remove() {
  owned_ = false;
  auto removed = remove_below(fd_.get(), kRecordName);
  if (removed.ok()) removed = remove_entry(fd_.get(), kRecordName);
  if (!removed.ok()) return wrap(removed.error(), "remove the state directory of " + id_);
  if (unlinkat(root_.get(), id_.c_str(), AT_REMOVEDIR) < 0 && errno != ENOENT)
    return fail(errno, "remove the state directory of {}", id_);
  fd_.reset();
  return {};
}

Result<std::vector<std::string>> list_ids(int root_fd) {
  std::vector<std::string> ids;
  auto read = for_each_entry(root_fd, ".", [&](const dirent& entry) -> Result<bool> {
    std::string name = static_cast<const char*>(entry.d_name);
    if (check_id(name).ok()) ids.push_back(std::move(name));
    return true;
  });
  if (!read.ok()) return wrap(read.error(), "list the containers of the state root");
  std::sort(ids.begin(), ids.end());
  return ids;
}

Result<UniqueFd> open_process(const ContainerRecord& record, const ProcessIdentity& wanted) {
  if (wanted.pid <= 1 || record.boot_id != TRY(current_boot_id())) return fail(ENOENT, "no process");
  auto opened = open_pidfd(wanted.pid);
  if (!opened.ok() && opened.error().code == ESRCH) return fail(ENOENT, "pidfd_open {}", wanted.pid);
  UniqueFd pidfd = TRY(std::move(opened));
  auto found = ProcessIdentity::of(wanted.pid, pidfd.get());
  // Reaped since it was opened.
  if (!found.ok() && (found.error().code == ENOENT || found.error().code == ESRCH)) return fail(ENOENT, "no process");
  if (!found.ok()) return found.error();
  bool same = found->start_ticks == wanted.start_ticks && found->pidfd_inode == wanted.pidfd_inode;
  if (!same) return fail(ENOENT, "no process");
  return pidfd;
}

Result<std::string> current_boot_id() {
  std::string id = TRY(read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 64));
  while (!id.empty() && id.back() == '\n') id.pop_back();
  return id;
}

}  // namespace minirun
