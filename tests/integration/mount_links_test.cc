// SPDX-License-Identifier: Apache-2.0
// Destinations that lead through symbolic links of the image, also through such as lead nowhere yet: what is missing is
// made where they lead, inside the root.
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <regex>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

enum class Way { plain, user_namespace, no_pivot };

class MountLinks : public ::testing::WithParamInterface<Way>, public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    write_new_file(bundle_.path() + "/file", "of the host\n", 0644);
    make_folders(bundle_.path() + "/volume");
    (void)chmod((bundle_.path() + "/volume").c_str(), 0777);
  }
  Outcome run_as_asked() {
    if (GetParam() == Way::user_namespace) bundle_.add_user_namespace();
    return GetParam() == Way::no_pivot ? run(bundle_, {"--no-pivot"}) : run(bundle_);
  }
  void expect_output(const std::string& text) {
    Outcome outcome = run_as_asked();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.out, text);
  }
  void expect_refusal(const std::vector<std::string>& texts) { expect_refused(run_as_asked(), texts); }
  std::string at_volume(const std::string& name) const { return bundle_.path() + "/volume" + name; }
  Bundle bundle_;
};

INSTANTIATE_TEST_SUITE_P(Ways, MountLinks, ::testing::Values(Way::plain, Way::user_namespace, Way::no_pivot),
                         [](const auto& way) {
                           return way.param == Way::plain            ? "Plain"
                                  : way.param == Way::user_namespace ? "UserNamespace"
                                                                     : "NoPivot";
                         });

// Ubuntu's images have /etc/resolv.conf like this.
TEST_P(MountLinks, FileThatADanglingLinkNamesIsMade) {
  bundle_.add_link("/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
  bundle_.add_mount("/etc/resolv.conf", "bind", bundle_.path() + "/file", {"bind"});
  bundle_.payload({"files", "/run/systemd/resolve/stub-resolv.conf", "/etc/resolv.conf"});
  expect_output("of the host\nof the host\n");
  struct stat made {};
  ASSERT_EQ(lstat((bundle_.rootfs() + "/run/systemd/resolve/stub-resolv.conf").c_str(), &made), 0);
  EXPECT_TRUE(S_ISREG(made.st_mode));
}

TEST_P(MountLinks, FoldersThatDanglingLinksNameAreMade) {
  bundle_.add_link("/var/run", "/run");
  bundle_.add_link("/one", "two/three");
  bundle_.add_link("/two", "/deep/er");
  bundle_.add_mount("/var/run/secrets", "bind", bundle_.path() + "/file", {"bind"});
  bundle_.add_mount("/one/more", "tmpfs", "tmpfs");
  bundle_.add_mount("/one", "bind", bundle_.path() + "/volume", {"bind"});
  write_new_file(at_volume("/inside"), "inside\n", 0644);
  bundle_.payload({"files", "/run/secrets", "/deep/er/three/inside"});
  expect_output("of the host\ninside\n");
}

TEST_P(MountLinks, LinksAboveTheRootEndAtTheRoot) {
  bundle_.add_link("/up", "../../../../../../../above/all");
  bundle_.add_link("/a/b/up", "../../../../x/../y/./z//");
  bundle_.add_mount("/up/t", "tmpfs", "tmpfs");
  bundle_.add_mount("/a/b/up", "bind", bundle_.path() + "/file", {"bind"});
  bundle_.payload({"files", "/y/z"});
  expect_output("of the host\n");
  EXPECT_EQ(access((bundle_.rootfs() + "/above/all/t").c_str(), F_OK), 0);
  EXPECT_NE(access("/above", F_OK), 0);
  EXPECT_NE(access("/y", F_OK), 0);
}

TEST_P(MountLinks, DevicesAndLinksOfDevAreMadeWhereItLeads) {
  for (size_t i = bundle_.config["mounts"].size(); i-- > 0;)
    if (bundle_.config["mounts"][i]["destination"].get<std::string>().starts_with("/dev"))
      bundle_.config["mounts"].erase(i);
  (void)rmdir((bundle_.rootfs() + "/dev").c_str());
  bundle_.add_link("/dev", "elsewhere/dev");
  bundle_.payload({"opens", "w:/elsewhere/dev/null"});
  expect_output("/elsewhere/dev/null 0\n");
}

TEST_P(MountLinks, WhatALinkLeadsIntoIsMadeInATmpfsOfTheContainer) {
  bundle_.add_link("/link", "/new/deep");
  bundle_.add_mount("/new", "tmpfs", "tmpfs");
  bundle_.add_mount("/link/file", "bind", bundle_.path() + "/file", {"bind"});
  bundle_.add_link("/copy", "/copied/deep");
  bundle_.add_folder("/copied");
  bundle_.add_mount("/copied", "tmpfs", "tmpfs", {"tmpcopyup"});
  bundle_.add_mount("/copy/file", "bind", bundle_.path() + "/file", {"bind"});
  bundle_.payload({"files", "/new/deep/file", "/copied/deep/file"});
  expect_output("of the host\nof the host\n");
  EXPECT_NE(access((bundle_.rootfs() + "/new/deep").c_str(), F_OK), 0);
}

TEST_P(MountLinks, LoopsAreErrors) {
  bundle_.add_link("/a", "b");
  bundle_.add_link("/b", "a");
  bundle_.add_mount("/a/x", "tmpfs", "tmpfs");
  bundle_.payload({"true"});
  expect_refusal({"/mounts/5", "/a/x", "symbolic links"});
}

TEST_P(MountLinks, WorkingDirectoryThatADanglingLinkNamesIsMade) {
  bundle_.add_link("/work", "/srv/here");
  bundle_.config["process"]["cwd"] = "/work";
  bundle_.payload({"stat", "."});
  Outcome outcome = run_as_asked();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(access((bundle_.rootfs() + "/srv/here").c_str(), F_OK), 0);
}

// Without a link the word is config.json's, and goes on below a volume.
TEST_P(MountLinks, DestinationsBelowAVolumeAreMadeInIt) {
  if (GetParam() == Way::user_namespace) {
    ASSERT_EQ(chown(at_volume("").c_str(), 100000, 100000), 0);
  }
  bundle_.add_mount("/vol", "bind", at_volume(""), {"rbind"});
  bundle_.add_mount("/vol/in/file", "bind", bundle_.path() + "/file", {"bind"});
  bundle_.payload({"files", "/vol/in/file"});
  expect_output("of the host\n");
  EXPECT_EQ(access(at_volume("/in/file").c_str(), F_OK), 0);
}

// An existing file or directory may be mounted on; nothing is made.
TEST_P(MountLinks, AMountOnWhatALinkFindsInAVolume) {
  make_folders(at_volume("/there"));
  bundle_.add_link("/link", "/vol");
  bundle_.add_mount("/vol", "bind", at_volume(""), {"rbind"});
  bundle_.add_mount("/link/there", "tmpfs", "tmpfs");
  bundle_.payload({"opens", "c:/vol/there/file"});
  expect_output("/vol/there/file 0\n");
  EXPECT_NE(access(at_volume("/there/file").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace minirun::testing
