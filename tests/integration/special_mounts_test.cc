// SPDX-License-Identifier: Apache-2.0
// Mounts that minirun does more for than placing them: mapped ids, a tmpfs that starts with the image's files, links.
// runtime-spec config.md, "Mounts" and "Linux mount options".
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

json mapping(unsigned container, unsigned host, unsigned size) {
  return json::array({{{"containerID", container}, {"hostID", host}, {"size", size}}});
}

std::string owner(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return "missing";
  return std::to_string(info.st_uid) + ":" + std::to_string(info.st_gid);
}

class SpecialMounts : public MinirunTest {
 protected:
  // Standard output of a run that goes well.
  std::string output(Bundle& bundle, const std::vector<std::string>& payload) {
    bundle.payload(payload);
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return outcome.out;
  }
  // A directory of uid 1000, gid 2000 with a file of theirs, and another filesystem with the same below it.
  std::string make_source(const Bundle& bundle) {
    std::string source = bundle.path() + "/source";
    make_folders(source + "/below");
    below_ = source + "/below";
    EXPECT_EQ(mount("below", below_.c_str(), "tmpfs", 0, nullptr), 0);
    for (const std::string& folder : {source, below_}) {
      write_new_file(folder + "/file", "x", 0644);
      EXPECT_EQ(chown(folder.c_str(), 1000, 2000), 0);
      EXPECT_EQ(chown((folder + "/file").c_str(), 1000, 2000), 0);
    }
    return source;
  }
  // What the container sees of both files.
  std::string owners_inside(Bundle& bundle) {
    std::string out = output(bundle, {"stat", "/data/file", "/data/below/file"});
    std::string owners;
    for (size_t at = 0; (at = out.find("file 0644 ", at)) != std::string::npos; at += 10) {
      size_t end = out.find(' ', out.find(' ', at + 10) + 1);
      owners += (owners.empty() ? "" : ", ") + out.substr(at + 10, end - at - 10);
    }
    return owners;
  }
  void TearDown() override {
    if (!below_.empty()) {
      EXPECT_EQ(umount2(below_.c_str(), 0), 0);
      below_.clear();
    }
    MinirunTest::TearDown();
  }
  std::string below_;
};

class IdmappedMounts : public SpecialMounts {
 protected:
  void SetUp() override {
    SpecialMounts::SetUp();
    Bundle probe;
    probe.add_mount("/data", "tmpfs", "tmpfs", {"idmap=uids=0-1-1;gids=0-1-1"});
    Outcome outcome = run(probe);
    if (outcome.err.find("cannot be idmapped (on this kernel)") != std::string::npos)
      GTEST_SKIP() << "a tmpfs cannot be idmapped before Linux 6.3";
  }
};

TEST_F(IdmappedMounts, OwnersAreOthersInsideAndOnTheHost) {
  Bundle bundle;
  std::string source = make_source(bundle);
  bundle.add_mount("/data", "bind", source, {"bind", "idmap"});
  bundle.config["mounts"].back()["uidMappings"] = mapping(1000, 0, 1);
  bundle.config["mounts"].back()["gidMappings"] = mapping(2000, 0, 1);
  std::string seen = output(bundle, {"stat", "/data/file"});
  EXPECT_NE(seen.find("/data/file file 0644 0 0 "), std::string::npos) << seen;
  EXPECT_EQ(output(bundle, {"write", "/data/new", "text"}), "write 0\n");
  EXPECT_EQ(owner(source + "/new"), "1000:2000");
  EXPECT_EQ(owner(source + "/file"), "1000:2000");
  EXPECT_EQ(content(source + "/new"), "text");
}

TEST_F(IdmappedMounts, RecursiveOnesReachWhatIsMountedBelow) {
  Bundle bundle;
  std::string source = make_source(bundle);
  bundle.add_mount("/data", "bind", source, {"rbind", "idmap=uids=1000-0-1;gids=2000-0-1"});
  EXPECT_EQ(owners_inside(bundle), "0 0, 1000 2000");
  bundle.config["mounts"].back()["options"] = {"rbind", "ridmap=uids=1000-0-1;gids=2000-0-1"};
  EXPECT_EQ(owners_inside(bundle), "0 0, 0 0");
  bundle.config["mounts"].back()["options"] = {"rbind"};
  EXPECT_EQ(owners_inside(bundle), "1000 2000, 1000 2000");
}

TEST_F(IdmappedMounts, MappingsWithoutTheOptionAreForTheMountAlone) {
  Bundle bundle;
  std::string source = make_source(bundle);
  bundle.add_mount("/data", "bind", source, {"rbind"});
  bundle.config["mounts"].back()["uidMappings"] = mapping(0, 100000, 65536);
  bundle.config["mounts"].back()["gidMappings"] = mapping(0, 200000, 65536);
  EXPECT_EQ(owners_inside(bundle), "101000 202000, 1000 2000");
}

TEST_F(IdmappedMounts, NewTmpfsKeepsTheModeOfTheImage) {
  Bundle bundle;
  bundle.add_folder("/data");
  ASSERT_EQ(chmod((bundle.rootfs() + "/data").c_str(), 01751), 0);
  bundle.add_mount("/data", "tmpfs", "tmpfs", {"idmap=uids=0-5-1;gids=0-6-1"});
  std::string seen = output(bundle, {"stat", "/data"});
  EXPECT_NE(seen.find("/data dir 1751 5 6 "), std::string::npos) << seen;
}

TEST_F(IdmappedMounts, FilesystemBelowThatCannotIsNamed) {
  Bundle bundle;
  std::string source = make_source(bundle);
  make_folders(below_ + "/proc");
  ASSERT_EQ(mount("proc", (below_ + "/proc").c_str(), "proc", 0, nullptr), 0);
  bundle.add_mount("/data", "bind", source, {"rbind", "ridmap=uids=1000-0-1;gids=2000-0-1"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(umount2((below_ + "/proc").c_str(), 0), 0);
  expect_refused(outcome, {"/mounts/5: map the ids of " + source + " on proc (mounted on " + below_ + "/proc)",
                           "cannot be idmapped"});
}

TEST_F(SpecialMounts, FilesystemThatCannotBeIdmappedIsNamed) {
  Bundle bundle;
  bundle.add_mount("/data", "bind", "/proc", {"bind", "idmap=uids=0-1-1;gids=0-1-1"});
  expect_refused(run(bundle), {"/mounts/5: map the ids of /proc on proc (mounted on /proc)", "invalid argument"});
}

TEST_F(SpecialMounts, IdmapWithoutAnyMappingIsRefused) {
  Bundle bundle;
  bundle.add_mount("/data", "bind", "/", {"bind", "idmap"});
  expect_refused(run(bundle), {"/mounts/5/options/1", "needs uidMappings and gidMappings"});
}

TEST_F(SpecialMounts, TmpcopyupStartsWithTheFilesOfTheImage) {
  Bundle bundle;
  bundle.add_file("/data/sub/file", "of the image\n", 0640);
  bundle.add_link("/data/link", "/etc/passwd");
  std::string image = bundle.rootfs() + "/data";
  ASSERT_EQ(chown((image + "/sub/file").c_str(), 1000, 2000), 0);
  ASSERT_EQ(chown(image.c_str(), 3000, 4000), 0);
  ASSERT_EQ(chmod(image.c_str(), 0755), 0);
  ASSERT_EQ(mknod((image + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_EQ(setxattr((image + "/sub").c_str(), "trusted.note", "kept", 4, 0), 0);
  bundle.add_mount("/data", "tmpfs", "tmpfs", {"tmpcopyup", "size=1m"});
  std::string seen = output(bundle, {"stat", "/data", "/data/sub/file", "/data/link", "/data/null"});
  EXPECT_NE(seen.find("/data dir 0755 3000 4000 "), std::string::npos) << seen;
  EXPECT_NE(seen.find("/data/sub/file file 0640 1000 2000 0:0 13 "), std::string::npos) << seen;
  EXPECT_NE(seen.find("/data/link link 0777 0 0 0:0 11 /etc/passwd"), std::string::npos) << seen;
  EXPECT_NE(seen.find("/data/null char "), std::string::npos) << seen;
  EXPECT_NE(seen.find(" 1:3 "), std::string::npos) << seen;

  ASSERT_EQ(chown(image.c_str(), 0, 0), 0);
  EXPECT_EQ(output(bundle, {"write", "/data/new", "x"}), "write 0\n");
  EXPECT_EQ(owner(image + "/new"), "missing") << "the image itself stays as it is";

  bundle.payload({"pause"});
  Running container(run_command(bundle, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  char value[8];
  std::string sub = "/proc/" + std::to_string(container_pid()) + "/root/data/sub";
  EXPECT_EQ(getxattr(sub.c_str(), "trusted.note", value, sizeof value), 4);
  container.send(SIGTERM);
  container.finish();
}

TEST_F(SpecialMounts, TmpcopyupThatIsReadOnlyIsFilledAllTheSame) {
  Bundle bundle;
  bundle.add_file("/data/file", "of the image\n");
  bundle.add_mount("/data", "tmpfs", "tmpfs", {"tmpcopyup", "ro", "mode=0700"});
  EXPECT_EQ(output(bundle, {"files", "/data/file"}), "of the image\n");
  EXPECT_EQ(output(bundle, {"opens", "c:/data/x"}), "/data/x 30\n");
  std::string seen = output(bundle, {"stat", "/data"});
  EXPECT_NE(seen.find("/data dir 0700 0 0 "), std::string::npos) << seen;
}

TEST_F(SpecialMounts, TmpcopyupOfNothingIsAnEmptyTmpfs) {
  Bundle bundle;
  bundle.add_mount("/not/there", "tmpfs", "tmpfs", {"tmpcopyup"});
  EXPECT_EQ(output(bundle, {"opens", "c:/not/there/x"}), "/not/there/x 0\n");
}

TEST_F(SpecialMounts, TmpcopyupThatDoesNotFitNamesThePathAndTheLimit) {
  Bundle bundle;
  bundle.add_file("/data/sub/big", std::string(1 << 20, 'x'));
  bundle.add_mount("/data", "tmpfs", "tmpfs", {"tmpcopyup", "size=64k"});
  expect_refused(run(bundle),
                 {"/mounts/5: tmpcopyup: copy /data/sub/big: the image's /data does not fit into the tmpfs "
                  "(size=64k): no space left on device"});
}

TEST_F(SpecialMounts, TmpcopyupOnAFileIsRefused) {
  Bundle bundle;
  bundle.add_file("/data", "x");
  bundle.add_mount("/data", "tmpfs", "tmpfs", {"tmpcopyup"});
  expect_refused(run(bundle), {"/mounts/5: tmpcopyup: copy /data of the rootfs: not a directory"});
}

TEST_F(SpecialMounts, TmpcopyupOfALinkStaysInTheImage) {
  Bundle bundle;
  make_folders(bundle.path() + "/outside");
  write_new_file(bundle.path() + "/outside/secret", "the host's\n", 0644);
  bundle.add_file(bundle.path() + "/outside/secret", "the image's\n");
  bundle.add_link("/data", bundle.path() + "/outside");
  bundle.add_mount("/data", "tmpfs", "tmpfs", {"tmpcopyup"});
  EXPECT_EQ(output(bundle, {"files", "/data/secret"}), "the image's\n");
}

TEST_F(SpecialMounts, CopySymlinkMakesTheSameLink) {
  Bundle bundle;
  ASSERT_EQ(symlink("../etc/target", (bundle.path() + "/link").c_str()), 0);
  bundle.add_file("/etc/target", "found inside\n");
  bundle.add_file("/there", "replaced\n");
  bundle.add_mount("/a/link", "bind", "link", {"bind", "copy-symlink"});
  bundle.add_mount("/there", "bind", bundle.path() + "/link", {"rbind", "copy-symlink"});
  for (int again = 0; again < 2; again++) {
    std::string seen = output(bundle, {"stat", "/a/link", "/there"});
    EXPECT_NE(seen.find("/a/link link 0777 0 0 0:0 13 ../etc/target\n"), std::string::npos) << seen;
    EXPECT_NE(seen.find("/there link 0777 0 0 0:0 13 ../etc/target\n"), std::string::npos) << seen;
  }
  EXPECT_EQ(output(bundle, {"files", "/a/link"}), "found inside\n");
}

TEST_F(SpecialMounts, CopySymlinkOfNoLinkIsABindMount) {
  Bundle bundle;
  write_new_file(bundle.path() + "/plain", "plain\n", 0644);
  bundle.add_mount("/plain", "bind", "plain", {"bind", "ro", "copy-symlink"});
  EXPECT_EQ(output(bundle, {"files", "/plain"}), "plain\n");
  EXPECT_EQ(output(bundle, {"opens", "w:/plain"}), "/plain 30\n");
  bundle.config["mounts"].back()["source"] = "/no/such/source";
  expect_refused(run(bundle), {"/mounts/5", "/no/such/source", "no such file or directory"});
}

TEST_F(SpecialMounts, CopySymlinkReplacesNoDirectory) {
  Bundle bundle;
  ASSERT_EQ(symlink("/etc", (bundle.path() + "/link").c_str()), 0);
  bundle.add_file("/folder/file", "x");
  bundle.add_mount("/folder", "bind", "link", {"bind", "copy-symlink"});
  expect_refused(run(bundle), {"/mounts/5", "folder", "is a directory"});
}

TEST_F(SpecialMounts, SrcNofollowMountsTheLinkItself) {
  Bundle bundle;
  ASSERT_EQ(symlink("/etc/target", (bundle.path() + "/link").c_str()), 0);
  bundle.add_mount("/link", "bind", "link", {"bind", "src-nofollow"});
  std::string seen = output(bundle, {"stat", "/link"});
  EXPECT_NE(seen.find("/link link 0777 0 0 0:0 11 /etc/target\n"), std::string::npos) << seen;
}

TEST_F(SpecialMounts, DestNofollowCoversTheLinkItself) {
  Bundle bundle;
  bundle.add_file("/etc/target", "the image's");
  bundle.add_link("/link", "/etc/target");
  write_new_file(bundle.path() + "/source", "the source's", 0644);
  bundle.add_mount("/link", "bind", "source", {"bind", "dest-nofollow"});
  bundle.add_mount("/new/file", "bind", "source", {"bind", "dest-nofollow"});
  EXPECT_EQ(output(bundle, {"files", "/link", "/etc/target", "/new/file"}), "the source'sthe image'sthe source's");
  EXPECT_NE(output(bundle, {"stat", "/link"}).find("/link file "), std::string::npos);
  bundle.config["mounts"].erase(bundle.config["mounts"].size() - 1);
  bundle.config["mounts"].back()["options"] = {"bind"};
  EXPECT_EQ(output(bundle, {"files", "/link", "/etc/target"}), "the source'sthe source's");
}

TEST_F(SpecialMounts, MountLabelWithoutSelinuxIsAWarning) {
  if (access("/sys/fs/selinux/enforce", F_OK) == 0) GTEST_SKIP() << "this host has SELinux";
  Bundle bundle;
  bundle.config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0";
  bundle.payload({"true"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.err.find("/linux/mountLabel: has no effect: SELinux is not enabled on this host"),
            std::string::npos)
      << outcome.err;
}

}  // namespace
}  // namespace minirun::testing
