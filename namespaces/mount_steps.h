// SPDX-License-Identifier: Apache-2.0
// The steps that build the container's file tree. Child side of clone: see executor.h for the rules.
//
// A path is resolved once, under the container's root, and used as a descriptor from there on; every mount is made
// detached, gets its flags, and only then is placed onto the descriptor of its target. So it never has the wrong flags,
// and a process that renames things in a shared directory wins no race (CVE-2021-30465).
#pragma once

#include "namespaces/root_steps.h"

namespace minirun {

template <class Kernel>
class MountSteps : public RootSteps<Kernel> {
 public:
  using Base = RootSteps<Kernel>;
  using Base::Base;

  long mount_new(const steps::MountNew& step) {
    long context = this->call(__NR_fsopen, address(this->text(step.filesystem)), abi::kFsopenCloexec);
    if (context < 0) return context;
    long rc = (step.mount.flags & kModeOfTarget) != 0 ? copy_mode(context, this->text(step.mount.target)) : 0;
    return mount_context(rc, context, step.mount, kAnyFilesystem);
  }

  // The context comes from a process in the pid namespace, so a tracer may have replaced it. Only procfs refuses the
  // first value of the parameter and accepts the second: filesystems that parse parameters later accept both.
  long mount_proc(const steps::MountProc& step) {
    constexpr char kKey[] = "hidepid";
    const long context = this->slot(step.context);
    long rc = this->call(__NR_fsconfig, descriptor(context), abi::kFsconfigSetString, address(kKey), address("?"), 0);
    this->explain(context);
    this->say_nothing();
    rc = rc == -EINVAL
             ? this->call(__NR_fsconfig, descriptor(context), abi::kFsconfigSetString, address(kKey), address("0"), 0)
             : this->failed(__NR_fsconfig, rc < 0 ? rc : -EPERM);
    return mount_context(rc, context, step.mount, kProcfs);
  }

  long attach(const steps::Attach& step) {
    return attach_tree(this->slot(step.tree), this->text(step.target), step.change, step.flags);
  }

  long attach_tree(long tree, const char* target, const MountChange& change, unsigned flags) {
    long rc = this->change(tree, change);
    if (rc < 0) return rc;
    FileFacts facts{};
    rc = this->stat(tree, &facts);
    if (rc >= 0) rc = place_on(tree, target, (facts.mode & kTypeMask) == kDirectoryType, flags);
    if ((flags & kLast) != 0) this->close(tree);
    return rc;
  }

  // The same for a path below a mount that an earlier step placed. It follows no link: a process that writes to that
  // mount could lead it to what is masked elsewhere. "" is the mount itself.
  long bind_own(const steps::BindOwn& step) {
    const char* path = this->text(step.source) + step.below;
    long source = this->openat2(placed(step.mount), path[0] == '\0' ? "." : path, abi::kOpenPath,
                                abi::kResolveBeneath | abi::kResolveNoSymlinks);
    if (source == -ELOOP) this->say("no symbolic link is followed below an earlier mount");
    if (source < 0) return source;
    long tree = this->clone_tree(source, (step.flags & kWithBelow) != 0 ? abi::kAtRecursive : 0);
    this->close(source);
    if (tree < 0) return tree;
    constexpr unsigned kOfTheTarget = kNotProcfs | kTargetItself;
    long rc = attach_tree(tree, this->text(step.target), step.change, step.flags & kOfTheTarget);
    if (rc >= 0 && (step.flags & kKeep) != 0) return keep(tree);
    this->close(tree);
    return rc;
  }

  // The same for an existing mount.
  long set_attributes(const steps::SetAttributes& step) {
    const bool known = step.mount.by != PlacedBy::none;
    long fd = known ? placed(step.mount) : this->resolve(this->text(step.path), 0);
    if (fd < 0) return fd;
    long rc = this->change(fd, step.change);
    if (!known) this->close(fd);
    return rc;
  }

  // Never by a path: in a volume that others write to, it could by now lead to a filesystem of the host.
  long reconfigure(const steps::Reconfigure& step) {
    long context = this->call(__NR_fspick, descriptor(placed(step.mount)), address(""),
                              abi::kFspickCloexec | abi::kFspickEmptyPath);
    if (context < 0) return context;
    long rc = this->configure(context, this->text(step.parameters), step.parameters.count, abi::kFsconfigReconfigure);
    if (rc < 0) this->explain(context);
    this->close(context);
    return rc;
  }

  // Makes the missing directories for the following steps (devices, links).
  long directory(const steps::Directory& step) {
    this->close(directory_);
    directory_ = this->make_own_directory(this->text(step.path));
    return directory_ < 0 ? directory_ : 0;
  }

  long device(const steps::Device& step) {
    const uint64_t name = address(this->text(step.name)), directory = descriptor(directory_);
    long rc = this->call(__NR_mknodat, directory, name, step.mode.value, step.number.value);
    if (rc == -EEXIST) return same_device(this->text(step.name), step.mode.value, step.number.value);
    if (rc < 0 || (step.uid == 0 && step.gid == 0)) return rc;
    return this->call(__NR_fchownat, directory, name, step.uid, step.gid, abi::kAtSymlinkNofollow);
  }

  long symlink(const steps::Symlink& step) {
    const char* target = this->text(step.target);
    const char* name = this->text(step.name);
    if ((step.flags & kOnlyIfTarget) != 0) {
      const char* wanted = step.wanted.at == kNoText ? target : this->text(step.wanted);
      long fd = this->openat2(this->root_, wanted, abi::kOpenPath | abi::kOpenNofollow, abi::kResolveInRoot);
      if (fd < 0) return fd == -ENOENT ? 0 : fd;
      this->close(fd);
    }
    long rc = this->call(__NR_symlinkat, address(target), descriptor(directory_), address(name));
    if (rc != -EEXIST) return rc;
    if ((step.flags & kReplace) == 0) return 0;  // the image has its own
    rc = this->call(__NR_unlinkat, descriptor(directory_), address(name), 0);
    if (rc < 0) return rc;
    return this->call(__NR_symlinkat, address(target), descriptor(directory_), address(name));
  }

  // Hides a directory behind an empty read-only one, and a file behind the host's /dev/null, which the parent has
  // checked (CVE-2025-31133: the container's own may be anything).
  long mask(const steps::Mask& step) { return tolerated(mask_path(step), step.flags); }
  long make_readonly(const steps::MakeReadonly& step) { return tolerated(protect_path(step), step.flags); }

 private:
  static constexpr long kAnyFilesystem = 0;

  static long tolerated(long rc, unsigned flags) {
    bool missing = rc == -ENOENT || rc == -ENOTDIR;
    return missing && (flags & kTolerateMissing) != 0 ? 0 : rc;
  }

  // The exec closes those that are kept.
  long placed(PlacedMount mount) const {
    if (mount.by == PlacedBy::slot) return this->slot({mount.number});
    if (mount.by == PlacedBy::none) return -1;
    return mount.number < kept_count_ ? kept_[mount.number] : -EBADF;
  }

  long mask_path(const steps::Mask& step) {
    long target = this->resolve(this->text(step.path), 0);
    if (target < 0) return target;
    long rc = refuse_procfs(target, step.flags);
    FileFacts facts{};
    if (rc >= 0) rc = this->stat(target, &facts);
    if (rc >= 0 && (facts.mode & kTypeMask) == kDirectoryType) {
      rc = this->cover_with_nothing(target);
    } else if (rc >= 0) {
      rc = this->cover(this->slot(step.null_device), &null_device_placed_, target);
    }
    this->close(target);
    return rc;
  }

  long protect_path(const steps::MakeReadonly& step) {
    long target = this->resolve(this->text(step.path), 0);
    if (target < 0) return target;
    long rc = refuse_procfs(target, step.flags);
    long tree = rc < 0 ? rc : this->clone_tree(target, abi::kAtRecursive);
    rc = tree;
    if (rc >= 0) rc = this->set_mount(tree, abi::kAtRecursive, abi::kMountAttrReadonly, 0, 0);
    if (rc >= 0) rc = this->place(tree, target);
    this->close(tree);
    this->close(target);
    return rc;
  }

  // rc: the result of the earlier calls on the context, which this closes.
  long mount_context(long rc, long context, const NewMount& wish, long magic) {
    if (rc >= 0)
      rc = this->configure(context, this->text(wish.parameters), wish.parameters.count, abi::kFsconfigCreate);
    long mount = rc;
    if (rc >= 0) mount = this->call(__NR_fsmount, descriptor(context), abi::kFsmountCloexec, wish.attributes.value);
    if (mount < 0) this->explain(context);
    this->close(context);
    if (mount < 0) return mount;
    rc = magic == kAnyFilesystem ? magic : this->filesystem_of(mount);
    if (rc >= 0 && rc != magic) rc = this->failed(__NR_fstatfs, -EPERM);
    constexpr uint64_t kBelow = abi::kMsRecursive;  // a new mount has none below
    if (rc >= 0) rc = this->change(mount, {.propagation = wish.propagation.value & ~kBelow});
    if (rc >= 0) rc = place_on(mount, this->text(wish.target), true, wish.flags | kOwnMount);
    if (rc >= 0 && (wish.flags & kKeep) != 0) return keep(mount);
    this->close(mount);
    return rc;
  }

  long keep(long mount) {
    if (kept_count_ == kMostKept) return this->failed(__NR_fsmount, -EMFILE);
    kept_[kept_count_++] = mount;
    return 0;
  }

  // Without a mode, every user may write to a tmpfs. A missing directory has no mode to keep.
  long copy_mode(long context, const char* target) {
    long fd = this->resolve(target, abi::kOpenDirectory);
    if (fd < 0) return fd == -ENOENT ? 0 : fd;
    FileFacts facts{};
    long rc = this->stat(fd, &facts);
    this->close(fd);
    if (rc < 0) return rc;
    char octal[5];
    for (unsigned i = 0; i < 4; i++) octal[i] = static_cast<char>('0' + ((facts.mode >> (9 - 3 * i)) & 7));
    octal[4] = '\0';
    return this->call(__NR_fsconfig, descriptor(context), abi::kFsconfigSetString, address("mode"), address(octal), 0);
  }

  // Only procfs itself and a few files may be mounted over or inside /proc. The parent has checked the path, but a link
  // of the image could still lead it there, and fake what the container's tools read from the kernel.
  long refuse_procfs(long target, unsigned flags) {
    if ((flags & kNotProcfs) == 0) return 0;
    long type = this->filesystem_of(target);
    if (type != kProcfs) return type < 0 ? type : 0;
    this->say("a symbolic link of the image leads it into /proc");
    return this->failed(__NR_fstatfs, -EPERM);
  }

  long place_on(long tree, const char* path, bool is_directory, unsigned flags) {
    long target = open_target(path, is_directory, flags);
    if (target < 0) return target;
    long rc = refuse_procfs(target, flags);
    if (rc >= 0) rc = this->place(tree, target);
    FileFacts facts{};
    if (rc == -EINVAL && !is_directory && this->stat(target, &facts) >= 0 && (facts.mode & kTypeMask) == kDirectoryType)
      rc = this->failed(__NR_move_mount, -EISDIR);  // which move_mount(2) does not say
    this->close(target);
    return rc >= 0 && (flags & kOwnMount) != 0 ? this->own(tree) : rc;
  }

  long open_target(const char* path, bool is_directory, unsigned flags) {
    if ((flags & kRealDirectory) != 0) {
      long fd = open_real_directory(path);
      if (fd != -ENOENT) return fd;
      fd = this->make_directory(path);
      this->close(fd);
      return fd < 0 ? fd : open_real_directory(path);
    }
    if ((flags & kTargetItself) != 0) {
      long fd = this->resolve(path, abi::kOpenNofollow);
      if (fd != -ENOENT) return fd;
    }
    return is_directory ? this->make_directory(path) : this->make_file(path);
  }

  long open_real_directory(const char* path) {
    return this->openat2(this->root_, path, abi::kOpenPath | abi::kOpenDirectory,
                         abi::kResolveInRoot | abi::kResolveNoSymlinks);
  }

  long same_device(const char* name, uint64_t mode, uint64_t number) {
    long fd = this->call(__NR_openat, descriptor(directory_), address(name),
                         abi::kOpenPath | abi::kOpenNofollow | abi::kCloexec);
    if (fd < 0) return fd;
    FileFacts facts{};
    long rc = this->stat(fd, &facts);
    this->close(fd);
    if (rc < 0) return rc;
    // The kernel's encoding of a device number (new_encode_dev).
    uint64_t found = (facts.device_minor & 0xff) | (facts.device_major << 8) | ((facts.device_minor & ~0xffU) << 12);
    bool same = (facts.mode & kTypeMask) == (mode & kTypeMask) && found == number;
    return same ? 0 : -EEXIST;
  }

  static constexpr unsigned kMostKept = 64;
  long kept_[kMostKept];
  unsigned kept_count_ = 0;
  long directory_ = -1;
  bool null_device_placed_ = false;
};

}  // namespace minirun
