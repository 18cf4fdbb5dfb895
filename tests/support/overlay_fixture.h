// SPDX-License-Identifier: Apache-2.0
// For tests of --overlay and --keep-changes: an image with a shell and something to change, and what it is, to the
// byte.
#pragma once

#include <dirent.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <map>

#include "sys/file.h"
#include "tests/support/rootless_fixture.h"

namespace minirun::testing {

// Paths below a directory, with all that a change could touch: type, mode, owner, size, times, links, attributes,
// content.
using TreeState = std::map<std::string, std::string>;

inline std::string attributes_of(const std::string& path) {
  char names[4096], value[4096];
  ssize_t size = llistxattr(path.c_str(), names, sizeof names);
  std::string all;
  for (const char* name = names; size > 0 && name < names + size; name += std::string(name).size() + 1) {
    ssize_t length = lgetxattr(path.c_str(), name, value, sizeof value);
    all += std::string(" ") + name + "=" + std::string(value, length < 0 ? 0 : static_cast<size_t>(length));
  }
  return all;
}

inline void add_state(const std::string& top, const std::string& below, TreeState* state) {
  const std::string path = top + below;
  struct stat facts {};
  ASSERT_EQ(lstat(path.c_str(), &facts), 0) << path;
  std::string text = fmt::format("{:o} {}:{} {} {} {}.{} {}.{}", facts.st_mode, facts.st_uid, facts.st_gid,
                                 facts.st_size, facts.st_nlink, facts.st_mtim.tv_sec, facts.st_mtim.tv_nsec,
                                 facts.st_ctim.tv_sec, facts.st_ctim.tv_nsec);
  text += attributes_of(path);
  if (S_ISREG(facts.st_mode)) text += " " + read_file(AT_FDCWD, path, 8 << 20).value();
  if (S_ISLNK(facts.st_mode)) text += " " + link_target(path);
  (*state)[below] = std::move(text);
  if (!S_ISDIR(facts.st_mode)) return;
  DIR* directory = opendir(path.c_str());
  ASSERT_NE(directory, nullptr) << path;
  while (const dirent* entry = readdir(directory)) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") add_state(top, below + "/" + name, state);
  }
  closedir(directory);
}

inline TreeState state_of(const std::string& top) {
  TreeState state;
  add_state(top, "", &state);
  return state;
}

// As before Linux 6.5: a filesystem context takes no descriptor, so that the layers are placed in a copy of the mount
// namespace.
inline void forbid_descriptors_as_layers() {
  constexpr uint32_t kSetFd = 5;  // FSCONFIG_SET_FD
  sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsconfig, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args) + sizeof(uint64_t)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kSetFd, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EOPNOTSUPP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof filter / sizeof filter[0], filter};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0) _exit(97);
}

class OverlayTest : public RootlessTest {
 protected:
  static constexpr const char* kKept = "/run/tests/kept";

  void TearDown() override {
    remove_tree(kKept);
    RootlessTest::TearDown();
  }

  // Tests without a shell show nothing: the integration ring and the guests have one.
  void SetUp() override {
    RootlessTest::SetUp();
    if (access("/bin/busybox", X_OK) != 0) GTEST_SKIP() << "no busybox";
  }

  // Gives the image a shell, and something to change.
  static void fill(Bundle& bundle) {
    ASSERT_TRUE(bundle.add_busybox({"sh", "rm", "mkdir", "rmdir", "mv", "ln", "chmod", "chown", "touch", "ls", "cat",
                                    "dd", "stat", "grep", "mknod", "sleep"}));
    bundle.add_file("/data/old/deep", "of the image");
    bundle.add_file("/data/file", "of the image", 0640);
    bundle.add_file("/etc/changed", "of the image");
    bundle.add_file("/home/user/x", "of the image");
    bundle.add_folder("/moved/inside");
    for (const char* capability : {"CAP_DAC_OVERRIDE", "CAP_FOWNER"}) bundle.add_capability(capability);
    ASSERT_EQ(link((bundle.rootfs() + "/data/file").c_str(), (bundle.rootfs() + "/data/twin").c_str()), 0);
  }
  static void script(Bundle& bundle, const std::string& text) {
    bundle.config["process"]["args"] = {"/bin/sh", "-c", text};
  }
  // Everything that a workload does to files, followed by what it then sees.
  static constexpr const char* kChanges =
      "set -e; rm -r /data; mkdir /data; ls -A /data; echo changed > /etc/changed; cat /etc/changed;"
      "rm /etc/passwd; touch /etc/new; chmod 700 /home; chown 7:8 /home/user/x; ln /home/user/x /home/user/y;"
      "mv /etc/changed /etc/renamed; mv /moved /other; ls /other; rmdir /tmp; mkdir /tmp; mknod /node p;"
      "chmod 711 /; stat -c %a%u /; echo done";
  static constexpr const char* kSeen = "changed\ninside\n7110\ndone\n";

  // Runs kChanges with the flags, and compares the image before and after.
  void expect_untouched(const Bundle& bundle, const std::vector<std::string>& flags, const StartOptions& options = {}) {
    TreeState before = state_of(bundle.rootfs());
    Outcome outcome = run(bundle, flags, options);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out, kSeen);
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(state_of(bundle.rootfs()), before);
  }
  static bool exists(const std::string& path) {
    struct stat facts {};
    return lstat(path.c_str(), &facts) == 0;
  }
  // Of minirun, beside the kept directory.
  static std::string work_directories() {
    std::string found;
    DIR* directory = opendir("/run/tests");
    while (const dirent* entry = readdir(directory))
      if (std::string(entry->d_name).starts_with(".minirun-work")) found += std::string(entry->d_name) + " ";
    closedir(directory);
    return found;
  }
};

}  // namespace minirun::testing
