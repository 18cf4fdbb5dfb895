// SPDX-License-Identifier: Apache-2.0
#include "runtime/resources/kept_changes.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>

#include "runtime/text/random_id.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/fnv1a.h"
#include "sys/kernel_abi.h"
#include "sys/tree.h"

namespace minirun {
namespace {

constexpr const char* kOption = "--keep-changes";
constexpr const char* kLower = "lower";
constexpr const char* kWorkdir = "work";
constexpr const char* kNew = "new";  // DIR before it has its name

// Of a fixed length, whatever the name of DIR has in it.
std::string work_name(const ChangesRecord& record) {
  return fmt::format(".minirun-work-{:016x}", fnv1a(record.name));
}
std::string own_name(const ChangesRecord& record) {
  return work_name(record) + "-" + record.mark;
}
std::string path_in(const ChangesRecord& record) {
  return (record.folder == "/" ? "/" : record.folder + "/") + record.name;
}

// By a path that had no links when it was recorded: one that has some by now leads elsewhere.
Result<UniqueFd> open_folder(const ChangesRecord& record) {
  abi::OpenHow how{O_PATH | O_DIRECTORY | O_CLOEXEC, 0, abi::kResolveNoSymlinks};
  UniqueFd fd(static_cast<int>(syscall(SYS_openat2, AT_FDCWD, record.folder.c_str(), &how, sizeof how)));
  if (!fd) return fail(errno, "open {}", record.folder);
  return fd;
}

Result<std::string> resolved(const std::string& path) {
  char real[PATH_MAX];
  if (realpath(path.c_str(), real) == nullptr) return fail(errno, "{} {}", kOption, path);
  return std::string(real);
}

// Splits an absolute path without links.
void take_place(const std::string& path, ChangesRecord* record) {
  size_t slash = path.rfind('/');
  record->folder = slash == 0 ? "/" : path.substr(0, slash);
  record->name = path.substr(slash + 1);
}

// DIR does not exist, but its folder must.
Result<void> find_folder(std::string path, ChangesRecord* record) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  struct stat facts {};
  if (lstat(path.c_str(), &facts) == 0)
    return fail(ErrorKind::usage, "{} {}: must be a directory, or not exist: found a symbolic link to nothing", kOption,
                path);
  size_t slash = path.rfind('/');
  record->name = slash == path.npos ? path : path.substr(slash + 1);
  if (record->name.size() > NAME_MAX) return fail(ENAMETOOLONG, "{} {}", kOption, path);
  record->folder = TRY(resolved(slash == path.npos ? "." : slash == 0 ? "/" : path.substr(0, slash)));
  record->made = true;
  return {};
}

bool is_inside(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

Result<bool> is_empty(int dirfd) {
  bool empty = true;
  TRY(for_each_entry(dirfd, ".", [&](const dirent&) -> Result<bool> { return empty = false; }));
  return empty;
}

Error not_empty(const std::string& path) {
  return fail(ErrorKind::usage, "{} {}: must be empty, or not exist: it would become a part of the container's root",
              kOption, path);
}

Result<uint64_t> mount_of(int dirfd) {
  struct statx facts {};
  if (statx(dirfd, "", AT_EMPTY_PATH, STATX_MNT_ID, &facts) < 0) return fail(errno, "statx");
  return facts.stx_mnt_id;
}

Result<void> survey_existing(const std::string& path, ChangesRecord* record) {
  auto opened = open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened.ok()) return wrap(opened.error(), kOption);
  UniqueFd directory = std::move(opened).value();
  UniqueFd folder = TRY(open_at(AT_FDCWD, record->folder, O_PATH | O_DIRECTORY));
  if (!TRY(is_empty(directory.get()))) return not_empty(path);
  if (TRY(mount_of(directory.get())) != TRY(mount_of(folder.get())))
    return fail(ErrorKind::usage, "{} {}: must not be a mount point, but can be a directory in it", kOption, path);
  for (const char* list : {"system.posix_acl_access", "system.posix_acl_default"}) {
    if (fgetxattr(directory.get(), list, nullptr, 0) >= 0)
      return fail(ErrorKind::usage, "{} {}: must have no access control list: found {}", kOption, path, list);
    if (errno != ENODATA && errno != EOPNOTSUPP) return fail(errno, "read {} of {}", list, path);
  }
  struct stat facts {};
  if (fstat(directory.get(), &facts) < 0) return fail(errno, "stat {}", path);
  record->mode = facts.st_mode & 07777;
  record->uid = facts.st_uid == geteuid() ? kOwnerOfMinirun : facts.st_uid;
  record->gid = facts.st_gid == getegid() ? kOwnerOfMinirun : facts.st_gid;
  return {};
}

}  // namespace

Result<ChangesRecord> survey_changes(const std::string& directory, const std::string& rootfs) {
  ChangesRecord record;
  record.mark = TRY(make_up_id());
  auto real = resolved(directory);
  if (real.ok())
    take_place(*real, &record);
  else if (real.error().code != ENOENT || directory.empty())
    return real.error();
  else
    TRY(find_folder(directory, &record));
  const std::string path = path_in(record), image = TRY(resolved(rootfs));
  if (is_inside(path, image) || is_inside(image, path))
    return fail(ErrorKind::usage, "{} {}: must be outside the rootfs {}, and the rootfs outside it", kOption, path,
                image);
  if (!record.made) TRY(survey_existing(path, &record));
  return record;
}

Result<bool> KeptChanges::has(const std::string& path) const {
  struct stat facts {};
  if (fstatat(folder_.get(), path.c_str(), &facts, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  return fail(errno, "stat {}/{}", record_.folder, path);
}

// Takes its place with the rename: a directory with something in it cannot be replaced.
Result<void> KeptChanges::make_work() {
  const std::string own = own_name(record_), work = work_name(record_);
  if (mkdirat(folder_.get(), own.c_str(), 0700) < 0) return fail(errno, "make a work directory in {}", record_.folder);
  work_ = TRY(open_at(folder_.get(), own, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  for (const std::string& name : {record_.mark, std::string(kWorkdir), std::string(kLower), std::string(kNew)})
    if (mkdirat(work_.get(), name.c_str(), 0700) < 0)
      return fail(errno, "make a directory in {}/{}", record_.folder, own);
  if (renameat(folder_.get(), own.c_str(), folder_.get(), work.c_str()) == 0) return {};
  if (errno != EEXIST && errno != ENOTEMPTY) return fail(errno, "rename {}/{}", record_.folder, own);
  return fail(ErrorKind::state,
              "another container keeps its changes in {}, or its minirun was killed (`minirun delete` then removes its "
              "work directory, {}/{})",
              path_in(record_), record_.folder, work);
}

Result<void> KeptChanges::make_directory() {
  const std::string made = work_name(record_) + "/" + kNew;
  if (record_.made && renameat2(folder_.get(), made.c_str(), folder_.get(), record_.name.c_str(), RENAME_NOREPLACE) < 0)
    return fail(errno, "make {}", path_in(record_));
  upper_ = TRY(open_at(folder_.get(), record_.name, O_PATH | O_DIRECTORY | O_NOFOLLOW));
  if (record_.made) return {};
  if (!TRY(is_empty(upper_.get()))) return not_empty(path_in(record_));
  // From here on what is in it is the container's: see undo().
  if (unlinkat(folder_.get(), made.c_str(), AT_REMOVEDIR) < 0) return fail(errno, "remove {}/{}", record_.folder, made);
  return {};
}

Result<KeptChanges> KeptChanges::make(const ChangesRecord& record) {
  KeptChanges changes(record);
  auto made = [&]() -> Result<void> {
    changes.folder_ = TRY(open_folder(record));
    TRY(changes.make_work());
    return changes.make_directory();
  }();
  if (made.ok()) return changes;
  auto undone = changes.undo();
  return wrap(undone.ok() ? made.error() : with_hint(made.error(), undone.error().text()), kOption);
}

ChangesPlace KeptChanges::place() const {
  return {upper_.get(), work_.get(), work_name(record_), kWorkdir, kLower};
}

Result<void> KeptChanges::remove() {
  upper_.reset();
  work_.reset();
  if (!folder_) {
    auto folder = open_folder(record_);
    const int code = folder.ok() ? 0 : folder.error().code;
    if (code == ENOENT || code == ENOTDIR || code == ELOOP) return {};  // moved away, with all that is in it
    folder_ = TRY(std::move(folder));
  }
  const std::string own = own_name(record_), work = work_name(record_);
  if (TRY(has(work + "/" + record_.mark)) && renameat(folder_.get(), work.c_str(), folder_.get(), own.c_str()) < 0)
    return fail(errno, "rename {}/{}", record_.folder, work);
  // Usually all are empty. So it needs no descriptor, which minirun may lack, nor rights to the kernel's own directory,
  // whose mode is 0; what stays is seen below.
  for (const std::string& name :
       {fmt::format("/{0}/{0}", kWorkdir), fmt::format("/{}", kWorkdir), fmt::format("/{}", kLower),
        fmt::format("/{}", kNew), "/" + record_.mark, std::string()})
    (void)unlinkat(folder_.get(), (own + name).c_str(), AT_REMOVEDIR);
  auto removed = remove_entry(folder_.get(), own);
  return removed.ok() ? removed : wrap(removed.error(), fmt::format("remove {}/{}", record_.folder, own));
}

// Of a container that never ran: mount points and the like are in it.
Result<void> KeptChanges::empty_directory() const {
  auto opened = open_at(folder_.get(), record_.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!opened.ok()) return opened.error().code == ENOENT ? Result<void>() : Result<void>(opened.error());
  TRY(remove_below(opened->get()));
  for (const char* list : {"system.posix_acl_access", "system.posix_acl_default"})
    if (fremovexattr(opened->get(), list) < 0 && errno != ENODATA && errno != EOPNOTSUPP)
      return fail(errno, "remove {} of {}", list, path_in(record_));
  uid_t uid = record_.uid == kOwnerOfMinirun ? geteuid() : record_.uid;
  gid_t gid = record_.gid == kOwnerOfMinirun ? getegid() : record_.gid;
  struct stat facts {};
  if (fstat(opened->get(), &facts) < 0) return fail(errno, "stat {}", path_in(record_));
  if ((facts.st_uid != uid || facts.st_gid != gid) && fchown(opened->get(), uid, gid) < 0)
    return fail(errno, "give {} its owner back", path_in(record_));
  if (fchmod(opened->get(), record_.mode) < 0) return fail(errno, "give {} its mode back", path_in(record_));
  return {};
}

Result<void> KeptChanges::undo() {
  upper_.reset();
  if (!folder_) {
    auto folder = open_folder(record_);
    if (!folder.ok()) return remove();
    folder_ = std::move(folder).value();
  }
  const std::string work = work_name(record_);
  // Before both it has not touched DIR, or DIR is another container's.
  if (TRY(has(work + "/" + record_.mark)) && !TRY(has(work + "/" + kNew))) {
    auto undone = record_.made ? remove_entry(folder_.get(), record_.name) : empty_directory();
    if (!undone.ok()) return wrap(undone.error(), fmt::format("undo {} {}", kOption, path_in(record_)));
  }
  return remove();
}

}  // namespace minirun
