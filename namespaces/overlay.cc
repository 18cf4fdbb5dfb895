// SPDX-License-Identifier: Apache-2.0
#include "namespaces/overlay.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "namespaces/filesystem_log.h"
#include "namespaces/kernel.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/kernel_abi.h"

namespace minirun {
namespace {

constexpr const char* kFilesystems = "ext4, xfs, btrfs or tmpfs";

Error of_overlay_call(const char* call, Error error) {
  error.change_details().call = call;
  return error;
}

// What a helper process does to a filesystem context, with system calls alone.
struct Assembly {
  int context;
  int lower;    // a detached clone of the rootfs
  int upper;    // the directory of the changes
  int tmpfs;    // the detached mount that it is on; -1: a mount of this mount namespace
  bool places;  // in a copy of the mount namespace: before Linux 6.15 no detached mount can be a layer
  const char* lower_path;
  const char* work_path;
  const Parameters* parameters;
  long result;
  const char* call;
};

uint64_t pointer_to(const void* data) {
  return reinterpret_cast<uint64_t>(data);
}

long step(Assembly* assembly, const char* name, long number, uint64_t a = 0, uint64_t b = 0, uint64_t c = 0,
          uint64_t d = 0, uint64_t e = 0) {
  assembly->call = name;
  return assembly->result = RawKernel::call(number, a, b, c, d, e);
}

long configure(Assembly* assembly, unsigned command, const char* key, const char* value, int number = 0) {
  return step(assembly, "fsconfig", SYS_fsconfig, static_cast<uint64_t>(assembly->context), command, pointer_to(key),
              pointer_to(value), static_cast<uint64_t>(number));
}

// Makes the layers mounts of a copy of the mount namespace, which lasts as long as this process.
long place_layers(Assembly* assembly) {
  constexpr auto kHere = static_cast<uint64_t>(AT_FDCWD);
  if (step(assembly, "unshare", SYS_unshare, CLONE_NEWNS) < 0) return assembly->result;
  if (step(assembly, "mount", SYS_mount, 0, pointer_to("/"), 0, abi::kMsPrivate | abi::kMsRecursive) < 0)
    return assembly->result;
  if (assembly->tmpfs >= 0 && step(assembly, "move_mount", SYS_move_mount, static_cast<uint64_t>(assembly->tmpfs),
                                   pointer_to(""), kHere, pointer_to("/"), abi::kMoveMountFromEmptyPath) < 0)
    return assembly->result;
  return step(assembly, "move_mount", SYS_move_mount, static_cast<uint64_t>(assembly->lower), pointer_to(""), kHere,
              pointer_to(assembly->lower_path), abi::kMoveMountFromEmptyPath);
}

// Names the layers from the directory of the changes: so no path of the host is in the options, and no character in one
// needs an escape.
void name_layers(Assembly* assembly) {
  if (step(assembly, "fchdir", SYS_fchdir, static_cast<uint64_t>(assembly->upper)) < 0) return;
  if (assembly->places && place_layers(assembly) < 0) return;
  if (configure(assembly, abi::kFsconfigSetString, "source", "overlay") < 0) return;
  long rc = assembly->places
                ? configure(assembly, abi::kFsconfigSetString, "lowerdir", assembly->lower_path)
                : configure(assembly, abi::kFsconfigSetFd, "lowerdir+", nullptr, assembly->lower);  // Linux 6.13
  if (rc < 0 || configure(assembly, abi::kFsconfigSetString, "upperdir", ".") < 0) return;
  // Linux 6.6; otherwise it depends on the content of the layers, and may leave an attribute in the changes.
  if (!assembly->places && configure(assembly, abi::kFsconfigSetString, "uuid", "null") < 0) return;
  if (configure(assembly, abi::kFsconfigSetString, "workdir", assembly->work_path) < 0) return;
  for (const auto& [key, value] : *assembly->parameters) {
    bool flag = value.empty();
    rc = configure(assembly, flag ? abi::kFsconfigSetFlag : abi::kFsconfigSetString, key.c_str(),
                   flag ? nullptr : value.c_str() + 1);
    if (rc < 0) return;
  }
  (void)configure(assembly, abi::kFsconfigCreate, nullptr, nullptr);
}

// Runs in the memory and with the descriptors of this process, which is suspended meanwhile, but with a working
// directory of its own.
[[noreturn]] void assemble_and_end(void* pointer) {
  name_layers(static_cast<Assembly*>(pointer));
  RawKernel::exit(0);
}

Result<void> run_assembly(Assembly* assembly) {
  alignas(16) static char stack[32768];
  abi::CloneArguments arguments{};
  arguments.flags = CLONE_VM | CLONE_VFORK | CLONE_FILES;
  arguments.stack = pointer_to(stack);
  arguments.stack_size = sizeof stack;
  // Sends no SIGCHLD at its end, since other code waits for those.
  long pid = RawKernel::clone(&arguments, assemble_and_end, assembly);
  if (pid < 0) return of_overlay_call("clone3", fail(static_cast<int>(-pid), "clone3 to mount an overlay"));
  while (waitpid(static_cast<pid_t>(pid), nullptr, __WALL) < 0 && errno == EINTR) {
  }
  return {};
}

std::string log_of(int context) {
  char text[512];
  ssize_t n = read(context, text, sizeof text);
  return n > 0 ? ": " + filesystem_words({text, static_cast<size_t>(n)}) : "";
}

uint64_t attributes_like(const struct statvfs& facts) {
  uint64_t attributes = 0;
  for (auto [flag, attribute] : {std::pair(ST_NOSUID, abi::kMountAttrNosuid), std::pair(ST_NODEV, abi::kMountAttrNodev),
                                 std::pair(ST_NOEXEC, abi::kMountAttrNoexec)})
    if ((facts.f_flag & static_cast<unsigned>(flag)) != 0) attributes |= attribute;
  return attributes;
}

// Mounts the layers, with what the mount of the rootfs forbids (but a read-only one is what an overlay is for).
Result<UniqueFd> mount_overlay(Assembly assembly, int rootfs_fd) {
  struct statvfs facts {};
  if (fstatvfs(rootfs_fd, &facts) < 0) return fail(errno, "statfs the rootfs");
  std::string refusal;
  for (bool places : {false, true}) {
    UniqueFd context(static_cast<int>(syscall(SYS_fsopen, "overlay", abi::kFsopenCloexec)));
    if (!context) {
      Error error = of_overlay_call("fsopen", fail(errno, "fsopen overlay"));
      return with_hint(error, error.code == ENODEV ? "this kernel has no overlayfs: load its module, overlay" : "");
    }
    assembly.context = context.get();
    assembly.places = places;
    assembly.result = -ECHILD;
    TRY(run_assembly(&assembly));
    if (assembly.result >= 0) {
      auto mount = syscall(SYS_fsmount, context.get(), abi::kFsmountCloexec, attributes_like(facts));
      if (mount >= 0) return UniqueFd(static_cast<int>(mount));
      return of_overlay_call("fsmount", fail(errno, "fsmount overlay"));
    }
    refusal = log_of(context.get());
    // EOPNOTSUPP: no descriptor can be a parameter, before Linux 6.5. EINVAL: none can be a layer, before 6.13, or no
    // detached mount can, before 6.15; another reason for it comes again.
    if (assembly.result != -EOPNOTSUPP && assembly.result != -EINVAL) break;
  }
  return of_overlay_call(assembly.call, fail(static_cast<int>(-assembly.result), "mount the overlay{}", refusal));
}

Result<UniqueFd> make_tmpfs(uint64_t bytes) {
  UniqueFd context(static_cast<int>(syscall(SYS_fsopen, "tmpfs", abi::kFsopenCloexec)));
  if (!context) return of_overlay_call("fsopen", fail(errno, "fsopen tmpfs"));
  constexpr uint64_t kLeastFiles = 1024;
  const std::string size = std::to_string(bytes), files = std::to_string(std::max(bytes / 1024, kLeastFiles));
  auto set = [&](unsigned command, const char* key, const char* value) {
    return syscall(SYS_fsconfig, context.get(), command, key, value, 0) >= 0;
  };
  bool made = set(abi::kFsconfigSetString, "source", "minirun") && set(abi::kFsconfigSetString, "size", size.c_str()) &&
              set(abi::kFsconfigSetString, "nr_inodes", files.c_str()) &&
              set(abi::kFsconfigSetString, "mode", "0700") && set(abi::kFsconfigCreate, nullptr, nullptr);
  if (!made) {
    int code = errno;
    return of_overlay_call("fsconfig", fail(code, "make a tmpfs of {} bytes{}", bytes, log_of(context.get())));
  }
  auto mount = syscall(SYS_fsmount, context.get(), abi::kFsmountCloexec, uint64_t{0});
  if (mount < 0) return of_overlay_call("fsmount", fail(errno, "fsmount tmpfs"));
  return UniqueFd(static_cast<int>(mount));
}

bool in_user_namespace(const Source& source) {
  return std::any_of(source.parameters.begin(), source.parameters.end(),
                     [](const auto& parameter) { return parameter.first == "userxattr"; });
}

// work: a directory on the filesystem of the changes. The kernel itself only logs what is missing, and loses files
// later.
Result<void> check_attributes(int work, bool user, bool is_tmpfs) {
  UniqueFd fd(openat(work, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(errno, "open the work directory");
  const char* name = user ? "user.overlay.opaque" : "trusted.overlay.opaque";
  if (fsetxattr(fd.get(), name, "y", 1, 0) == 0) {
    if (fremovexattr(fd.get(), name) < 0) return fail(errno, "remove the attribute {}", name);
    return {};
  }
  if (errno != EOPNOTSUPP) return fail(errno, "set the attribute {}", name);
  if (user && is_tmpfs)
    return fail(ErrorKind::host, EOPNOTSUPP,
                "in a user namespace the changes need \"user.\" attributes, which tmpfs has since Linux 6.6 (with "
                "--keep-changes they can be on ext4, xfs or btrfs)");
  return fail(ErrorKind::host, EOPNOTSUPP, "the filesystem of the changes has no attribute {}: it can be {}", name,
              kFilesystems);
}

Result<void> check_whiteouts(int work, const std::string& known) {
  constexpr const char* kProbe = "whiteout";
  if (mknodat(work, kProbe, S_IFCHR, 0) < 0)
    return fail(errno, "the filesystem of the changes holds no whiteouts (it can be {})", kFilesystems);
  if (unlinkat(work, kProbe, 0) < 0) return fail(errno, "remove a whiteout");
  bool typed = false;
  TRY(for_each_entry(work, ".", [&](const dirent& entry) -> Result<bool> {
    if (entry.d_name != known) return true;
    typed = entry.d_type == DT_DIR;
    return false;
  }));
  if (typed) return {};
  return fail(ErrorKind::host, EOPNOTSUPP,
              "the filesystem of the changes has no types in its directories: it can be {}", kFilesystems);
}

Result<void> check_filesystem(const ChangesPlace& place, bool user) {
  struct statfs facts {};
  if (fstatfs(place.work, &facts) < 0) return fail(errno, "statfs the work directory");
  if (facts.f_type == OVERLAYFS_SUPER_MAGIC)
    return fail(ErrorKind::host, EINVAL, "the changes cannot be on an overlay: they can be on {}", kFilesystems);
  TRY(check_attributes(place.work, user, facts.f_type == TMPFS_MAGIC));
  return check_whiteouts(place.work, place.workdir);
}

// EOPNOTSUPP: a filesystem without lists. from: a path, as the directory itself may not be readable for this user.
Result<void> copy_access_list(const std::string& from, int to, const char* name) {
  std::array<char, 65536> value;  // XATTR_SIZE_MAX
  ssize_t length = getxattr(from.c_str(), name, value.data(), value.size());
  if (length < 0 && errno != ENODATA && errno != EOPNOTSUPP) return fail(errno, "read {} of the rootfs", name);
  if (length >= 0)
    return fsetxattr(to, name, value.data(), static_cast<size_t>(length), 0) == 0
               ? Result<void>()
               : Result<void>(fail(errno, "copy {} of the rootfs", name));
  if (fremovexattr(to, name) == 0 || errno == ENODATA || errno == EOPNOTSUPP) return {};
  return fail(errno, "remove {}", name);
}

// The overlay's root has the attributes of the upper directory.
Result<void> copy_root(int rootfs_fd, int upper_fd) {
  UniqueFd to(openat(upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!to) return fail(errno, "open the directory of the changes");
  struct stat facts {};
  if (fstat(rootfs_fd, &facts) < 0) return fail(errno, "stat the rootfs");
  // EINVAL: the user namespace has no such owner, so its root is it.
  if (fchown(to.get(), facts.st_uid, facts.st_gid) < 0 && errno != EINVAL)
    return fail(errno, "give the directory of the changes the owner of the rootfs");
  for (const char* name : {"system.posix_acl_access", "system.posix_acl_default"})
    TRY(copy_access_list(fmt::format("/proc/self/fd/{}", rootfs_fd), to.get(), name));
  if (fchmod(to.get(), facts.st_mode & 07777) < 0)
    return fail(errno, "give the directory of the changes the mode of the rootfs");
  const timespec times[] = {facts.st_atim, facts.st_mtim};
  if (futimens(to.get(), times) < 0) return fail(errno, "give the directory of the changes the times of the rootfs");
  return {};
}

// EINVAL from a clone: the rootfs has mounts below it that belong to the user namespace above (mount_namespaces(7)).
Result<UniqueFd> clone_lower(const Source& source, int rootfs_fd) {
  UniqueFd lower(
      static_cast<int>(syscall(SYS_open_tree, rootfs_fd, "", abi::kOpenTreeClone | abi::kAtEmptyPath | abi::kCloexec)));
  if (lower) return lower;
  int code = errno;
  Error error = of_overlay_call("open_tree", fail(code, "open_tree {}", source.path));
  return with_hint(error, code == EINVAL ? "an ordinary user's overlay can have no mounts below the rootfs" : "");
}

Result<UniqueFd> open_overlay_on(const Source& source, int rootfs_fd, const ChangesPlace& place, int tmpfs) {
  TRY(check_filesystem(place, in_user_namespace(source)));
  TRY(copy_root(rootfs_fd, place.upper));
  UniqueFd lower = TRY(clone_lower(source, rootfs_fd));
  const std::string beside = "../" + place.name + "/";
  const std::string lower_path = beside + place.lower, work_path = beside + place.workdir;
  Assembly assembly{};
  assembly.lower = lower.get();
  assembly.upper = place.upper;
  assembly.tmpfs = tmpfs;
  assembly.lower_path = lower_path.c_str();
  assembly.work_path = work_path.c_str();
  assembly.parameters = &source.parameters;
  return mount_overlay(assembly, rootfs_fd);
}

Result<UniqueFd> open_overlay_in_memory(const Source& source, int rootfs_fd) {
  UniqueFd tmpfs = TRY(make_tmpfs(source.detail));
  ChangesPlace place{-1, -1, "work", "work", "lower"};
  for (const char* name : {"changes", "work", "work/work", "work/lower"})
    if (mkdirat(tmpfs.get(), name, 0700) < 0) return fail(errno, "make a directory in the tmpfs of the changes");
  UniqueFd upper = TRY(open_at(tmpfs.get(), "changes", O_PATH | O_DIRECTORY));
  UniqueFd work = TRY(open_at(tmpfs.get(), place.name, O_PATH | O_DIRECTORY));
  place.upper = upper.get();
  place.work = work.get();
  return open_overlay_on(source, rootfs_fd, place, tmpfs.get());
}

}  // namespace

Result<UniqueFd> open_overlay(const Source& source, int rootfs_fd, const ChangesPlace& place) {
  auto opened =
      place.upper < 0 ? open_overlay_in_memory(source, rootfs_fd) : open_overlay_on(source, rootfs_fd, place, -1);
  return opened.ok() ? std::move(opened) : wrap(opened.error(), place.upper < 0 ? "--overlay" : "--keep-changes");
}

}  // namespace minirun
