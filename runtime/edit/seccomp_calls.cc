// SPDX-License-Identifier: Apache-2.0
// Sorted by what each call gives access to: the manual pages of section 2, the permission checks in the kernel's
// source, and arch/x86/entry/syscalls/syscall_{64,32}.tbl.
#include "runtime/edit/seccomp_calls.h"

namespace minirun {
namespace {

using enum SeccompDecision;

constexpr SeccompGroup kGroups[] = {
    {"open files and descriptors", allowed, "",
     "access close close_range creat dup dup2 dup3 faccessat faccessat2 fcntl fcntl64 flock ioctl lseek _llseek open "
     "openat openat2 pipe pipe2 umask"},
    {"read and write", allowed, "",
     "copy_file_range fadvise64 fadvise64_64 fallocate fdatasync fsync pread64 preadv preadv2 pwrite64 pwritev "
     "pwritev2 read readahead readv sendfile sendfile64 splice sync sync_file_range syncfs tee vmsplice write writev"},
    {"file names, owners and times", allowed, "",
     "chdir chmod chown chown32 fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat ftruncate ftruncate64 "
     "futimesat getcwd getdents getdents64 lchown lchown32 link linkat mkdir mkdirat mknod mknodat readdir readlink "
     "readlinkat rename renameat renameat2 rmdir symlink symlinkat truncate truncate64 unlink unlinkat utime utimensat "
     "utimensat_time64 utimes"},
    {"what a file is", allowed, "",
     "cachestat file_getattr file_setattr fstat fstat64 fstatat64 fstatfs fstatfs64 listmount lstat lstat64 "
     "name_to_handle_at newfstatat oldfstat oldlstat oldstat stat stat64 statfs statfs64 statmount statx"},
    {"extended attributes", allowed, "",
     "fgetxattr flistxattr fremovexattr fsetxattr getxattr getxattrat lgetxattr listxattr listxattrat llistxattr "
     "lremovexattr lsetxattr removexattr removexattrat setxattr setxattrat"},
    {"waiting for events", allowed, "",
     "_newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old "
     "eventfd eventfd2 fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch poll ppoll "
     "ppoll_time64 pselect6 pselect6_time64 select signalfd signalfd4"},
    {"asynchronous I/O of the old kind", allowed, "",
     "io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit"},
    {"memory", allowed, "",
     "brk madvise map_shadow_stack memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap "
     "mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect process_mrelease remap_file_pages"},
    {"processes and threads", allowed, "",
     "execve execveat exit exit_group fork getcpu getpid getppid gettid membarrier pidfd_open restart_syscall rseq "
     "set_tid_address vfork wait4 waitid waitpid"},
    {"thread areas and descriptor tables of x86", allowed, "", "arch_prctl get_thread_area modify_ldt set_thread_area"},
    {"locks between threads", allowed, "",
     "futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list set_robust_list"},
    {"signals", allowed, "",
     "kill pause pidfd_send_signal rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn "
     "rt_sigsuspend "
     "rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sgetmask sigaction sigaltstack signal sigpending "
     "sigprocmask sigreturn sigsuspend ssetmask tgkill tkill"},
    {"probes that the kernel puts into programs", allowed, "", "uprobe uretprobe"},
    {"other processes of the same user, where ptrace(2) may reach them", allowed, "",
     "process_vm_readv process_vm_writev ptrace"},
    {"ids, sessions and capabilities", allowed, "",
     "capget capset getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp "
     "getresgid "
     "getresgid32 getresuid getresuid32 getsid getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 "
     "setgroups setgroups32 setpgid setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid "
     "setreuid32 setsid setuid setuid32"},
    {"restricting oneself", allowed, "",
     "landlock_add_rule landlock_create_ruleset landlock_restrict_self lsm_get_self_attr lsm_list_modules "
     "lsm_set_self_attr prctl seccomp"},
    {"priorities and resource limits", allowed, "",
     "getpriority getrlimit getrusage ioprio_get ioprio_set nice prlimit64 sched_get_priority_max "
     "sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval "
     "sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield "
     "setpriority setrlimit ugetrlimit"},
    {"clocks and timers; setting a clock needs a capability of the kernel's own", allowed, "",
     "adjtimex alarm clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 "
     "clock_nanosleep clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete "
     "timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime "
     "timerfd_gettime64 timerfd_settime timerfd_settime64 times"},
    {"sockets, once they are made", allowed, "",
     "accept accept4 bind connect getpeername getsockname getsockopt listen recvfrom recvmmsg recvmmsg_time64 recvmsg "
     "sendmmsg sendmsg sendto setsockopt shutdown socketpair"},
    {"System V and POSIX message queues, semaphores and shared memory", allowed, "",
     "ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 "
     "mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt "
     "shmget"},
    {"facts about the system, and random numbers", allowed, "", "getrandom oldolduname olduname sysinfo uname"},

    {"files by handle, past the permissions of directories", with_capability, "CAP_DAC_READ_SEARCH",
     "open_by_handle_at"},
    {"namespaces and mounts", with_capability, "CAP_SYS_ADMIN",
     "fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root setns umount "
     "umount2 unshare"},
    {"names, quotas and watching whole filesystems", with_capability, "CAP_SYS_ADMIN",
     "fanotify_init lookup_dcookie quotactl quotactl_fd setdomainname sethostname"},
    {"programs in the kernel", with_capability, "CAP_SYS_ADMIN CAP_BPF", "bpf"},
    {"performance counters", with_capability, "CAP_SYS_ADMIN CAP_PERFMON", "perf_event_open"},
    {"the kernel's log", with_capability, "CAP_SYS_ADMIN CAP_SYSLOG", "syslog"},
    {"restarting the machine", with_capability, "CAP_SYS_BOOT", "reboot"},
    {"another root directory", with_capability, "CAP_SYS_CHROOT", "chroot"},
    {"kernel modules", with_capability, "CAP_SYS_MODULE", "delete_module finit_module init_module"},
    {"memory nodes", with_capability, "CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"},
    {"process accounting", with_capability, "CAP_SYS_PACCT", "acct"},
    {"inside other processes", with_capability, "CAP_SYS_PTRACE", "kcmp pidfd_getfd process_madvise"},
    {"I/O ports", with_capability, "CAP_SYS_RAWIO", "ioperm iopl"},
    {"setting the clock", with_capability, "CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"},
    {"hanging up a terminal", with_capability, "CAP_SYS_TTY_CONFIG", "vhangup"},

    {"new processes: not in new namespaces", conditional, "", "clone clone3"},
    {"the personality: not without address randomization", conditional, "", "personality"},
    {"new sockets: not of AF_VSOCK, which reaches the hypervisor", conditional, "", "socket socketcall"},

    {"io_uring: its operations pass no filter, and it had many holes", denied, "",
     "io_uring_enter io_uring_register io_uring_setup"},
    {"keyrings: the kernel does not separate them by container", denied, "", "add_key keyctl request_key"},
    {"another kernel", denied, "", "kexec_file_load kexec_load"},
    {"page faults handled by programs, which make races in the kernel easy to win", denied, "", "userfaultfd"},
    {"memory of other processes moved between nodes", denied, "", "migrate_pages move_pages"},
    {"the host's swap", denied, "", "swapoff swapon"},
    {"real mode of the 8086", denied, "", "vm86 vm86old"},
    {"the namespaces of the host, as a list", denied, "", "listns"},
    {"obsolete: the kernel has it no more, or no program should", denied, "",
     "_sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx nfsservctl prof "
     "profil putpmsg query_module security stty sysfs tuxcall ulimit uselib ustat vserver"},
};

}  // namespace

std::span<const SeccompGroup> seccomp_groups() {
  return kGroups;
}

}  // namespace minirun
