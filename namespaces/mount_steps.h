// SPDX-License-Identifier: Apache-2.0
// The steps that build the container's file tree. Child side of clone: see executor.h for the rules.
//
// A path is resolved once, under the container's root, and used as a descriptor from there on; every mount is made
// detached, gets its flags, and only then is placed onto the descriptor of its target. So it never has the wrong
// flags, and nothing can be raced by a process that renames things in a shared directory (CVE-2021-30465).
#pragma once

#include "namespaces/root_steps.h"

namespace minirun {

template <class Kernel>
class MountSteps : public RootSteps<Kernel> {
 public:
  using Base = RootSteps<Kernel>;
  using Base::Base;

  // filesystem: a type of /proc/filesystems.
  long mount_new(const char* filesystem, const NewMount& wish, char* detail) {
    long context = this->call(__NR_fsopen, address(filesystem), abi::kFsopenCloexec);
    if (context < 0) return context;
    long rc = (wish.flags & kModeOfTarget) != 0 ? copy_mode(context, wish.target) : 0;
    return mount_context(rc, context, wish, kAnyFilesystem, detail);
  }

  // By a context that a process of the pid namespace has opened, or what its tracer has put in its place. So it has to
  // do what of all filesystems only procfs does: refuse this value of the parameter, which those that read their
  // parameters later accept, and take that one.
  long mount_proc(long context, const NewMount& wish, char* detail) {
    constexpr char kKey[] = "hidepid";
    long rc = this->call(__NR_fsconfig, descriptor(context), abi::kFsconfigSetString, address(kKey), address("?"), 0);
    this->explain(context, detail);
    detail[0] = '\0';
    rc = rc == -EINVAL
             ? this->call(__NR_fsconfig, descriptor(context), abi::kFsconfigSetString, address(kKey), address("0"), 0)
             : this->failed(__NR_fsconfig, rc < 0 ? rc : -EPERM);
    return mount_context(rc, context, wish, kProcfs, detail);
  }

  // set, clear: MOUNT_ATTR_* of the mount itself in the low half, of it and all below it in the high half.
  // propagation: MS_* with MS_REC to reach those below.
  long attach(long tree, const char* target, uint64_t set, uint64_t clear, uint64_t propagation, unsigned flags,
              char* detail) {
    long rc = this->change(tree, set, clear, propagation);
    if (rc < 0) return rc;
    FileFacts facts{};
    rc = this->stat(tree, &facts);
    if (rc >= 0) rc = place_on(tree, target, (facts.mode & kTypeMask) == kDirectoryType, flags, detail);
    if ((flags & kLast) != 0) this->close(tree);
    return rc;
  }

  // The same for what lies below a mount that an earlier step has placed. The path is config.json's word: no link is
  // followed, as a process that writes to that mount could lead it to what is masked elsewhere, and "" is the mount
  // itself. step: set, clear and propagation from its third argument on.
  long bind_own(long mount, const char* path, const char* target, const Step& step, char* detail) {
    long source = this->openat2(mount, path[0] == '\0' ? "." : path, abi::kOpenPath,
                                abi::kResolveBeneath | abi::kResolveNoSymlinks);
    if (source == -ELOOP) this->say(detail, "no symbolic link is followed below an earlier mount");
    if (source < 0) return source;
    long tree = this->clone_tree(source, (step.flags & kWithBelow) != 0 ? abi::kAtRecursive : 0);
    this->close(source);
    if (tree < 0) return tree;
    constexpr unsigned kOfTheTarget = kNotProcfs | kTargetItself;
    long rc = attach(tree, target, step.arg[2], step.arg[3], step.arg[4], step.flags & kOfTheTarget, detail);
    if (rc >= 0 && (step.flags & kKeep) != 0) return keep(tree);
    this->close(tree);
    return rc;
  }

  // The same for a mount that is there. mount: its descriptor; -1: what is at the path now.
  long set_attributes(const char* path, long mount, uint64_t set, uint64_t clear, uint64_t propagation) {
    long fd = mount >= 0 ? mount : this->resolve(path, 0);
    if (fd < 0) return fd;
    long rc = this->change(fd, set, clear, propagation);
    if (mount < 0) this->close(fd);
    return rc;
  }

  // Never by a path: in a volume that others write to it could lead to a filesystem of the host by now.
  long reconfigure(long mount, const char* parameters, uint64_t count, char* detail) {
    long context = this->call(__NR_fspick, descriptor(mount), address(""), abi::kFspickCloexec | abi::kFspickEmptyPath);
    if (context < 0) return context;
    long rc = this->configure(context, parameters, count, abi::kFsconfigReconfigure);
    if (rc < 0) this->explain(context, detail);
    this->close(context);
    return rc;
  }

  // Directories of the steps that follow (devices, links): made where missing.
  long directory(const char* path, char* detail) {
    this->close(directory_);
    directory_ = this->make_own_directory(path, detail);
    return directory_ < 0 ? directory_ : 0;
  }

  long device(const char* name, uint64_t mode, uint64_t number, uint64_t uid, uint64_t gid) {
    long rc = this->call(__NR_mknodat, descriptor(directory_), address(name), mode, number);
    if (rc == -EEXIST) return same_device(name, mode, number);
    if (rc < 0 || (uid == 0 && gid == 0)) return rc;
    return this->call(__NR_fchownat, descriptor(directory_), address(name), uid, gid, abi::kAtSymlinkNofollow);
  }

  // wanted: what has to be there with kOnlyIfTarget.
  long symlink(const char* target, const char* name, const char* wanted, unsigned flags) {
    if ((flags & kOnlyIfTarget) != 0) {
      long fd = this->openat2(this->root_, wanted, abi::kOpenPath | abi::kOpenNofollow, abi::kResolveInRoot);
      if (fd < 0) return fd == -ENOENT ? 0 : fd;
      this->close(fd);
    }
    long rc = this->call(__NR_symlinkat, address(target), descriptor(directory_), address(name));
    if (rc != -EEXIST) return rc;
    if ((flags & kReplace) == 0) return 0;  // the image has its own
    rc = this->call(__NR_unlinkat, descriptor(directory_), address(name), 0);
    if (rc < 0) return rc;
    return this->call(__NR_symlinkat, address(target), descriptor(directory_), address(name));
  }

  // A directory is hidden by an empty read-only one, a file by the host's /dev/null, which the parent has checked
  // (CVE-2025-31133: the container's own may be anything).
  long mask(const char* path, long null_device, unsigned flags, char* detail) {
    long target = this->resolve(path, 0);
    if (target < 0) return target;
    long rc = refuse_procfs(target, flags, detail);
    FileFacts facts{};
    if (rc >= 0) rc = this->stat(target, &facts);
    if (rc >= 0 && (facts.mode & kTypeMask) == kDirectoryType) {
      rc = this->cover_with_nothing(target);
    } else if (rc >= 0) {
      rc = this->cover(null_device, &null_device_placed_, target);
    }
    this->close(target);
    return rc;
  }

  long make_readonly(const char* path, unsigned flags, char* detail) {
    long target = this->resolve(path, 0);
    if (target < 0) return target;
    long rc = refuse_procfs(target, flags, detail);
    long tree = rc < 0 ? rc : this->clone_tree(target, abi::kAtRecursive);
    rc = tree;
    if (rc >= 0) rc = this->set_mount(tree, abi::kAtRecursive, abi::kMountAttrReadonly, 0, 0);
    if (rc >= 0) rc = this->place(tree, target);
    this->close(tree);
    this->close(target);
    return rc;
  }

  // Closed by the exec.
  long kept(uint64_t index) const { return index < kept_count_ ? kept_[index] : -EBADF; }

 private:
  static constexpr long kAnyFilesystem = 0;

  // rc: of what was done with the context before; closes it.
  long mount_context(long rc, long context, const NewMount& wish, long magic, char* detail) {
    if (rc >= 0) rc = this->configure(context, wish.parameters, wish.count, abi::kFsconfigCreate);
    long mount = rc;
    if (rc >= 0) mount = this->call(__NR_fsmount, descriptor(context), abi::kFsmountCloexec, wish.attributes);
    if (mount < 0) this->explain(context, detail);
    this->close(context);
    if (mount < 0) return mount;
    rc = magic == kAnyFilesystem ? magic : this->filesystem_of(mount);
    if (rc >= 0 && rc != magic) rc = this->failed(__NR_fstatfs, -EPERM);
    if (rc >= 0) rc = this->change(mount, 0, 0, wish.propagation & ~abi::kMsRecursive);  // a new mount has none below
    if (rc >= 0) rc = place_on(mount, wish.target, true, wish.flags | kOwnMount, detail);
    if (rc >= 0 && (wish.flags & kKeep) != 0) return keep(mount);
    this->close(mount);
    return rc;
  }

  long keep(long mount) {
    if (kept_count_ == kMostKept) return this->failed(__NR_fsmount, -EMFILE);
    kept_[kept_count_++] = mount;
    return 0;
  }

  // Without it a tmpfs is everybody's to write to. A directory that is not there yet has no mode to keep.
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

  // Only procfs itself and a few files may be mounted over or inside /proc. The parent has judged the path; a link of
  // the image could lead it there all the same, and what the container's tools take for the kernel's word with it.
  long refuse_procfs(long target, unsigned flags, char* detail) {
    if ((flags & kNotProcfs) == 0) return 0;
    long type = this->filesystem_of(target);
    if (type != kProcfs) return type < 0 ? type : 0;
    this->say(detail, "a symbolic link of the image leads it into /proc");
    return this->failed(__NR_fstatfs, -EPERM);
  }

  long place_on(long tree, const char* path, bool is_directory, unsigned flags, char* detail) {
    long target = open_target(path, is_directory, flags, detail);
    if (target < 0) return target;
    long rc = refuse_procfs(target, flags, detail);
    if (rc >= 0) rc = this->place(tree, target);
    FileFacts facts{};
    if (rc == -EINVAL && !is_directory && this->stat(target, &facts) >= 0 && (facts.mode & kTypeMask) == kDirectoryType)
      rc = this->failed(__NR_move_mount, -EISDIR);  // which move_mount(2) does not say
    this->close(target);
    return rc >= 0 && (flags & kOwnMount) != 0 ? this->own(tree) : rc;
  }

  long open_target(const char* path, bool is_directory, unsigned flags, char* detail) {
    if ((flags & kRealDirectory) != 0) {
      long fd = open_real_directory(path);
      if (fd != -ENOENT) return fd;
      fd = this->make_directory(path, detail);
      this->close(fd);
      return fd < 0 ? fd : open_real_directory(path);
    }
    if ((flags & kTargetItself) != 0) {
      long fd = this->resolve(path, abi::kOpenNofollow);
      if (fd != -ENOENT) return fd;
    }
    return is_directory ? this->make_directory(path, detail) : this->make_file(path, detail);
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
