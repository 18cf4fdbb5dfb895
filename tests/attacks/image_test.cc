// SPDX-License-Identifier: Apache-2.0
// Images that lead minirun somewhere else by links, and that have something else where minirun expects its own.
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <set>

#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

const std::string kUp = "../../../../../../../..";

class EvilImage : public Attack {
 protected:
  // The image's own /dev: a folder without a mount on it.
  static void without_dev(Bundle& bundle) {
    json mounts = json::array();
    for (const json& mount : bundle.config["mounts"])
      if (mount["destination"].get<std::string>().rfind("/dev", 0) != 0) mounts.push_back(mount);
    bundle.config["mounts"] = mounts;
  }
  // Both kinds of links that lead to a path of the host.
  static std::vector<std::string> links_to(const std::string& path) { return {path, kUp + path}; }
};

TEST_F(EvilImage, ProcAndSysAreLinks) {
  // CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867 (youki), CVE-2015-1335 (lxc).
  for (const char* name : {"/proc", "/sys"})
    for (const std::string& link : {std::string(kHost) + "/folder", kUp + kHost + "/folder", std::string("tmp"),
                                    std::string("/tmp"), std::string("bin/../tmp")}) {
      Bundle bundle;
      make_folders(bundle.rootfs() + kHost + "/folder");
      ASSERT_EQ(rmdir((bundle.rootfs() + name).c_str()), 0);
      bundle.add_link(name, link);
      expect_refused(run(bundle), {"/mounts/", name});
    }
}

TEST_F(EvilImage, LinkIntoProcTakesNoMount) {
  // CVE-2019-16884, CVE-2025-62596 (youki): a mount that hides /proc/sys or where security labels are written.
  for (const char* place : {"/proc", "/proc/sys", "/proc/self/attr", "/proc/thread-self/attr/apparmor", "/proc/1"})
    for (bool bind : {false, true}) {
      Bundle bundle;
      bundle.add_link("/plink", place);
      bundle.add_link("/plink2", "plink");
      make_folders(bundle.path() + "/data");
      if (bind)
        bundle.add_mount("/plink2", "bind", bundle.path() + "/data", {"bind"});
      else
        bundle.add_mount("/plink2", "tmpfs", "tmpfs");
      Outcome outcome = run(bundle);
      expect_refused(outcome, {"/mounts/5"});
    }
  // A link to elsewhere is a link.
  Bundle bundle;
  bundle.add_folder("/real");
  bundle.add_link("/plink", "/real");
  bundle.add_mount("/plink", "tmpfs", "tmpfs");
  EXPECT_TRUE(run_or_refuse(bundle));
}

TEST_F(EvilImage, MountsOverProcAreRefused) {
  for (const char* place : {"/proc", "/proc/sys", "/proc/self/attr", "/proc/../proc/sys", "//proc/./self"}) {
    Bundle bundle;
    bundle.add_mount(place, "tmpfs", "tmpfs");
    expect_refused(run(bundle), {"/mounts/5/destination", "/proc"});
  }
}

TEST_F(EvilImage, MountTargetsAreLinks) {
  // CVE-2015-1335 (lxc), CVE-2019-18837 (crun), CVE-2026-87766 (bubblewrap).
  for (const char* target : {"/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/tmp", "/etc", "/run/deep"})
    for (const std::string& link : links_to(std::string(kHost) + "/folder")) {
      Bundle bundle;
      without_dev(bundle);
      remove_tree(bundle.rootfs() + target);
      bundle.add_link(target, link);
      bundle.add_mount(std::string(target) + "/made/deep", "tmpfs", "tmpfs");
      bundle.add_mount(target, "tmpfs", "tmpfs");
      run_or_refuse(bundle);
    }
}

TEST_F(EvilImage, MagicLinksAreNotFollowed) {
  // CVE-2026-87766 (bubblewrap): out by a process or a descriptor of the host.
  for (const char* link : {"/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/fd/5", "/proc/1/root", "/proc/self/cwd"}) {
    Bundle bundle;
    bundle.add_link("/m", link + std::string(kHost));
    bundle.add_link("/n", link);
    bundle.add_mount("/m/made", "tmpfs", "tmpfs");
    expect_refused(run(bundle), {"/mounts/5"});
    bundle.config["mounts"][5]["destination"] = "/n/made";
    expect_refused(run(bundle), {"/mounts/5"});
  }
}

TEST_F(EvilImage, DevIsALink) {
  // CVE-2026-41579 (runc), CVE-2026-47766 (crun).
  for (const std::string& link : links_to(kHost))
    for (bool mounted : {false, true}) {
      Bundle bundle;
      if (!mounted) without_dev(bundle);
      ASSERT_EQ(rmdir((bundle.rootfs() + "/dev").c_str()), 0);
      bundle.add_link("/dev", link);
      run_or_refuse(bundle);
      make_folders(bundle.rootfs() + kHost);
      run_or_refuse(bundle);
    }
}

TEST_F(EvilImage, EveryNameInDevIsALink) {
  for (const char* name : {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "fd", "stdin",
                           "stdout", "stderr", "core"})
    for (const std::string& link : links_to(kHost + std::string("/") + name)) {
      Bundle bundle;
      without_dev(bundle);
      bundle.add_link("/dev/" + std::string(name), link);
      run_or_refuse(bundle);
    }
}

TEST_F(EvilImage, ParentsOfDevicesAreLinks) {
  for (const std::string& link : links_to(kHost)) {
    Bundle bundle;
    bundle.add_link("/a", link);
    bundle.add_link("/b", "a/folder");
    bundle.config["linux"]["devices"] = json::array();
    for (const char* path : {"/a/made", "/b/made", "/b/deep/made", "/dev/../a/made"})
      bundle.config["linux"]["devices"].push_back({{"path", path}, {"type", "c"}, {"major", 1}, {"minor", 5}});
    run_or_refuse(bundle);
  }
}

TEST_F(EvilImage, ProtectedPathsAreLinksIntoProc) {
  // CVE-2019-16884 and CVE-2025-52881, by what hides a path instead of a mount.
  for (const char* list : {"maskedPaths", "readonlyPaths"})
    for (const char* target : {"/proc/self/attr", "/proc/sys", "/proc/version"}) {
      Bundle bundle;
      bundle.add_link("/etc/link", target);
      bundle.config["linux"][list] = {"/etc/link"};
      expect_refused(run(bundle), {std::string("/linux/") + list + "/0", "into /proc"});
      bundle.config["linux"][list] = {target};
      EXPECT_TRUE(run_or_refuse(bundle));
    }
}

TEST_F(EvilImage, ConsoleIsALink) {
  // CVE-2025-52565: the terminal is bound over a link's target, or a file is made through it.
  for (const std::string& link :
       {kHost + std::string("/console"), kUp + kHost + "/console", std::string("/proc/sys/kernel/core_pattern"),
        std::string("/proc/self/exe"), std::string("/tmp/dangling")}) {
    Bundle bundle;
    json& mounts = bundle.config["mounts"];
    mounts.erase(1);  // /dev is the image's
    for (const char* folder : {"/dev/pts", "/dev/shm"}) bundle.add_folder(folder);
    bundle.add_link("/dev/console", link);
    bundle.config["process"]["terminal"] = true;
    run_or_refuse(bundle);
    // Of the image's own, which may be made: an empty file, and nothing of the host's.
    EXPECT_EQ(access("/tmp/dangling", F_OK), -1);
    struct stat made {};
    if (lstat((bundle.rootfs() + "/tmp/dangling").c_str(), &made) == 0) {
      EXPECT_TRUE(S_ISREG(made.st_mode) && made.st_size == 0 && made.st_nlink == 1);
    }
  }
}

TEST_F(EvilImage, TerminalsAreTheKernels) {
  // CVE-2025-52565: /dev/pts is the attacker's folder; its ptmx is a file, a link, another device.
  for (const char* kind : {"file", "link", "fifo", "device"}) {
    Bundle bundle;
    make_folders(bundle.path() + "/pts");
    std::string ptmx = bundle.path() + "/pts/ptmx";
    if (kind == std::string("file")) write_new_file(ptmx, "", 0666);
    if (kind == std::string("link")) {
      ASSERT_EQ(symlink("/run/tests/host/ptmx", ptmx.c_str()), 0);
    }
    if (kind == std::string("fifo")) {
      ASSERT_EQ(mkfifo(ptmx.c_str(), 0666), 0);
    }
    if (kind == std::string("device")) {
      ASSERT_EQ(mknod(ptmx.c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
    }
    bundle.config["mounts"][2] = {
        {"destination", "/dev/pts"}, {"type", "bind"}, {"source", bundle.path() + "/pts"}, {"options", {"bind"}}};
    bundle.config["process"]["terminal"] = true;
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 1) << kind << ": " << describe(outcome);
  }
}

TEST_F(EvilImage, MaskIsNotTheImagesNullDevice) {
  // CVE-2025-31133, CVE-2025-62161 (youki).
  for (const char* kind : {"link", "file", "fifo", "other device", "none"}) {
    Bundle bundle;
    std::string dev = bundle.path() + "/dev";
    for (const char* folder : {"/pts", "/shm"}) make_folders(dev + folder);
    std::string null = dev + "/null";
    if (kind == std::string("link")) {
      ASSERT_EQ(symlink("/proc/sys/kernel/core_pattern", null.c_str()), 0);
    }
    if (kind == std::string("file")) write_new_file(null, "evil", 0666);
    if (kind == std::string("fifo")) {
      ASSERT_EQ(mkfifo(null.c_str(), 0666), 0);
    }
    if (kind == std::string("other device")) {
      ASSERT_EQ(mknod(null.c_str(), S_IFCHR | 0666, makedev(1, 9)), 0);
    }
    bundle.config["mounts"][1] = {{"destination", "/dev"}, {"type", "bind"}, {"source", dev}, {"options", {"bind"}}};
    bundle.config["linux"]["maskedPaths"] = {"/proc/keys", "/proc/timer_list", "/proc/sysrq-trigger"};
    bundle.payload({"files", "/proc/keys", "/proc/timer_list"});
    Outcome outcome = run(bundle);
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << describe(outcome);
    EXPECT_EQ(outcome.out, "") << kind;
  }
}

// Every path below the rootfs.
std::set<std::string>* g_paths = nullptr;
int note(const char* path, const struct stat*, int, struct FTW*) {
  g_paths->insert(path);
  return 0;
}
std::set<std::string> paths_of(const Bundle& bundle) {
  std::set<std::string> paths;
  g_paths = &paths;
  (void)nftw(bundle.rootfs().c_str(), note, 16, FTW_PHYS | FTW_MOUNT);
  return paths;
}

TEST_F(EvilImage, NothingIsMadeInItButMountPoints) {
  // CVE-2025-24965 (crun): a file of the runtime's own in the image, written through a link.
  Bundle bundle;
  bundle.config["process"]["terminal"] = true;
  bundle.config["linux"]["maskedPaths"] = {"/proc/keys", "/nothing"};
  bundle.add_mount("/made/point", "tmpfs", "tmpfs");
  std::set<std::string> expected = paths_of(bundle);
  expected.insert(bundle.rootfs() + "/made");
  expected.insert(bundle.rootfs() + "/made/point");
  ASSERT_TRUE(run_or_refuse(bundle));
  EXPECT_EQ(paths_of(bundle), expected);
}

TEST_F(EvilImage, PasswdDecidesNobodysIds) {
  // CVE-2016-3697 (runc), CVE-2026-47262 (containerd): "1000" is a name there, and uid 0.
  Bundle bundle;
  ASSERT_EQ(unlink((bundle.rootfs() + "/etc/passwd").c_str()), 0);
  bundle.add_file("/etc/passwd",
                  "1000:x:0:0:evil:/root:/bin/sh\nroot:x:1000:1000::" + std::string(100000, 'x') + ":\n");
  bundle.add_file("/etc/group", "1000:x:0:1000\n" + std::string(1 << 20, 'y'));
  bundle.config["process"]["user"] = {{"uid", 1000}, {"gid", 1000}};
  json seen = report(bundle);
  EXPECT_EQ(seen["uids"], json({1000, 1000, 1000}));
  EXPECT_EQ(seen["gids"], json({1000, 1000, 1000}));
  EXPECT_EQ(seen["groups"], json::array());
}

TEST_F(EvilImage, PasswdOfAnyKindHoldsNobodyUp) {
  for (const char* kind : {"fifo", "folder", "link", "device", "huge"}) {
    Bundle bundle;
    std::string passwd = bundle.rootfs() + "/etc/passwd";
    ASSERT_EQ(unlink(passwd.c_str()), 0);
    if (kind == std::string("fifo")) {
      ASSERT_EQ(mkfifo(passwd.c_str(), 0666), 0);
    }
    if (kind == std::string("folder")) {
      ASSERT_EQ(mkdir(passwd.c_str(), 0755), 0);
    }
    if (kind == std::string("link")) {
      ASSERT_EQ(symlink("/run/tests/host/precious", passwd.c_str()), 0);
    }
    if (kind == std::string("device")) {
      ASSERT_EQ(mknod(passwd.c_str(), S_IFCHR | 0666, makedev(1, 5)), 0);
    }
    if (kind == std::string("huge")) {
      write_new_file(passwd, "", 0644);
      ASSERT_EQ(truncate(passwd.c_str(), off_t{1} << 40), 0);
    }
    json seen = report(bundle);
    EXPECT_NE(seen["env"].dump().find("HOME=/\""), std::string::npos) << kind << seen["env"];
  }
}

}  // namespace
}  // namespace minirun::testing
