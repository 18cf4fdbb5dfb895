// SPDX-License-Identifier: Apache-2.0
#include "tests/attacks/touched_files.h"

namespace minirun::testing {

Lines operator+(Lines a, const Lines& b) {
  a.insert(b.begin(), b.end());
  return a;
}

namespace {

Lines replaced(const Lines& lines, const std::string& what, const std::string& by) {
  Lines all;
  for (std::string line : lines) {
    for (size_t at = 0; (at = line.find(what, at)) != std::string::npos; at += by.size())
      line.replace(at, what.size(), by);
    all.insert(line);
  }
  return all;
}

Lines for_each_node(const Lines& lines) {
  Lines all;
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty"})
    all = all + replaced(lines, "NODE", name);
  return all;
}

// Read-only and masked: the mask is the host's /dev/null, and an empty tmpfs for a directory.
Lines touched_by_protection() {
  return {
      "path ROOT//proc/sys",
      "open_tree ROOT//proc/sys",
      "mount_setattr [clone of ROOT//proc/sys]",
      "move_mount [clone of ROOT//proc/sys] ROOT//proc/sys",
      "path ROOT//proc/gone",
      "path ROOT//proc/version",
      "move_mount [clone of /dev/null] ROOT//proc/version",
      "path ROOT//proc/uptime",
      "open_tree [clone of /dev/null]",
      "move_mount [clone of [clone of /dev/null]] ROOT//proc/uptime",
      "path ROOT//proc/fs",
      "move_mount [new tmpfs] ROOT//proc/fs",
  };
}

// A tmpfs filled from the image, before it is mounted.
Lines touched_by_copying_up() {
  return {
      "read BUNDLE/rootfs//copied",
      "read BUNDLE/rootfs//copied .",
      "path BUNDLE/rootfs//copied file",
      "read /proc/self/fd/N",  // that file, once it is known to be a regular one
      "fsopen tmpfs",
      "read [new tmpfs] .",
      "write [new tmpfs] file",
      "utimensat [new tmpfs] file",
      "utimensat [new tmpfs]",
  };
}

}  // namespace

Lines touched_by_create() {
  return touched_by_copying_up() +
         Lines{
             "execve MINIRUN",
             // What the caller names; nothing beside config.json.
             "path BUNDLE",
             "read BUNDLE config.json",
             "path BUNDLE rootfs",
             // The record, and the gate that start opens.
             "read STATE",
             "mkdirat STATE ID",
             "read STATE ID",
             "write STATE/ID config.json",
             "write STATE/ID state.json.new",
             "renameat STATE/ID state.json.new STATE/ID state.json",
             "write STATE/ID unfinished",
             "unlinkat STATE/ID unfinished",
             "mknodat STATE/ID gate",
             "write STATE/ID gate",
             "bind /proc/self/fd/N/start.sock",
             // The filter is not known yet, and is remembered.
             "read STATE .cache",
             "mkdirat STATE .cache",
             "read STATE/.cache seccomp",
             "mkdirat STATE/.cache seccomp",
             "read STATE/.cache/seccomp .",
             "read STATE/.cache/seccomp KEY",
             "write STATE/.cache/seccomp KEY.new",
             "renameat STATE/.cache/seccomp KEY.new STATE/.cache/seccomp KEY",
             // About minirun itself, the machine and the init, in the /proc of the host.
             "read /proc/sys/kernel/random/boot_id",
             "read /proc/N/stat",
             "open_tree -1",  // a question to the kernel: no such descriptor
             // The cgroup.
             "path /sys/fs/cgroup",
             "mkdirat /sys/fs/cgroup CGROUP",
             "read /sys/fs/cgroup CGROUP",
             "read /sys/fs/cgroup CGROUP/cgroup.controllers",
             "read /sys/fs/cgroup cgroup.controllers",
             "write /sys/fs/cgroup/CGROUP cgroup.max.descendants",
             // Of the image: HOME.
             "read BUNDLE/rootfs//etc/passwd",
             // Of the host: the root filesystem, the source of the bind mount, what masks files.
             "open_tree BUNDLE/rootfs",
             "open_tree BUNDLE/volume",
             "open_tree /dev/null",
             "mount_setattr [clone of /dev/null]",
             // The init: a copy in memory. In its own copy of the host's mounts it changes no more than what they pass
             // on.
             "execveat /memfd:minirun-init",
             "mount /",
             "mount_setattr [clone of BUNDLE/rootfs]",
             "move_mount [clone of BUNDLE/rootfs] /",
             "pivot_root . .",
             // Whether such a program exists, in the root of the waiting init.
             "path /proc/N/root",
             "path /proc/N/root//bin/payload",
         };
}

// ROOT: the container's root, "" when it is that of the process. TOP and WALKED: that and its /dev where a path is
// walked one component after the other, as something of it is missing; ~ is between that and a name.
static Lines in_root(const Lines& lines, const std::string& root) {
  bool own = root.empty();
  Lines walked = replaced(replaced(lines, "WALKED", own ? "/dev" : root + " dev"), "TOP", own ? "/" : root);
  return replaced(replaced(walked, "~", own ? "/" : " "), "ROOT", root);
}

Lines touched_in_root(const std::string& root) {
  const Lines lines = {
      // Mounts: each is made detached, the place is found, and one is put onto the other.
      "fsopen proc",
      "path ROOT//proc",
      "move_mount [new proc] ROOT//proc",
      "fsopen tmpfs",
      "path ROOT//dev",
      "move_mount [new tmpfs] ROOT//dev",
      "fsopen devpts",
      "path ROOT//dev/pts",
      "path TOP dev",
      "mkdirat WALKED pts",
      "path WALKED pts",
      "move_mount [new devpts] WALKED~pts",
      "path ROOT//dev/shm",
      "mkdirat WALKED shm",
      "path WALKED shm",
      "move_mount [new tmpfs] WALKED~shm",
      "fsopen mqueue",
      "path ROOT//dev/mqueue",
      "mkdirat WALKED mqueue",
      "path WALKED mqueue",
      "move_mount [new mqueue] WALKED~mqueue",
      "fsopen sysfs",
      "path ROOT//sys",
      "move_mount [new sysfs] ROOT//sys",
      "fsopen cgroup2",
      "path ROOT//sys/fs/cgroup",
      "move_mount [new cgroup2] ROOT//sys/fs/cgroup",
      "path ROOT//volume",
      "mount_setattr [clone of BUNDLE/volume]",
      "move_mount [clone of BUNDLE/volume] ROOT//volume",
      "path ROOT//copied",
      "move_mount [new tmpfs] ROOT//copied",
      // The links of /dev; what they lead to must be there.
      "path ROOT//proc/self/fd",
      "symlinkat /proc/self/fd ROOT//dev fd",
      "path ROOT//proc/self/fd/0",
      "symlinkat /proc/self/fd/0 ROOT//dev stdin",
      "path ROOT//proc/self/fd/1",
      "symlinkat /proc/self/fd/1 ROOT//dev stdout",
      "path ROOT//proc/self/fd/2",
      "symlinkat /proc/self/fd/2 ROOT//dev stderr",
      "symlinkat pts/ptmx ROOT//dev ptmx",
      // What is written to /proc goes through one of minirun's own.
      "write [new proc] sys/kernel/msgmax",
      "write [new proc] sys/net/ipv4/ip_forward",
  };
  return in_root(lines + touched_by_protection(), root);
}

Lines touched_by_mknod(const std::string& root) {
  return in_root(for_each_node({"mknodat ROOT//dev NODE"}), root);
}

Lines touched_by_nodes_of_the_host(const std::string& root) {
  const Lines each = {"open_tree /dev/NODE", "mount_setattr [clone of /dev/NODE]",
                      "path ROOT//dev/NODE", "write WALKED NODE",
                      "path WALKED NODE",    "move_mount [clone of /dev/NODE] WALKED~NODE"};
  return in_root(for_each_node(each), root);
}

Lines touched_on_entering() {
  return {
      "umount2 .",  // the host's mounts
      "path /",    "chdir /",
      "path /etc",                     // process.cwd
      "path //",   "mount_setattr //"  // root.readonly
  };
}

Lines touched_by_exec() {
  return {
      "execve MINIRUN",
      // The record.
      "read STATE",
      "read STATE ID",
      "read STATE/ID state.json",
      "read STATE/ID gate",
      "read STATE/ID unfinished",
      "read STATE/ID config.json",
      "read STATE .cache",
      "read STATE/.cache seccomp",
      "read STATE/.cache/seccomp KEY",
      // About minirun itself, the machine and the container's init, in the /proc of the host.
      "read /proc/sys/kernel/random/boot_id",
      "read /proc/N/stat",
      "read /proc/thread-self/children",  // which minirun had before the birth
      "open_tree -1",                     // a question to the kernel: no such descriptor
      // The cgroup.
      "path /sys/fs/cgroup",
      "read /sys/fs/cgroup CGROUP",
      "read /sys/fs/cgroup CGROUP/cgroup.freeze",
      "read /sys/fs/cgroup/CGROUP cgroup.subtree_control",
      // Of the container: HOME.
      "path /proc/N/root",
      "read /proc/N/root//etc/passwd",
      // What joins.
      "execveat /memfd:minirun-init",
  };
}

Lines touched_by_a_score() {
  return {"fsopen proc", "write [new proc] self/oom_score_adj"};
}

Lines touched_by_joining() {
  return {
      "path /",
      "chdir /",
      "path /volume",  // --cwd
      "execve /bin/payload",
  };
}

}  // namespace minirun::testing
