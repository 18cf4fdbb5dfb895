// SPDX-License-Identifier: Apache-2.0
// floor: the kernel's share of one `run` of the default bundle, and nothing else. No JSON, no validation, no state
// directory, no seccomp, no device filter, no reports: what is left is what any runtime must ask of the kernel.
//
//   floor [-i] [-m BYTES] ROOTFS PROGRAM [ARGUMENT...]
//
// BYTES: its cgroup's memory.max. -i: PID 1 stays and waits for the program, as the plainest init does.
//
// It is the yardstick of bench/run, so it is written as plainly as it can be and is not tuned: a trick that makes
// minirun faster than this is a trick minirun has earned.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kFailed = 125 };
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

static void must(long result, const char* what) {
  if (result >= 0) return;
  fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
  _exit(kFailed);
}

static const unsigned long kSafe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

static void mount_file_systems(const char* rootfs) {
  static const struct {
    const char *type, *target;
    unsigned long flags;
    const char* options;
  } table[] = {
      {"proc", "proc", kSafe, NULL},
      {"tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"},
      {"devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
      {"tmpfs", "dev/shm", kSafe, "mode=1777,size=65536k"},
      {"mqueue", "dev/mqueue", kSafe, NULL},
      {"sysfs", "sys", kSafe | MS_RDONLY, NULL},
      {"cgroup2", "sys/fs/cgroup", kSafe | MS_RDONLY, NULL},
  };
  must(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL), "make / a slave");
  must(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), "bind the rootfs");
  must(chdir(rootfs), "enter the rootfs");
  for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
    if (strncmp(table[i].target, "dev/", 4) == 0) must(mkdir(table[i].target, 0755), table[i].target);
    must(mount(table[i].type, table[i].target, table[i].type, table[i].flags, table[i].options), table[i].target);
  }
}

static void fill_dev(void) {
  static const struct {
    const char* path;
    unsigned major, minor;
  } nodes[] = {{"dev/null", 1, 3},   {"dev/zero", 1, 5},    {"dev/full", 1, 7},
               {"dev/random", 1, 8}, {"dev/urandom", 1, 9}, {"dev/tty", 5, 0}};
  static const char* const links[][2] = {{"/proc/self/fd", "dev/fd"},
                                         {"/proc/self/fd/0", "dev/stdin"},
                                         {"/proc/self/fd/1", "dev/stdout"},
                                         {"/proc/self/fd/2", "dev/stderr"},
                                         {"pts/ptmx", "dev/ptmx"}};
  mode_t old = umask(0);
  for (size_t i = 0; i < ARRAY_SIZE(nodes); i++)
    must(mknod(nodes[i].path, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)), nodes[i].path);
  for (size_t i = 0; i < ARRAY_SIZE(links); i++) must(symlink(links[i][0], links[i][1]), links[i][1]);
  umask(old);
}

// The old root ends up stacked under the new one at the same place, from where it is detached (pivot_root(2), NOTES).
static void switch_root(void) {
  must(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  must(umount2(".", MNT_DETACH), "detach the old root");
  must(chdir("/"), "chdir /");
}

// What a kernel does not have is not there to be hidden: ENOENT is the only error that is passed over.
static void hide(const char* what, const char* path, const char* type, unsigned long flags) {
  if (mount(what, path, type, flags, NULL) < 0 && errno != ENOENT && errno != ENOTDIR) must(-1, path);
}

static void protect_paths(void) {
  static const char* const read_only[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  static const char* const files[] = {"/proc/kcore",      "/proc/keys",        "/proc/latency_stats",
                                      "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug"};
  static const char* const folders[] = {"/proc/acpi", "/proc/asound", "/sys/firmware", "/proc/scsi"};
  for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
    if (mount(read_only[i], read_only[i], NULL, MS_BIND | MS_REC, NULL) < 0) continue;  // not on this kernel
    must(mount(NULL, read_only[i], NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | kSafe, NULL), read_only[i]);
  }
  for (size_t i = 0; i < ARRAY_SIZE(files); i++) hide("/dev/null", files[i], NULL, MS_BIND);
  for (size_t i = 0; i < ARRAY_SIZE(folders); i++) hide("tmpfs", folders[i], "tmpfs", MS_RDONLY);
  must(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "make / read-only");
}

// The three capabilities of the default config.json.
static void drop_rights(void) {
  const uint32_t kept = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
  for (int cap = 0; cap < 64; cap++) {
    if (cap < 32 && (kept >> cap & 1)) continue;
    if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) break;  // the kernel's last capability is behind us
  }
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {{kept, kept, 0}, {0, 0, 0}};
  must(syscall(SYS_capset, &header, data), "capset");
  must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
}

static int wait_for(long pid) {
  int status = 0;
  while (waitpid((pid_t)pid, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void run_child(char** argv, int stays) {
  must(setsid(), "setsid");
  mount_file_systems(argv[1]);
  fill_dev();
  switch_root();
  protect_paths();
  must(sethostname("floor", 5), "sethostname");
  struct rlimit files = {1024, 1024};
  must(setrlimit(RLIMIT_NOFILE, &files), "setrlimit");
  drop_rights();
  pid_t pid = stays ? vfork() : 0;
  must(pid, "vfork");
  if (pid > 0) _exit(wait_for(pid));
  execv(argv[2], argv + 2);
  must(-1, argv[2]);
}

int main(int argc, char** argv) {
  const char* memory_limit = NULL;
  int stays = argc > 1 && strcmp(argv[1], "-i") == 0;
  argv += stays;
  argc -= stays;
  if (argc > 2 && strcmp(argv[1], "-m") == 0) {
    memory_limit = argv[2];
    argv += 2;
    argc -= 2;
  }
  if (argc < 3) {
    fprintf(stderr, "usage: floor [-i] [-m BYTES] ROOTFS PROGRAM [ARGUMENT...]\n");
    return 2;
  }
  char cgroup[64];
  snprintf(cgroup, sizeof cgroup, "/sys/fs/cgroup/floor-%d", getpid());
  must(mkdir(cgroup, 0755), cgroup);
  int fd = open(cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  must(fd, cgroup);
  if (memory_limit != NULL) {
    int file = openat(fd, "memory.max", O_WRONLY | O_CLOEXEC);
    must(file, "memory.max");
    must(write(file, memory_limit, strlen(memory_limit)), "memory.max");
    close(file);
  }
  struct clone_args args = {
      .flags =
          CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_INTO_CGROUP,
      .exit_signal = SIGCHLD,
      .cgroup = (unsigned)fd,
  };
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid == 0) run_child(argv, stays);
  int status = pid > 0 ? wait_for(pid) : kFailed;
  int error = errno;
  close(fd);
  while (rmdir(cgroup) < 0 && errno == EBUSY) usleep(100);  // a task leaves its cgroup a moment after it was reaped
  errno = error;
  must(pid, "clone3");
  return status;
}
