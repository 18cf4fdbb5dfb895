// SPDX-License-Identifier: Apache-2.0
// Attacks by a process that renames things in a shared folder while minirun sets a container up. Each round ends in a
// container or in a refusal; the canaries of the host stay.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <functional>
#include <iostream>
#include <set>
#include <sstream>

#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr int kRounds = 1000;

class Race : public Attack {
 protected:
  void SetUp() override {
    Attack::SetUp();
    alarm(600);  // many rounds, on a machine that may have more to do
    volume_ = bundle_.path() + "/volume";
    make_folders(volume_);
    bundle_.payload({"opens", "r:/proc/self/status"});
  }
  // So many rounds, while A and B are exchanged. A round says whether something ran.
  void race(int count, const std::string& a, const std::string& b, const std::function<bool()>& round) {
    int ran = 0;
    {
      Racer racer(a, b);
      for (int i = 0; i < count && !HasFailure(); ++i) ran += round() ? 1 : 0;
    }
    std::cout << count << " rounds: " << ran << " ran, " << count - ran << " were refused\n";
    EXPECT_GT(ran, 0) << "nothing was raced for";
  }
  // Each runs the bundle: it is refused, or all that it says is this.
  void race_to_say(const std::string& a, const std::string& b, const std::string& words) {
    race(kRounds, a, b, [&] {
      Outcome outcome = run(bundle_);
      EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << describe(outcome);
      EXPECT_EQ(outcome.out, outcome.code == 0 ? words : "");
      return outcome.code == 0;
    });
  }
  // Each runs the bundle, which has so many mount points: it is refused, or they are all there, at these places only.
  // One that is elsewhere is missing: a mount beside the container's root cannot be seen from inside.
  void race_for_places(const std::string& a, const std::string& b, size_t count, const std::set<std::string>& places) {
    bundle_.payload({"files", "/proc/self/mountinfo"});
    race(kRounds, a, b, [&] {
      Outcome outcome = run(bundle_);
      EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << describe(outcome);
      if (outcome.code != 0) return false;
      std::vector<std::string> points;
      std::istringstream lines(outcome.out);
      for (std::string line, word; std::getline(lines, line);) {
        std::istringstream words(line);
        for (int i = 0; i < 5; ++i) words >> word;
        points.push_back(word);
        EXPECT_TRUE(places.contains(word)) << word << "\n" << outcome.out;
      }
      EXPECT_EQ(points.size(), count) << outcome.out;
      return true;
    });
  }
  void volume_is_dev() {
    for (const char* folder : {"/pts", "/shm"}) make_folders(volume_ + folder);
    bundle_.config["mounts"][1] = {
        {"destination", "/dev"}, {"type", "bind"}, {"source", volume_}, {"options", {"bind"}}};
  }
  Bundle bundle_;
  std::string volume_;
};

TEST_F(Race, MountTargetsAndDevicesInAVolume) {
  // CVE-2021-30465, CVE-2024-45310, CVE-2019-18837: a folder on the way to a target becomes a link to the host.
  make_folders(volume_ + "/d/deeper");
  make_folders(bundle_.rootfs() + kHost);
  ASSERT_EQ(symlink(kHost, (volume_ + "/s").c_str()), 0);
  bundle_.add_mount("/vol", "bind", volume_, {"rbind"});
  bundle_.add_mount("/vol/d/x", "tmpfs", "tmpfs");
  bundle_.add_mount("/vol/d/f", "bind", volume_, {"bind"});
  bundle_.add_mount("/vol/d/one/two/three", "tmpfs", "tmpfs");
  bundle_.config["linux"]["devices"] = {{{"path", "/vol/d/four/null"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
  race(kRounds, volume_ + "/d", volume_ + "/s", [&] { return run_or_refuse(bundle_); });
}

TEST_F(Race, RemountInAVolume) {
  // What is remounted by its path is, once the folder is a link, another mount of the container: /dev/shm would get its
  // size, and what is read-only would be writable.
  make_folders(volume_ + "/d");
  ASSERT_EQ(symlink("/dev/shm", (volume_ + "/s").c_str()), 0);
  bundle_.add_mount("/vol", "bind", volume_, {"bind"});
  bundle_.add_mount("/vol/d", "tmpfs", "tmpfs", {"size=1m"});
  bundle_.add_mount("/vol/d", "tmpfs", "tmpfs", {"remount", "size=12k", "noexec"});
  bundle_.payload({"files", "/proc/self/mountinfo"});
  int on_folder = 0;
  race(kRounds, volume_ + "/d", volume_ + "/s", [&] {
    Outcome outcome = run(bundle_);
    EXPECT_TRUE(outcome.code == 0 || outcome.code == 1) << describe(outcome);
    if (outcome.code != 0) return false;
    std::istringstream lines(outcome.out);
    int small = 0;
    for (std::string line; std::getline(lines, line);) {
      const bool own = line.find("size=65536k") != line.npos;  // /dev/shm, as in the default config
      if (line.find(" /dev/shm ") != line.npos && !own) small += line.find("size=12k") != line.npos ? 1 : 100;
      if (line.find(" /vol/d ") != line.npos) {
        on_folder++;
        EXPECT_NE(line.find("size=12k"), line.npos) << line;
      }
      EXPECT_EQ(line.find("size=1024k"), line.npos) << "not changed: " << line;
    }
    EXPECT_LE(small, 1) << outcome.out;  // it is mounted on /dev/shm, where the link led, over the existing mount
    EXPECT_NE(outcome.out.find("size=65536k"), outcome.out.npos) << "another mount was changed: " << outcome.out;
    return true;
  });
  EXPECT_GT(on_folder, 0);
}

TEST_F(Race, ProcOfTheImage) {
  // CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867.
  bundle_.add_link("/plink", std::string(kHost) + "/folder");
  make_folders(bundle_.rootfs() + kHost + "/folder");
  race(kRounds, bundle_.rootfs() + "/proc", bundle_.rootfs() + "/plink", [&] { return run_or_refuse(bundle_); });
}

TEST_F(Race, SysOfTheImage) {
  bundle_.add_link("/slink", std::string(kHost) + "/folder");
  make_folders(bundle_.rootfs() + kHost + "/folder");
  race_for_places(bundle_.rootfs() + "/sys", bundle_.rootfs() + "/slink", 6,
                  {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/sys", "/slink", std::string(kHost) + "/folder"});
}

TEST_F(Race, DevOfTheImage) {
  // CVE-2026-41579 (runc), CVE-2026-47766 (crun): with a mount there, and with devices made in the image itself.
  bundle_.add_link("/dlink", kHost);
  make_folders(bundle_.rootfs() + kHost);
  std::set<std::string> places = {"/", "/proc", "/sys"};
  for (const std::string dev : {"/dev", "/dlink", kHost})
    for (const char* below : {"", "/pts", "/shm"}) places.insert(dev + below);
  race_for_places(bundle_.rootfs() + "/dev", bundle_.rootfs() + "/dlink", 6, places);
  bundle_.config["mounts"].erase(1);
  race(kRounds, bundle_.rootfs() + "/dev", bundle_.rootfs() + "/dlink", [&] { return run_or_refuse(bundle_); });
}

TEST_F(Race, MaskedAndReadonlyPathsInAVolume) {
  // CVE-2025-52881 and others: what hides a file of the volume hides one of /proc.
  make_folders(volume_ + "/d/self/attr");
  make_folders(volume_ + "/d/sys");
  ASSERT_EQ(symlink("/proc", (volume_ + "/s").c_str()), 0);
  bundle_.add_mount("/vol", "bind", volume_, {"bind"});
  bundle_.config["linux"]["maskedPaths"] = {"/vol/d/self/attr"};
  bundle_.config["linux"]["readonlyPaths"] = {"/vol/d/sys"};
  std::set<std::string> places = {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/sys", "/vol"};
  for (const std::string folder : {"/vol/d", "/vol/s"})
    for (const char* below : {"/self/attr", "/sys"}) places.insert(folder + below);
  race_for_places(volume_ + "/d", volume_ + "/s", 9, places);
}

TEST_F(Race, ConsoleOfAVolumeThatIsDev) {
  // CVE-2025-52565: the terminal is bound over what /dev/console leads to just then.
  write_new_file(volume_ + "/console", "", 0666);
  ASSERT_EQ(symlink("/proc/sys/kernel/core_pattern", (volume_ + "/evil").c_str()), 0);
  volume_is_dev();
  bundle_.config["process"]["terminal"] = true;
  race_for_places(volume_ + "/console", volume_ + "/evil", 7,
                  {"/", "/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/console", "/dev/evil", "/sys"});
}

TEST_F(Race, TerminalsOfAVolumeThatIsDev) {
  ASSERT_EQ(symlink(kHost, (volume_ + "/evil").c_str()), 0);
  make_folders(bundle_.rootfs() + kHost);
  volume_is_dev();
  bundle_.config["process"]["terminal"] = true;
  race_for_places(volume_ + "/pts", volume_ + "/evil", 7,
                  {"/", "/proc", "/dev", "/dev/pts", "/dev/evil", kHost, "/dev/shm", "/dev/console", "/sys"});
}

TEST_F(Race, LinkIntoProcfs) {
  // CVE-2019-16884, CVE-2025-52881: a target that is now a folder, now a place in /proc.
  make_folders(volume_ + "/d");
  ASSERT_EQ(symlink("/proc/sys", (volume_ + "/s").c_str()), 0);
  bundle_.add_mount("/vol", "bind", volume_, {"bind"});
  bundle_.add_mount("/vol/d", "tmpfs", "tmpfs");
  // If it was mounted on /proc/sys, that is empty.
  bundle_.payload({"opens", "r:/proc/sys/kernel/core_pattern"});
  race_to_say(volume_ + "/d", volume_ + "/s", "/proc/sys/kernel/core_pattern 0\n");
}

TEST_F(Race, NullDeviceOfAVolumeThatIsDev) {
  // CVE-2025-31133, CVE-2025-62161: what masks a path is never the container's own /dev/null.
  REQUIRE_CAPABILITY(27);  // CAP_MKNOD
  ASSERT_EQ(mknod((volume_ + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_EQ(symlink("/proc/sys/kernel/core_pattern", (volume_ + "/evil").c_str()), 0);
  volume_is_dev();
  bundle_.config["linux"]["maskedPaths"] = {"/proc/keys", "/proc/timer_list"};
  bundle_.payload({"files", "/proc/keys", "/proc/timer_list"});
  race_to_say(volume_ + "/null", volume_ + "/evil", "");
}

TEST_F(Race, WorkingDirectoryOfExec) {
  // CVE-2024-21626: the cwd becomes a link to a descriptor of a folder of the host; the last is one that the caller
  // left open.
  constexpr int kFirst = 3, kLeaked = 8, kEnd = 9;
  StartOptions leaking;
  leaking.in_child = [] {
    int fd = open(kHost, O_PATH | O_DIRECTORY);
    if (fd < 0 || dup2(fd, kLeaked) != kLeaked) _exit(97);
  };
  for (int fd = kFirst; fd < kEnd; ++fd) {
    bundle_.add_folder("/cwd" + std::to_string(fd));
    bundle_.add_link("/link" + std::to_string(fd), "/proc/self/fd/" + std::to_string(fd));
  }
  start(bundle_);
  for (int fd = kFirst; fd < kEnd; ++fd) {
    std::string folder = "/cwd" + std::to_string(fd), link = "/link" + std::to_string(fd);
    race(kRounds / (kEnd - kFirst), bundle_.rootfs() + folder, bundle_.rootfs() + link, [&] {
      Outcome outcome = exec({"--cwd", folder}, {"/bin/payload", "report"}, leaking);
      if (outcome.code == 255) return false;
      EXPECT_EQ(outcome.code, 0) << describe(outcome);
      json seen = json::parse(outcome.out, nullptr, false);
      std::string cwd = seen.is_object() ? seen["cwd"] : "nothing";
      EXPECT_TRUE(cwd == folder || cwd == link || cwd == "/") << cwd;
      return true;
    });
  }
  end();
}

}  // namespace
}  // namespace minirun::testing
