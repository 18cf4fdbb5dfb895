// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/calls.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace minirun::testing {
namespace {

// Numbers that are newer than the headers of some.
constexpr long kOpenTreeAttr = 467;
constexpr long kStatmount = 457;
constexpr long kListmount = 458;
constexpr long kFchmodat2 = 452;

const std::vector<CallFacts>& table() {
  static const std::vector<CallFacts> kTable = {
      // Files: whatever reads a disk can fail with EIO, whatever takes memory with ENOMEM.
      {SYS_read, "read", {EIO, EINTR}},
      {SYS_pread64, "pread64", {EIO, EINTR}},
      {SYS_write, "write", {EIO, ENOSPC, EINTR}},
      {SYS_writev, "writev", {EIO, ENOSPC}},
      {SYS_pwrite64, "pwrite64", {EIO, ENOSPC}},
      {SYS_open, "open", {EIO, EMFILE, ENOMEM, EINTR}},
      {SYS_openat, "openat", {EIO, ENOSPC, EMFILE, ENOMEM, EINTR}},
      {SYS_openat2, "openat2", {EIO, EMFILE, ENOMEM, EAGAIN, EINTR}, true},
      {SYS_close, "close", {EIO, EINTR}},
      {SYS_close_range, "close_range", {ENOMEM}, true},
      {SYS_stat, "stat", {EIO, ENOMEM}},
      {SYS_lstat, "lstat", {EIO, ENOMEM}},
      {SYS_fstat, "fstat", {EIO}},
      {SYS_newfstatat, "newfstatat", {EIO, ENOMEM}},
      {SYS_statx, "statx", {EIO, ENOMEM}, true},
      {SYS_fstatfs, "fstatfs", {EIO, ENOMEM}},
      {SYS_statfs, "statfs", {EIO, ENOMEM}},
      {SYS_access, "access", {EIO, ENOMEM}},
      {SYS_faccessat, "faccessat", {EIO, ENOMEM}},
      {SYS_faccessat2, "faccessat2", {EIO, ENOMEM}, true},
      {SYS_readlink, "readlink", {EIO, ENOMEM}},
      {SYS_readlinkat, "readlinkat", {EIO, ENOMEM}},
      {SYS_getdents64, "getdents64", {EIO, ENOMEM}},
      {SYS_getcwd, "getcwd", {ENOMEM}},
      {SYS_chdir, "chdir", {EIO, ENOMEM}},
      {SYS_fchdir, "fchdir", {EIO}},
      {SYS_chroot, "chroot", {EIO, ENOMEM}},
      {SYS_lseek, "lseek", {}},
      {SYS_flock, "flock", {ENOMEM, EAGAIN, EINTR}},
      {SYS_fcntl, "fcntl", {EMFILE}},  // F_SETFD: EPERM, as a filter around minirun refuses
      {SYS_dup, "dup", {EMFILE}},
      {SYS_dup2, "dup2", {}},
      {SYS_dup3, "dup3", {}},
      {SYS_ioctl, "ioctl", {EIO, ENOMEM}},
      {SYS_mkdir, "mkdir", {EIO, ENOSPC, ENOMEM}},
      {SYS_mkdirat, "mkdirat", {EIO, ENOSPC, ENOMEM}},
      {SYS_mknodat, "mknodat", {EIO, ENOSPC, ENOMEM}},
      {SYS_symlinkat, "symlinkat", {EIO, ENOSPC, ENOMEM}},
      {SYS_unlink, "unlink", {EIO, ENOMEM}},
      {SYS_unlinkat, "unlinkat", {EIO, ENOMEM}},
      {SYS_rmdir, "rmdir", {EIO, ENOMEM}},
      {SYS_rename, "rename", {EIO, ENOSPC, ENOMEM}},
      {SYS_renameat, "renameat", {EIO, ENOSPC, ENOMEM}},
      {SYS_renameat2, "renameat2", {EIO, ENOSPC, ENOMEM}},
      {SYS_linkat, "linkat", {EIO, ENOSPC, ENOMEM}},
      {SYS_ftruncate, "ftruncate", {EIO, ENOSPC, EINTR}},
      {SYS_fchmod, "fchmod", {EIO, ENOSPC}},
      {SYS_fchmodat, "fchmodat", {EIO, ENOSPC}},
      {kFchmodat2, "fchmodat2", {EIO, ENOSPC}, true},
      {SYS_fchown, "fchown", {EIO, ENOSPC}},
      {SYS_fchownat, "fchownat", {EIO, ENOSPC}},
      {SYS_utimensat, "utimensat", {EIO, ENOSPC}},
      {SYS_fsetxattr, "fsetxattr", {EIO, ENOSPC, ENOMEM}, true},
      {SYS_getxattr, "getxattr", {EIO, ENOMEM}, true},
      {SYS_fgetxattr, "fgetxattr", {EIO, ENOMEM}, true},
      {SYS_fremovexattr, "fremovexattr", {EIO, ENOSPC, ENOMEM}, true},
      {SYS_flistxattr, "flistxattr", {EIO, ENOMEM}, true},
      {SYS_sendfile, "sendfile", {EIO, ENOMEM, EINTR}},
      {SYS_copy_file_range, "copy_file_range", {EIO, ENOSPC, ENOMEM}, true},
      {SYS_fsync, "fsync", {EIO, ENOSPC}},
      {SYS_umask, "umask", {}},
      // Descriptors of other kinds.
      {SYS_pipe2, "pipe2", {EMFILE, ENOMEM}},
      {SYS_socket, "socket", {EMFILE, ENOMEM}},
      {SYS_socketpair, "socketpair", {EMFILE, ENOMEM}},
      {SYS_bind, "bind", {EIO, ENOSPC, ENOMEM}},
      {SYS_listen, "listen", {}},
      {SYS_accept4, "accept4", {EMFILE, ENOMEM, EINTR}},
      {SYS_connect, "connect", {ENOMEM, EAGAIN, EINTR}},
      {SYS_shutdown, "shutdown", {}},
      {SYS_sendto, "sendto", {ENOMEM, EINTR}},
      {SYS_sendmsg, "sendmsg", {ENOMEM, EINTR}},
      {SYS_recvfrom, "recvfrom", {ENOMEM, EINTR}},
      {SYS_recvmsg, "recvmsg", {EMFILE, ENOMEM, EINTR}},
      {SYS_setsockopt, "setsockopt", {ENOMEM}},
      {SYS_getsockopt, "getsockopt", {}},
      {SYS_getsockname, "getsockname", {}},
      {SYS_memfd_create, "memfd_create", {EMFILE, ENOMEM}, true},
      {SYS_signalfd4, "signalfd4", {EMFILE, ENOMEM}},
      {SYS_eventfd2, "eventfd2", {EMFILE, ENOMEM}},
      {SYS_pidfd_open, "pidfd_open", {EMFILE, ENOMEM}, true},
      {SYS_pidfd_getfd, "pidfd_getfd", {EMFILE, ENOMEM}, true},
      {SYS_pidfd_send_signal, "pidfd_send_signal", {ENOMEM}, true},
      {SYS_poll, "poll", {ENOMEM, EINTR}},
      {SYS_ppoll, "ppoll", {ENOMEM, EINTR}},
      // Mounts.
      {SYS_mount, "mount", {EIO, ENOSPC, ENOMEM}},
      {SYS_umount2, "umount2", {EIO, ENOMEM}},
      {SYS_pivot_root, "pivot_root", {ENOMEM}},
      {SYS_open_tree, "open_tree", {EIO, ENOSPC, EMFILE, ENOMEM}, true},
      {kOpenTreeAttr, "open_tree_attr", {EIO, ENOSPC, EMFILE, ENOMEM}, true},
      {SYS_move_mount, "move_mount", {EIO, ENOSPC, ENOMEM}, true},
      {SYS_fsopen, "fsopen", {EMFILE, ENOMEM}, true},
      {SYS_fsconfig, "fsconfig", {EIO, ENOSPC, ENOMEM, EINTR}, true},
      {SYS_fsmount, "fsmount", {EIO, ENOSPC, EMFILE, ENOMEM}, true},
      {SYS_fspick, "fspick", {EMFILE, ENOMEM}, true},
      {SYS_mount_setattr, "mount_setattr", {ENOMEM}, true},
      {kStatmount, "statmount", {ENOMEM}, true},
      {kListmount, "listmount", {ENOMEM}, true},
      // Processes.
      {SYS_clone, "clone", {ENOSPC, ENOMEM, EAGAIN}},
      {SYS_clone3, "clone3", {ENOSPC, EMFILE, ENOMEM, EAGAIN}, true},
      {SYS_fork, "fork", {ENOMEM, EAGAIN}},
      {SYS_vfork, "vfork", {ENOMEM, EAGAIN}},
      {SYS_execve, "execve", {EIO, EMFILE, ENOMEM, EAGAIN}},
      {SYS_execveat, "execveat", {EIO, EMFILE, ENOMEM, EAGAIN}, true},
      {SYS_unshare, "unshare", {ENOSPC, ENOMEM}, true},
      {SYS_setns, "setns", {ENOMEM}, true},
      {SYS_wait4, "wait4", {EINTR}},
      {SYS_waitid, "waitid", {EINTR}},
      {SYS_prctl, "prctl", {}},
      {SYS_prlimit64, "prlimit64", {}},
      {SYS_seccomp, "seccomp", {ENOMEM}, true},
      {SYS_bpf, "bpf", {EMFILE, ENOMEM, EAGAIN}, true},
      {SYS_keyctl, "keyctl", {ENOMEM}, true},
      {SYS_add_key, "add_key", {ENOMEM}, true},
      {SYS_capset, "capset", {}},
      {SYS_capget, "capget", {}},
      {SYS_setgroups, "setgroups", {ENOMEM}},
      {SYS_setresuid, "setresuid", {ENOMEM, EAGAIN}},
      {SYS_setresgid, "setresgid", {ENOMEM}},
      {SYS_setuid, "setuid", {ENOMEM, EAGAIN}},
      {SYS_setgid, "setgid", {ENOMEM}},
      {SYS_setsid, "setsid", {}},
      {SYS_setpgid, "setpgid", {}},
      {SYS_sethostname, "sethostname", {}},
      {SYS_setdomainname, "setdomainname", {}},
      {SYS_setpriority, "setpriority", {}},
      {SYS_ioprio_set, "ioprio_set", {ENOMEM}, true},
      {SYS_sched_setaffinity, "sched_setaffinity", {ENOMEM}},
      {SYS_sched_getaffinity, "sched_getaffinity", {}},
      {SYS_sched_setattr, "sched_setattr", {ENOMEM}},
      {SYS_sched_setscheduler, "sched_setscheduler", {ENOMEM}},
      {SYS_set_mempolicy, "set_mempolicy", {ENOMEM}, true},
      {SYS_personality, "personality", {}, true},
      {SYS_kill, "kill", {}},
      {SYS_tgkill, "tgkill", {}},
      {SYS_rt_sigqueueinfo, "rt_sigqueueinfo", {EAGAIN}},
      // Memory.
      {SYS_brk, "brk", {ENOMEM}},
      {SYS_mmap, "mmap", {ENOMEM}},
      {SYS_munmap, "munmap", {ENOMEM}},
      {SYS_mremap, "mremap", {ENOMEM}},
      {SYS_mprotect, "mprotect", {ENOMEM}},
      {SYS_madvise, "madvise", {ENOMEM}},
      {SYS_getrandom, "getrandom", {EINTR}, true},
      // These only query, or set the caller's own attributes.
      {SYS_getpid, "getpid", {}},
      {SYS_getppid, "getppid", {}},
      {SYS_gettid, "gettid", {}},
      {SYS_getuid, "getuid", {}},
      {SYS_geteuid, "geteuid", {}},
      {SYS_getgid, "getgid", {}},
      {SYS_getegid, "getegid", {}},
      {SYS_getgroups, "getgroups", {}},
      {SYS_getresuid, "getresuid", {}},
      {SYS_getresgid, "getresgid", {}},
      {SYS_getpgid, "getpgid", {}},
      {SYS_getsid, "getsid", {}},
      {SYS_uname, "uname", {}},
      {SYS_clock_gettime, "clock_gettime", {}},
      {SYS_timer_create, "timer_create", {EAGAIN, ENOMEM}},
      {SYS_timer_settime, "timer_settime", {}},
      {SYS_clock_nanosleep, "clock_nanosleep", {EINTR}},
      {SYS_nanosleep, "nanosleep", {EINTR}},
      {SYS_sched_yield, "sched_yield", {}},
      {SYS_rt_sigaction, "rt_sigaction", {}},
      {SYS_rt_sigpending, "rt_sigpending", {}},
      {SYS_rt_sigprocmask, "rt_sigprocmask", {}},
      {SYS_rt_sigreturn, "rt_sigreturn", {}},
      {SYS_rt_sigtimedwait, "rt_sigtimedwait", {EAGAIN, EINTR}},
      {SYS_sigaltstack, "sigaltstack", {}},
      {SYS_arch_prctl, "arch_prctl", {}},
      {SYS_set_tid_address, "set_tid_address", {}},
      {SYS_set_robust_list, "set_robust_list", {}},
      {SYS_rseq, "rseq", {}},
      {SYS_futex, "futex", {}},
      {SYS_restart_syscall, "restart_syscall", {}},
      {SYS_exit, "exit", {}},
      {SYS_exit_group, "exit_group", {}},
      {SYS_sysinfo, "sysinfo", {}},
  };
  return kTable;
}

bool makes_descriptor(const uint64_t* arguments) {
  return arguments[1] == F_DUPFD || arguments[1] == F_DUPFD_CLOEXEC;
}

}  // namespace

const CallFacts& call_of(long number) {
  for (const CallFacts& call : table())
    if (call.number == number) return call;
  (void)fprintf(stderr, "fault_sweep: system call %ld is not in the table of calls.cc\n", number);
  abort();
}

std::vector<int> errors_of(long number, const uint64_t* arguments) {
  std::vector<int> errors = call_of(number).errors;
  if (number == SYS_fcntl && arguments[1] == F_SETFD)
    errors = {EPERM};
  else if (number == SYS_fcntl && !makes_descriptor(arguments))
    errors.clear();
  if ((number == SYS_wait4 && (arguments[2] & WNOHANG) != 0) || (number == SYS_waitid && (arguments[3] & WNOHANG) != 0))
    errors.clear();  // waits for nothing
  if (number == SYS_openat && (arguments[2] & O_CREAT) == 0) std::erase(errors, ENOSPC);
  return errors;
}

}  // namespace minirun::testing
