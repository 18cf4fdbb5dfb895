// SPDX-License-Identifier: Apache-2.0
// The steps that make the container's file tree the root of the process. Child side of clone: see executor.h for the
// rules.
#pragma once

#include "namespaces/path_steps.h"

namespace minirun {

template <class Kernel>
class RootSteps : public PathSteps<Kernel> {
 public:
  using Base = PathSteps<Kernel>;
  using Base::Base;

  // Puts the tree at a path of this mount namespace ("/": on top of the root) and enters it: from here on it is the
  // container's root, though the host's still exists. propagation: applied to the host's mounts first, with MS_REC if
  // they are copies, since a shared mount would propagate to the host.
  long place_root(const steps::PlaceRoot& step) {
    return place_root_at(this->slot(step.tree), this->text(step.path), step.propagation);
  }
  long place_root_at(long tree, const char* path, Propagation propagation) {
    long rc = this->call(__NR_mount, 0, address("/"), 0, propagation.value, 0);
    if (rc < 0) return rc;
    // A clone is still a peer of what it was made from: as a slave it sends nothing back to the host (and pivot_root(2)
    // takes no shared mount).
    rc = change(tree, kSlaves);
    if (rc < 0) return rc;
    rc = this->call(__NR_move_mount, descriptor(tree), address(""), descriptor(abi::kAtCwd), address(path),
                    abi::kMoveMountFromEmptyPath);
    if (rc >= 0) rc = this->call(__NR_fchdir, descriptor(tree));
    this->root_ = tree;
    return rc < 0 ? rc : this->own(tree);
  }

  // Drops the host's tree.
  long pivot() {
    long rc = this->call(__NR_fchdir, descriptor(this->root_));
    if (rc < 0) return rc;
    // pivot_root(".", "."): the old root ends up on top of the new one, and the detached unmount takes it all away
    // (pivot_root(2), NOTES).
    rc = this->call(__NR_pivot_root, address("."), address("."));
    if (rc < 0) return rc;
    constexpr unsigned kDetach = 2;
    rc = this->call(__NR_umount2, address("."), kDetach);
    if (rc < 0) return rc;
    return open_root();
  }

  // Moves a root from elsewhere to "/", where processes that join the mount namespace later arrive (setns(2)).
  long cover_root() {
    long rc = this->call(__NR_move_mount, descriptor(this->root_), address(""), descriptor(abi::kAtCwd), address("/"),
                         abi::kMoveMountFromEmptyPath);
    return rc < 0 ? rc : 0;
  }

  // Covers a procfs or sysfs of the host's tree, which stays beneath, with an empty directory. path: a mount point
  // there, resolved from the root that this process still has.
  long hide(const steps::Hide& step) {
    long target =
        this->openat2(abi::kAtCwd, this->text(step.path), abi::kOpenPath | abi::kOpenDirectory | abi::kOpenNofollow,
                      abi::kResolveNoSymlinks | abi::kResolveNoMagiclinks);
    if (target < 0) return target;
    long type = this->filesystem_of(target);
    long rc = type;
    if (type >= 0 && type != kProcfs && type != kSysfs) {
      this->say("another mount covers the way to it, so that it would stay visible to the kernel");
      rc = this->failed(__NR_fstatfs, -EBUSY);
    }
    if (rc >= 0) rc = cover_with_nothing(target);
    this->close(target);
    return rc;
  }

  // For a container without a mount namespace: mounts nothing, and leaves the host's mounts alone.
  long take_root(const steps::TakeRoot& step) {
    this->root_ = this->slot(step.directory);
    return this->own(this->root_);
  }

  // For a root that cannot be pivoted away (an initramfs, or that of a joined mount namespace, which other processes
  // use): the old tree stays beneath, unreachable by path.
  long change_root() {
    long rc = this->call(__NR_fchdir, descriptor(this->root_));
    if (rc >= 0) rc = this->call(__NR_chroot, address("."));
    return rc < 0 ? rc : open_root();
  }

  // Linux 7.0: the mount namespace holds the rootfs and nothing of the host.
  long enter(const steps::Enter& step) {
    constexpr unsigned kNewNs = 0x00020000;
    long rc = this->call(__NR_setns, descriptor(this->slot(step.mount_namespace)), kNewNs);
    if (rc >= 0) rc = open_root();
    if (rc >= 0) rc = this->own(this->root_);
    return rc < 0 ? rc : change(this->root_, kSlaves);
  }

  // Takes this process's root as the container's, and opens its directory.
  long open_root() {
    this->root_ = this->call(__NR_openat, descriptor(abi::kAtCwd), address("/"),
                             abi::kOpenPath | abi::kOpenDirectory | abi::kCloexec);
    return this->root_ < 0 ? this->root_ : this->call(__NR_chdir, address("/"));
  }

 protected:
  static constexpr MountChange kSlaves{.propagation = abi::kMsSlave | abi::kMsRecursive};

  // First the recursive changes, then the mount's own, which may differ.
  long change(long fd, const MountChange& wish) {
    uint32_t type = wish.propagation.value & ~static_cast<uint32_t>(abi::kMsRecursive);
    bool below = type != wish.propagation.value;
    uint32_t set = wish.set.value, clear = wish.clear.value;
    uint32_t set_below = wish.set_below.value, clear_below = wish.clear_below.value;
    long rc = 0;
    if (set_below != 0 || clear_below != 0 || (below && type != 0))
      rc = this->set_mount(fd, abi::kAtRecursive, set_below, clear_below, below ? type : 0);
    if (rc >= 0 && (set != 0 || clear != 0 || (!below && type != 0)))
      rc = this->set_mount(fd, 0, set, clear, below ? 0 : type);
    return rc < 0 ? rc : 0;
  }

  // Covers it with a directory that stays empty and read-only.
  long cover_with_nothing(long target) {
    long rc = empty_directory_ < 0 ? make_empty_directory() : 0;
    return rc < 0 ? rc : cover(empty_directory_, &empty_directory_placed_, target);
  }

  // The first use places the mount itself: before Linux 6.15 a detached mount cannot be cloned, a placed one can.
  long cover(long source, bool* placed, long target) {
    if (!*placed) {
      long rc = this->place(source, target);
      *placed = rc >= 0;
      return rc;
    }
    long tree = this->clone_tree(source, 0);
    if (tree < 0) return tree;
    long rc = this->place(tree, target);
    this->close(tree);
    return rc;
  }

  long make_empty_directory() {
    long context = this->call(__NR_fsopen, address("tmpfs"), abi::kFsopenCloexec);
    if (context < 0) return context;
    long rc = this->configure(context, "nr_inodes\0=1\0ro\0", 2, abi::kFsconfigCreate);
    if (rc >= 0) {
      rc = empty_directory_ =
          this->call(__NR_fsmount, descriptor(context), abi::kFsmountCloexec,
                     abi::kMountAttrReadonly | abi::kMountAttrNosuid | abi::kMountAttrNodev | abi::kMountAttrNoexec);
    }
    this->close(context);
    return rc;
  }

  long empty_directory_ = -1;

 private:
  bool empty_directory_placed_ = false;
};

}  // namespace minirun
