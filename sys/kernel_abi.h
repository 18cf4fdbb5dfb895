// SPDX-License-Identifier: Apache-2.0
// Kernel interfaces that are younger than the headers of Debian 12 (6.1), or that glibc's headers and the kernel's
// define at odds. Values are the kernel's ABI (include/uapi/linux). Integers only: the init program includes this.
#pragma once

#include <stdint.h>

namespace minirun::abi {

// open_tree(2), fsopen(2), fsmount(2), move_mount(2), mount_setattr(2), openat2(2)
constexpr unsigned kOpenTreeClone = 1;
constexpr unsigned kOpenTreeNamespace = 2;  // Linux 7.0: returns a mount namespace made from the tree alone
constexpr unsigned kCloexec = 02000000;     // OPEN_TREE_CLOEXEC == O_CLOEXEC
constexpr unsigned kOpenPath = 010000000;   // O_PATH
constexpr unsigned kOpenCreate = 0100;      // O_CREAT
constexpr unsigned kOpenExclusive = 0200;   // O_EXCL
constexpr unsigned kOpenNoctty = 0400;      // O_NOCTTY
constexpr unsigned kOpenWriteOnly = 1;
constexpr unsigned kOpenReadWrite = 2;
#if defined(__aarch64__)
constexpr unsigned kOpenDirectory = 040000;  // O_DIRECTORY
constexpr unsigned kOpenNofollow = 0100000;  // O_NOFOLLOW
#else
constexpr unsigned kOpenDirectory = 0200000;
constexpr unsigned kOpenNofollow = 0400000;
#endif
constexpr int kAtCwd = -100;
constexpr unsigned kAtSymlinkNofollow = 0x100;
constexpr unsigned kAtRecursive = 0x8000;
constexpr unsigned kAtEmptyPath = 0x1000;
constexpr unsigned kFsopenCloexec = 1;
constexpr unsigned kFsmountCloexec = 1;
constexpr unsigned kFspickCloexec = 1;
constexpr unsigned kFspickEmptyPath = 8;
constexpr unsigned kMoveMountFromEmptyPath = 0x04;
constexpr unsigned kMoveMountToEmptyPath = 0x40;
constexpr unsigned kMoveMountSetGroup = 0x100;  // Linux 5.15
constexpr unsigned kFsconfigSetFlag = 0;
constexpr unsigned kFsconfigSetString = 1;
constexpr unsigned kFsconfigSetFd = 5;
constexpr unsigned kFsconfigCreate = 6;
constexpr unsigned kFsconfigReconfigure = 7;

constexpr uint64_t kMountAttrReadonly = 0x1;
constexpr uint64_t kMountAttrNosuid = 0x2;
constexpr uint64_t kMountAttrNodev = 0x4;
constexpr uint64_t kMountAttrNoexec = 0x8;
constexpr uint64_t kMountAttrAtimeMask = 0x70;  // to clear before any of the next three is set
constexpr uint64_t kMountAttrRelatime = 0x00;
constexpr uint64_t kMountAttrNoatime = 0x10;
constexpr uint64_t kMountAttrStrictatime = 0x20;
constexpr uint64_t kMountAttrNodiratime = 0x80;
constexpr uint64_t kMountAttrIdmap = 0x100000;
constexpr uint64_t kMountAttrNosymfollow = 0x200000;  // Linux 5.14

struct MountAttributes {  // struct mount_attr, MOUNT_ATTR_SIZE_VER0
  uint64_t set;
  uint64_t clear;
  uint64_t propagation;
  uint64_t user_namespace;
};

struct OpenHow {  // struct open_how
  uint64_t flags;
  uint64_t mode;
  uint64_t resolve;
};
constexpr uint64_t kResolveNoXdev = 0x01;
constexpr uint64_t kResolveNoMagiclinks = 0x02;
constexpr uint64_t kResolveNoSymlinks = 0x04;
constexpr uint64_t kResolveBeneath = 0x08;
constexpr uint64_t kResolveInRoot = 0x10;

// mount(2) flags, also mount_setattr's propagation
constexpr uint64_t kMsRecursive = 1 << 14;
constexpr uint64_t kMsUnbindable = 1 << 17;
constexpr uint64_t kMsPrivate = 1 << 18;
constexpr uint64_t kMsSlave = 1 << 19;
constexpr uint64_t kMsShared = 1 << 20;

constexpr uint64_t kCloneIntoCgroup = 0x200000000;  // CLONE_INTO_CGROUP (Linux 5.7)

struct CloneArguments {  // struct clone_args, CLONE_ARGS_SIZE_VER2 (Linux 5.7)
  uint64_t flags;
  uint64_t pidfd;
  uint64_t child_tid;
  uint64_t parent_tid;
  uint64_t exit_signal;
  uint64_t stack;
  uint64_t stack_size;
  uint64_t tls;
  uint64_t set_tid;
  uint64_t set_tid_size;
  uint64_t cgroup;
};

// ioprio_set(2). In linux/ioprio.h a parameter is named "class" since an update of Linux 6.1: not C++.
constexpr int kIoprioClassRealTime = 1;
constexpr int kIoprioClassBestEffort = 2;
constexpr int kIoprioClassIdle = 3;
constexpr unsigned kIoprioClassShift = 13;

constexpr unsigned kMfdCloexec = 1;
constexpr unsigned kMfdAllowSealing = 2;
constexpr unsigned kMfdNoexecSeal = 0x08;  // Linux 6.3; EINVAL before
constexpr unsigned kMfdExec = 0x10;        // Linux 6.3; EINVAL before

struct PidfdInfo {  // struct pidfd_info, PIDFD_INFO_SIZE_VER0 (Linux 6.13)
  uint64_t mask;
  uint64_t cgroup_id;
  uint32_t pid, tgid, ppid;
  uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  int32_t exit_code;  // as of waitpid(2); with kPidfdInfoExit in the mask that comes back
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr unsigned kPidfdGetInfo = 0xc040ff0b;         // _IOWR(0xff, 11, struct pidfd_info)
constexpr uint64_t kPidfdInfoExit = uint64_t{1} << 3;  // Linux 6.15

}  // namespace minirun::abi
