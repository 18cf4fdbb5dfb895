// SPDX-License-Identifier: Apache-2.0
// Links that lead into a folder of the host's, which the container has as a volume: minirun makes and removes nothing
// there, with rights that the container does not have.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <filesystem>
#include <iostream>

#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

class MadePaths : public Attack {
 protected:
  // /vol is a folder of the host with a file "ptmx" and a folder "deep".
  void SetUp() override {
    Attack::SetUp();
    alarm(600);
    volume_ = "/run/tests/volume";
    make_folders(volume_ + "/deep");
    write_new_file(volume_ + "/ptmx", "the host's", 0644);
  }
  void TearDown() override {
    remove_tree(volume_);
    Attack::TearDown();
  }
  void prepare(Bundle& bundle, bool user) {
    bundle.add_mount("/vol", "bind", volume_, {"rbind"});
    bundle.payload({"true"});
    if (!user) return;
    bundle.add_user_namespace();
    ASSERT_EQ(system(("chown -hR 100000:100000 " + volume_).c_str()), 0);
  }
  void expect_untouched() {
    std::string found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(volume_))
      found += entry.path().string().substr(volume_.size()) + " ";
    EXPECT_TRUE(found == "/deep /ptmx " || found == "/ptmx /deep ") << found;
    EXPECT_EQ(content(volume_ + "/ptmx"), "the host's");
  }
  std::string volume_;
};

// No mount on /dev: what minirun puts there goes where the image says.
void without_dev(Bundle& bundle) {
  for (size_t i = bundle.config["mounts"].size(); i-- > 0;)
    if (bundle.config["mounts"][i]["destination"].get<std::string>().starts_with("/dev"))
      bundle.config["mounts"].erase(i);
  (void)rmdir((bundle.rootfs() + "/dev").c_str());
}

TEST_F(MadePaths, DevIsALinkIntoAVolume) {
  for (bool user : {false, true})
    for (const char* target : {"/vol", "vol", "../../vol/deep/..", "/vol/missing/.."}) {
      Bundle bundle;
      without_dev(bundle);
      bundle.add_link("/dev", target);
      prepare(bundle, user);
      expect_refused(run(bundle), {"/dev", "symbolic link", "/vol"});
      expect_untouched();
    }
}

TEST_F(MadePaths, DestinationsLeadIntoAVolume) {
  for (bool user : {false, true}) {
    auto expect_refusal = [&](const std::function<void(Bundle&)>& change, const std::string& pointer) {
      Bundle bundle;
      bundle.add_link("/link", "/vol");
      bundle.add_link("/file", "vol/deep/missing");
      prepare(bundle, user);
      change(bundle);
      expect_refused(run(bundle), {pointer, "symbolic link", "/vol"});
      expect_untouched();
    };
    expect_refusal([](Bundle& b) { b.add_mount("/link/new", "tmpfs", "tmpfs"); }, "/mounts/6");
    expect_refusal([](Bundle& b) { b.add_mount("/link/deep/er/still", "tmpfs", "tmpfs"); }, "/mounts/6");
    expect_refusal([](Bundle& b) { b.add_mount("/link/new", "bind", "/etc/passwd", {"bind"}); }, "/mounts/6");
    expect_refusal([](Bundle& b) { b.add_mount("/file", "bind", "/etc/passwd", {"bind"}); }, "/mounts/6");
    expect_refusal([](Bundle& b) { b.add_mount("/file", "tmpfs", "tmpfs", {"tmpcopyup"}); }, "/mounts/6");
    if (!user)  // else it is the host's node of that path
      expect_refusal(
          [](Bundle& b) {
            b.config["linux"]["devices"] = {{{"path", "/link/deep/null"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
          },
          "/linux/devices/0");
    expect_refusal([](Bundle& b) { b.config["process"]["cwd"] = "/link/new"; }, "/process/cwd");
  }
}

// A folder on the way is now one of the image, now a link into the volume.
TEST_F(MadePaths, RacedLinksMakeNothingInAVolume) {
  for (bool user : {false, true}) {
    Bundle bundle;
    without_dev(bundle);
    bundle.add_folder("/dev");
    bundle.add_folder("/a");
    bundle.add_link("/link", "/vol");
    prepare(bundle, user);
    bundle.add_mount("/a/new/er", "tmpfs", "tmpfs");
    bundle.add_mount("/a/file", "bind", "/etc/passwd", {"bind"});
    for (const char* raced : {"/a", "/dev"}) {
      int ran = 0;
      const int rounds = 1000;
      {
        Racer racer(bundle.rootfs() + raced, bundle.rootfs() + "/link");
        for (int i = 0; i < rounds && !HasFailure(); ++i) {
          ran += run_or_refuse(bundle) ? 1 : 0;
          (void)unlink((bundle.rootfs() + "/a/file").c_str());
          (void)rmdir((bundle.rootfs() + "/a/new/er").c_str());
          (void)rmdir((bundle.rootfs() + "/a/new").c_str());
        }
      }
      std::cout << rounds << " rounds: " << ran << " ran, " << rounds - ran << " were refused\n";
      EXPECT_GT(ran, 0);
      expect_untouched();
      // In its place again.
      struct stat info {};
      if (lstat((bundle.rootfs() + raced).c_str(), &info) == 0 && S_ISLNK(info.st_mode)) {
        ASSERT_EQ(rename((bundle.rootfs() + raced).c_str(), (bundle.rootfs() + "/link2").c_str()), 0);
        ASSERT_EQ(rename((bundle.rootfs() + "/link").c_str(), (bundle.rootfs() + raced).c_str()), 0);
        ASSERT_EQ(rename((bundle.rootfs() + "/link2").c_str(), (bundle.rootfs() + "/link").c_str()), 0);
      }
    }
  }
}

}  // namespace
}  // namespace minirun::testing
