// SPDX-License-Identifier: Apache-2.0
#include "runtime/edit/config_file.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "runtime/text/json.h"
#include "sys/file.h"

namespace minirun {
namespace {

constexpr const char* kChanged = "another program has changed it meanwhile: nothing is written";

// Signals that end a program by default and come from a terminal or a supervisor.
class EndingSignalsBlocked {
 public:
  EndingSignalsBlocked() {
    sigset_t ending;
    sigemptyset(&ending);
    for (int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&ending, signal);
    (void)sigprocmask(SIG_BLOCK, &ending, &before_);  // cannot fail with these arguments
  }
  ~EndingSignalsBlocked() { (void)sigprocmask(SIG_SETMASK, &before_, nullptr); }
  EndingSignalsBlocked(const EndingSignalsBlocked&) = delete;
  EndingSignalsBlocked& operator=(const EndingSignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

bool is_same_inode(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

}  // namespace

Result<ConfigFile> ConfigFile::open(const std::string& path, int64_t patience_ms) {
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  if (name.empty() || name == "." || name == "..")
    return fail(ErrorKind::usage, "--edit: must name a file: found {}", quoted(path));
  ConfigFile file(TRY(open_at(AT_FDCWD, folder, O_RDONLY | O_DIRECTORY)), std::move(name));
  const auto last = std::chrono::steady_clock::now() + std::chrono::milliseconds(patience_ms);
  for (;;) {
    auto locked = file.lock();
    if (!locked.ok()) return locked.error();
    if (*locked) break;
    if (std::chrono::steady_clock::now() >= last)
      return fail(ErrorKind::busy, "another program has held its lock for {} ms", patience_ms);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  TRY(file.read());
  return file;
}

// False: another program holds the lock, or has replaced the file since it was opened.
Result<bool> ConfigFile::lock() {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  auto opened = open_at(directory_.get(), name_, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!opened.ok() && opened.error().code == ELOOP)
    return fail(ErrorKind::usage, "it is a symbolic link: name the file that it leads to");
  file_ = TRY(std::move(opened));
  if (fstat(file_.get(), &info_) < 0) return fail(errno, "stat {}", name_);
  if (!S_ISREG(info_.st_mode)) return fail(ErrorKind::config, "not a regular file");
  if (syscall(SYS_flock, file_.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno == EWOULDBLOCK || errno == EINTR) return false;
    return fail(errno, "lock {}", name_);
  }
  struct stat now = {};
  if (fstat(file_.get(), &info_) < 0) return fail(errno, "stat {}", name_);
  if (fstatat(directory_.get(), name_.c_str(), &now, AT_SYMLINK_NOFOLLOW) < 0) return fail(errno, "stat {}", name_);
  return is_same_inode(info_, now);
}

Result<void> ConfigFile::read() {
  if (static_cast<uint64_t>(info_.st_size) > kMaxJsonBytes)
    return fail(ErrorKind::config, "{} bytes, more than the {} that minirun reads", info_.st_size, kMaxJsonBytes);
  text_ = TRY(read_all(file_.get(), kMaxJsonBytes, name_));
  return {};
}

bool ConfigFile::is_unchanged(const struct stat& info) const {
  return is_same_inode(info, info_) && info.st_size == info_.st_size && info.st_mtim.tv_sec == info_.st_mtim.tv_sec &&
         info.st_mtim.tv_nsec == info_.st_mtim.tv_nsec;
}

// Returns the new file, locked: once it has the old one's name, the next minirun locks it, and must not come before
// this one is done with both names.
Result<UniqueFd> ConfigFile::write_new(const std::string& temporary, std::string_view text, struct stat* made) const {
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  auto opened = open_at(directory_.get(), temporary, kFlags, 0600);
  if (!opened.ok() && opened.error().code == EEXIST) {  // of a killed minirun: no other one has the lock
    (void)unlinkat(directory_.get(), temporary.c_str(), 0);
    opened = open_at(directory_.get(), temporary, kFlags, 0600);
  }
  UniqueFd fd = TRY(std::move(opened));
  if (fstat(fd.get(), made) < 0) {
    const int code = errno;
    (void)unlinkat(directory_.get(), temporary.c_str(), 0);  // the first error is reported
    return fail(code, "stat {}", temporary);
  }
  if (syscall(SYS_flock, fd.get(), LOCK_EX | LOCK_NB) < 0) return fail(errno, "lock {}", temporary);
  TRY(write_all(fd.get(), text, temporary));
  bool same_owner = made->st_uid == info_.st_uid && made->st_gid == info_.st_gid;
  if (!same_owner && fchown(fd.get(), info_.st_uid, info_.st_gid) < 0)
    return fail(errno, "keep its owner {}:{}", info_.st_uid, info_.st_gid);
  if (fchmod(fd.get(), info_.st_mode & 07777) < 0) return fail(errno, "keep its mode {:o}", info_.st_mode & 07777);
  if (fsync(fd.get()) < 0) return fail(errno, "fsync {}", temporary);
  return fd;
}

// The exchange is atomic and takes nothing away, so a program that did not respect the lock loses nothing: if the file
// was not the one that minirun has read, both are exchanged back.
Result<void> ConfigFile::exchange(const std::string& temporary, const struct stat& made) const {
  const int dir = directory_.get();
  const char *from = temporary.c_str(), *to = name_.c_str();
  struct stat there = {};
  if (fstatat(dir, to, &there, AT_SYMLINK_NOFOLLOW) < 0) return fail(errno, "stat {}", name_);
  if (!is_unchanged(there)) return fail(ErrorKind::busy, "{}", kChanged);
  if (renameat2(dir, from, dir, to, RENAME_EXCHANGE) < 0) {
    // Not every filesystem can: rename(2), "EINVAL". What was just compared must do there.
    if (errno != EINVAL && errno != ENOSYS) return fail(errno, "exchange {} and {}", temporary, name_);
    if (renameat(dir, from, dir, to) < 0) return fail(errno, "rename {} to {}", temporary, name_);
    return {};
  }
  const int code = fstatat(dir, from, &there, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0;
  if (code == 0 && is_unchanged(there)) {
    if (unlinkat(dir, from, 0) < 0) return fail(errno, "remove the old text, {}", temporary);
    return {};
  }
  if (renameat2(dir, from, dir, to, RENAME_EXCHANGE) == 0 && fstatat(dir, from, &there, AT_SYMLINK_NOFOLLOW) == 0 &&
      is_same_inode(there, made))
    return code != 0 ? fail(code, "stat {}", temporary) : fail(ErrorKind::busy, "{}", kChanged);
  // It has changed it once more between both.
  const std::string saved = name_ + ".conflict";
  if (renameat2(dir, from, dir, saved.c_str(), RENAME_NOREPLACE) < 0)
    return fail(ErrorKind::busy, errno, "another program changes it too: save its text in {} as {}", temporary, saved);
  return fail(ErrorKind::busy, "another program changes it too: one of its texts is in {}", saved);
}

Result<void> ConfigFile::replace(std::string_view text) {
  EndingSignalsBlocked blocked;
  const std::string temporary = "." + name_ + ".minirun";
  struct stat made = {}, there = {};
  auto written = write_new(temporary, text, &made);  // locked until the end
  Result<void> done = written.ok() ? exchange(temporary, made) : Result<void>(written.error());
  if (done.ok() || made.st_ino == 0) return done;
  // What is there may be another program's text by now, which stays.
  bool own =
      fstatat(directory_.get(), temporary.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0 && is_same_inode(there, made);
  if (own) (void)unlinkat(directory_.get(), temporary.c_str(), 0);  // the first error is reported
  return done;
}

}  // namespace minirun
