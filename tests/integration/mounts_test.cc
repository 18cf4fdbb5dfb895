// SPDX-License-Identifier: Apache-2.0
// mounts, root, masked and read-only paths: what the container's file tree looks like from inside.
// runtime-spec config.md, "Mounts" and "Root".
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <sstream>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Mounts : public MinirunTest {
 protected:
  // The mount table of the container: mount point → "OPTIONS PROPAGATION - TYPE SOURCE SUPEROPTIONS".
  std::map<std::string, std::string> table(Bundle& bundle) {
    std::map<std::string, std::string> mounts;
    json seen = report(bundle);
    for (const std::string line : seen["mounts"]) {
      std::istringstream fields(line);
      std::string skipped;
      std::string where;
      std::string rest;
      fields >> skipped >> skipped >> skipped >> skipped >> where;
      std::getline(fields >> std::ws, rest);
      mounts[where] = rest;
    }
    return mounts;
  }
  std::string output(Bundle& bundle, const std::vector<std::string>& payload) {
    bundle.payload(payload);
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return outcome.out;
  }
};

bool has_option(const std::string& line, const std::string& option) {
  std::string options = "," + line.substr(0, line.find(' ')) + ",";
  return options.find("," + option + ",") != std::string::npos;
}

TEST_F(Mounts, NothingButWhatTheConfigLists) {
  Bundle bundle;
  std::string list;
  for (const auto& [where, rest] : table(bundle)) list += where + " ";
  EXPECT_EQ(list, "/ /dev /dev/pts /dev/shm /proc /sys ");
}

TEST_F(Mounts, WithoutPivotTheTreeIsTheSame) {
  Bundle bundle;
  bundle.payload({"stat", "/run/tests", "/bin/payload", "/.."});
  Outcome pivoted = run(bundle);
  Outcome moved = run(bundle, {"--no-pivot"});
  EXPECT_EQ(moved.code, 0) << describe(moved);
  EXPECT_EQ(moved.out, pivoted.out);
  EXPECT_NE(moved.out.find("/run/tests missing"), std::string::npos) << moved.out;
}

TEST_F(Mounts, OptionsArriveAtTheMount) {
  Bundle bundle;
  bundle.add_mount("/data", "tmpfs", "data",
                   {"nosuid", "nodev", "noexec", "ro", "noatime", "nodiratime", "size=64k", "mode=0701"});
  bundle.add_mount("/plain", "tmpfs", "plain", {"ro", "rw", "noexec", "exec", "strictatime"});
  auto mounts = table(bundle);
  for (const char* option : {"nosuid", "nodev", "noexec", "ro", "noatime", "nodiratime"}) {
    EXPECT_TRUE(has_option(mounts["/data"], option)) << option << " in " << mounts["/data"];
  }
  EXPECT_NE(mounts["/data"].find("size=64k"), std::string::npos) << mounts["/data"];
  EXPECT_NE(mounts["/data"].find("mode=701"), std::string::npos) << mounts["/data"];
  // The last one of opposites wins.
  EXPECT_EQ(mounts["/plain"].substr(0, 3), "rw ") << mounts["/plain"];
}

TEST_F(Mounts, UnknownOptionOfAFilesystemNamesTheMount) {
  Bundle bundle;
  bundle.add_mount("/data", "tmpfs", "data", {"nosuchoption=1"});
  bundle.payload({"true"});
  expect_refused(run(bundle), {"/mounts/5", "tmpfs", "/data", "nosuchoption"});
}

TEST_F(Mounts, UnknownFilesystemNamesTheMount) {
  Bundle bundle;
  bundle.add_mount("/data", "nosuchfs", "data");
  expect_refused(run(bundle), {"/mounts/5", "nosuchfs"});
}

TEST_F(Mounts, BindOfFolderAndFileMakesTheirMountPoints) {
  Bundle bundle;
  make_folders(bundle.path() + "/share/deep");
  write_new_file(bundle.path() + "/share/deep/file", "shared\n", 0644);
  bundle.add_mount("/a/b/folder", "none", bundle.path() + "/share", {"rbind"});
  bundle.add_mount("/a/file", "bind", bundle.path() + "/share/deep/file", {"bind", "ro"});
  EXPECT_EQ(output(bundle, {"files", "/a/b/folder/deep/file", "/a/file"}), "shared\nshared\n");
}

TEST_F(Mounts, RelativeBindSourceCountsFromTheBundle) {
  Bundle bundle;
  write_new_file(bundle.path() + "/note", "from the bundle\n", 0644);
  bundle.add_mount("/note", "bind", "note", {"bind"});
  EXPECT_EQ(output(bundle, {"files", "/note"}), "from the bundle\n");
}

TEST_F(Mounts, MissingBindSourceIsNamed) {
  Bundle bundle;
  bundle.add_mount("/data", "bind", "/no/such/source", {"bind"});
  expect_refused(run(bundle), {"/mounts/5", "/no/such/source", "no such file or directory"});
}

TEST_F(Mounts, ReadOnlyBindKeepsTheFlagsOfItsSource) {
  Bundle bundle;
  bundle.add_folder("/tmp/source");
  std::string source = bundle.path() + "/source";
  make_folders(source);
  ASSERT_EQ(mount("source", source.c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr), 0);
  bundle.add_mount("/data", "bind", source, {"bind", "ro"});
  std::string line = table(bundle)["/data"];
  EXPECT_EQ(umount2(source.c_str(), 0), 0);
  for (const char* option : {"ro", "nosuid", "nodev", "noexec"}) EXPECT_TRUE(has_option(line, option)) << line;
}

TEST_F(Mounts, RecursiveReadOnlyReachesWhatIsMountedBelow) {
  Bundle bundle;
  std::string source = bundle.path() + "/source";
  make_folders(source + "/below");
  ASSERT_EQ(mount("below", (source + "/below").c_str(), "tmpfs", 0, nullptr), 0);
  bundle.add_mount("/plain", "bind", source, {"rbind", "ro"});
  bundle.add_mount("/recursive", "bind", source, {"rbind", "rro"});
  std::string out =
      output(bundle, {"opens", "c:/plain/x", "c:/plain/below/x", "c:/recursive/x", "c:/recursive/below/x"});
  EXPECT_EQ(umount2((source + "/below").c_str(), 0), 0);
  EXPECT_EQ(out, "/plain/x 30\n/plain/below/x 0\n/recursive/x 30\n/recursive/below/x 30\n");
}

TEST_F(Mounts, NoexecIsObeyed) {
  Bundle bundle;
  make_folders(bundle.path() + "/tools");
  ASSERT_TRUE(copy_program(program("PAYLOAD", "payload"), bundle.path() + "/tools/payload"));
  bundle.add_mount("/tools", "bind", bundle.path() + "/tools", {"bind", "noexec"});
  bundle.config["process"]["args"] = {"/tools/payload", "true"};
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 126) << describe(outcome);
  EXPECT_NE(outcome.err.find("permission denied"), std::string::npos) << outcome.err;
}

TEST_F(Mounts, LaterMountCoversEarlierOnes) {
  Bundle bundle;
  write_new_file(bundle.path() + "/first", "first\n", 0644);
  write_new_file(bundle.path() + "/second", "second\n", 0644);
  bundle.add_mount("/note", "bind", "first", {"bind"});
  bundle.add_mount("/note", "bind", "second", {"bind"});
  EXPECT_EQ(output(bundle, {"files", "/note"}), "second\n");
}

TEST_F(Mounts, RelativeDestinationCountsFromTheRootWithAWarning) {
  Bundle bundle;
  bundle.add_mount("data/here", "tmpfs", "tmpfs");
  bundle.payload({"files", "/proc/self/mountinfo"});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_NE(outcome.out.find(" /data/here "), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.err.find("/mounts/5/destination"), std::string::npos) << outcome.err;
}

TEST_F(Mounts, ReadonlyRootIsReadOnlyAndMountsStayWritable) {
  Bundle bundle;
  bundle.config["root"]["readonly"] = true;
  bundle.add_mount("/made/for/it", "tmpfs", "tmpfs");
  EXPECT_EQ(output(bundle, {"opens", "c:/x", "c:/etc/x", "c:/made/for/it/x", "c:/dev/shm/x"}),
            "/x 30\n/etc/x 30\n/made/for/it/x 0\n/dev/shm/x 0\n");
}

// As in podman's --read-only.
TEST_F(Mounts, ReadOnlyDevHasItsMountPointsAndDevices) {
  Bundle bundle;
  bool found = false;
  for (json& mount : bundle.config["mounts"]) {
    if (mount["destination"] != "/dev") continue;
    mount["options"].push_back("ro");
    found = true;
  }
  ASSERT_TRUE(found);
  bundle.config["root"]["readonly"] = true;
  auto mounts = table(bundle);
  EXPECT_TRUE(has_option(mounts["/dev"], "ro")) << mounts["/dev"];
  EXPECT_FALSE(has_option(mounts["/dev/shm"], "ro")) << mounts["/dev/shm"];
  EXPECT_NE(output(bundle, {"stat", "/dev/null", "/dev/pts"}).find("/dev/null"), std::string::npos);
}

TEST_F(Mounts, MaskedPathsShowNothing) {
  Bundle bundle;
  bundle.add_file("/etc/secret", "secret\n");
  bundle.add_file("/hidden/secret", "secret\n");
  bundle.config["linux"]["maskedPaths"] = {"/etc/secret", "/hidden", "/no/such/path", "/proc/timer_list"};
  EXPECT_EQ(output(bundle, {"files", "/etc/secret", "/hidden/secret", "/proc/timer_list"}), "");
  EXPECT_EQ(output(bundle, {"opens", "w:/etc/secret", "r:/hidden/secret", "c:/hidden/x"}),
            "/etc/secret 0\n/hidden/secret 2\n/hidden/x 30\n");
  EXPECT_EQ(content(bundle.rootfs() + "/etc/secret"), "secret");
}

TEST_F(Mounts, ReadonlyPathsAreReadOnlyAndKeepTheirFlags) {
  Bundle bundle;
  bundle.add_file("/etc/fixed", "fixed\n");
  bundle.config["linux"]["readonlyPaths"] = {"/etc/fixed", "/proc/sys", "/no/such/path"};
  auto mounts = table(bundle);
  for (const char* option : {"ro", "nosuid", "nodev", "noexec"}) {
    EXPECT_TRUE(has_option(mounts["/proc/sys"], option)) << option << " in " << mounts["/proc/sys"];
  }
  EXPECT_EQ(output(bundle, {"opens", "w:/etc/fixed", "r:/etc/fixed", "w:/proc/sys/kernel/hostname"}),
            "/etc/fixed 30\n/etc/fixed 0\n/proc/sys/kernel/hostname 30\n");
}

TEST_F(Mounts, PropagationOfOneMount) {
  Bundle bundle;
  bundle.add_mount("/shared", "tmpfs", "tmpfs", {"shared"});
  bundle.add_mount("/private", "tmpfs", "tmpfs", {"rprivate"});
  bundle.add_mount("/unbindable", "tmpfs", "tmpfs", {"unbindable"});
  auto mounts = table(bundle);
  EXPECT_NE(mounts["/shared"].find(" shared:"), std::string::npos) << mounts["/shared"];
  EXPECT_EQ(mounts["/private"].find("shared:"), std::string::npos) << mounts["/private"];
  EXPECT_NE(mounts["/unbindable"].find("unbindable"), std::string::npos) << mounts["/unbindable"];
}

TEST_F(Mounts, SlaveSeesWhatTheHostMountsLater) {
  Bundle bundle;
  std::string source = bundle.path() + "/source";
  make_folders(source);
  // Bundles are on a shared mount, as everything is where systemd runs.
  ASSERT_EQ(mount("source", source.c_str(), "tmpfs", 0, nullptr), 0);
  make_folders(source + "/later");
  bundle.add_mount("/slave", "bind", source, {"rbind", "rslave"});
  bundle.config["linux"]["rootfsPropagation"] = "rslave";
  bundle.payload({"pause"});
  Running container(run_command(bundle, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  ASSERT_EQ(mount("later", (source + "/later").c_str(), "tmpfs", 0, nullptr), 0);
  write_new_file(source + "/later/file", "seen", 0644);
  EXPECT_EQ(content("/proc/" + std::to_string(container_pid()) + "/root/slave/later/file"), "seen");
  EXPECT_EQ(umount2((source + "/later").c_str(), 0), 0);
  container.send(SIGTERM);
  container.finish();
  EXPECT_EQ(umount2(source.c_str(), 0), 0);
}

TEST_F(Mounts, CgroupMountShowsTheContainersOwn) {
  Bundle bundle;
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"});
  std::string line = table(bundle)["/sys/fs/cgroup"];
  EXPECT_NE(line.find("- cgroup2 "), std::string::npos) << line;
  EXPECT_TRUE(has_option(line, "ro")) << line;
  EXPECT_NE(output(bundle, {"files", "/sys/fs/cgroup/cgroup.procs"}), "");
}

}  // namespace
}  // namespace minirun::testing
