// SPDX-License-Identifier: Apache-2.0
// Images that try to lead minirun out of their root filesystem. SECURITY: everything is resolved under the rootfs.
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class HostileImage : public MinirunTest {
 protected:
  // A folder of the host with one file, which no container may change or see.
  void SetUp() override {
    MinirunTest::SetUp();
    make_folders("/run/tests/host");
    write_new_file("/run/tests/host/precious", "precious\n", 0644);
  }
  void TearDown() override {
    EXPECT_EQ(content("/run/tests/host/precious"), "precious");
    EXPECT_EQ(access("/run/tests/host/made", F_OK), -1);
    remove_tree("/run/tests/host");
    MinirunTest::TearDown();
  }
  // Whatever minirun makes of it, the host stays as it is: either it refuses, or everything happens in the container.
  void expect_harmless(Bundle& bundle, const std::string& forbidden = "precious") {
    bundle.payload({"report"});
    Outcome outcome = run(bundle);
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << describe(outcome);
    bundle.payload({"files", "/m/precious", "/m"});
    outcome = run(bundle);
    EXPECT_EQ(outcome.out.find(forbidden), std::string::npos) << describe(outcome);
  }
};

TEST_F(HostileImage, AbsoluteLinkAsMountPointStaysInside) {
  Bundle bundle;
  bundle.add_link("/m", "/run/tests/host");
  bundle.add_mount("/m/made/deep", "tmpfs", "tmpfs");
  expect_harmless(bundle);
}

TEST_F(HostileImage, RelativeLinkWithManyDotsStaysInside) {
  Bundle bundle;
  bundle.add_link("/m", "../../../../../../../../run/tests/host");
  bundle.add_mount("/m/made", "tmpfs", "tmpfs");
  expect_harmless(bundle);
}

TEST_F(HostileImage, DotsInTheDestinationStayInside) {
  Bundle bundle;
  bundle.add_mount("/m/../../../../run/tests/host/made", "tmpfs", "tmpfs");
  expect_harmless(bundle);
}

TEST_F(HostileImage, BindOntoALinkedFileDoesNotCoverTheHosts) {
  Bundle bundle;
  bundle.add_link("/m", "/run/tests/host/precious");
  write_new_file(bundle.path() + "/evil", "evil\n", 0644);
  bundle.add_mount("/m", "bind", "evil", {"bind"});
  expect_harmless(bundle);
}

TEST_F(HostileImage, MagicLinksAreNotFollowed) {
  Bundle bundle;
  bundle.add_link("/m", "/proc/1/root/run/tests/host");
  bundle.add_mount("/m/made", "tmpfs", "tmpfs");
  expect_harmless(bundle);
}

TEST_F(HostileImage, ProcThatIsALinkIsNotMountedElsewhere) {
  Bundle bundle;
  ASSERT_EQ(rmdir((bundle.rootfs() + "/proc").c_str()), 0);
  bundle.add_folder("/elsewhere");
  bundle.add_link("/proc", "/elsewhere");
  expect_refused(run(bundle), {"/mounts/0", "/proc"});
}

TEST_F(HostileImage, LinkedDevDoesNotReceiveNodesOnTheHost) {
  Bundle bundle;
  bundle.config["mounts"].erase(1);  // /dev comes from the image now, and what is mounted below follows its link
  ASSERT_EQ(rmdir((bundle.rootfs() + "/dev").c_str()), 0);
  bundle.add_link("/dev", "/run/tests/host");
  expect_harmless(bundle);
  EXPECT_EQ(access("/run/tests/host/null", F_OK), -1);
  EXPECT_EQ(access("/run/tests/host/ptmx", F_OK), -1);
}

TEST_F(HostileImage, LinkedDeviceNodeIsNotMadeOnTheHost) {
  Bundle bundle;
  bundle.add_link("/srv", "/run/tests/host");
  bundle.config["linux"]["devices"] = {{{"path", "/srv/made"}, {"type", "c"}, {"major", 1}, {"minor", 5}}};
  expect_harmless(bundle);
}

TEST_F(HostileImage, MaskedAndReadonlyLinksDoNotTouchTheHost) {
  Bundle bundle;
  bundle.add_link("/m", "/run/tests/host");
  bundle.config["linux"]["maskedPaths"] = {"/m/precious", "/m"};
  bundle.config["linux"]["readonlyPaths"] = {"/m"};
  expect_harmless(bundle);
  write_new_file("/run/tests/host/writable", "still", 0644);
}

TEST_F(HostileImage, CwdThroughALinkStaysInside) {
  Bundle bundle;
  bundle.add_link("/m", "/run/tests/host");
  bundle.config["process"]["cwd"] = "/m/made";
  expect_harmless(bundle);
}

TEST_F(HostileImage, CwdThroughAnOpenDescriptorStaysInside) {
  // CVE-2024-21626: a working directory outside of the container through /proc/self/fd.
  for (int fd = 3; fd < 16; ++fd) {
    Bundle bundle;
    bundle.config["process"]["cwd"] = "/proc/self/fd/" + std::to_string(fd);
    bundle.payload({"report"});
    Outcome outcome = run(bundle);
    // One of the init's own may lead to a folder of the container; getcwd(2) shows any other.
    if (outcome.code != 0) continue;
    EXPECT_EQ(json::parse(outcome.out)["cwd"].get<std::string>()[0], '/') << describe(outcome);
  }
}

TEST_F(HostileImage, ProgramOfTheHostIsNotReachedThroughProc) {
  // CVE-2019-5736: neither while the init stays nor without it does a link in /proc name minirun's own file.
  Bundle bundle;
  std::string binary = program("MINIRUN", "minirun");
  struct stat before {};
  ASSERT_EQ(stat(binary.c_str(), &before), 0);
  bundle.config["process"]["args"] = {"/proc/self/exe"};
  Outcome outcome = run(bundle);
  EXPECT_NE(outcome.code, 0) << describe(outcome);
  bundle.payload({"opens", "w:/proc/1/exe"});
  outcome = run(bundle);
  EXPECT_NE(outcome.out, "/proc/1/exe 0\n");
  struct stat after {};
  ASSERT_EQ(stat(binary.c_str(), &after), 0);
  EXPECT_EQ(before.st_mtime, after.st_mtime);
}

TEST_F(HostileImage, RootfsThatIsALinkIsRefused) {
  Bundle bundle;
  ASSERT_EQ(rename(bundle.rootfs().c_str(), (bundle.path() + "/real").c_str()), 0);
  ASSERT_EQ(symlink("real", bundle.rootfs().c_str()), 0);
  expect_refused(run(bundle), {"/root/path", "symbolic link"});
}

}  // namespace
}  // namespace minirun::testing
