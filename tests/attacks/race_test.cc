// Attacks by a process that renames things in a shared folder while minirun sets a container up. Each round ends in a
// container or in a refusal; the canaries of the host stay.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <functional>
#include <iostream>

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

TEST_F(Race, ProcOfTheImage) {
  // CVE-2019-19921, CVE-2023-27561, CVE-2023-28642, CVE-2025-54867.
  bundle_.add_link("/plink", std::string(kHost) + "/folder");
  make_folders(bundle_.rootfs() + kHost + "/folder");
  race(kRounds, bundle_.rootfs() + "/proc", bundle_.rootfs() + "/plink", [&] { return run_or_refuse(bundle_); });
}

TEST_F(Race, LinkIntoProcfs) {
  // CVE-2019-16884, CVE-2025-52881: a target that is now a folder, now a place in /proc.
  make_folders(volume_ + "/d");
  ASSERT_EQ(symlink("/proc/sys", (volume_ + "/s").c_str()), 0);
  bundle_.add_mount("/vol", "bind", volume_, {"bind"});
  bundle_.add_mount("/vol/d", "tmpfs", "tmpfs");
  // Where it was mounted on /proc/sys, nothing is there any more.
  bundle_.payload({"opens", "r:/proc/sys/kernel/core_pattern"});
  race_to_say(volume_ + "/d", volume_ + "/s", "/proc/sys/kernel/core_pattern 0\n");
}

TEST_F(Race, NullDeviceOfAVolumeThatIsDev) {
  // CVE-2025-31133, CVE-2025-62161: what masks a path is never the container's own /dev/null.
  REQUIRE_CAPABILITY(27);  // CAP_MKNOD
  ASSERT_EQ(mknod((volume_ + "/null").c_str(), S_IFCHR | 0666, makedev(1, 3)), 0);
  ASSERT_EQ(symlink("/proc/sys/kernel/core_pattern", (volume_ + "/evil").c_str()), 0);
  for (const char* folder : {"/pts", "/shm"}) make_folders(volume_ + folder);
  bundle_.config["mounts"][1] = {{"destination", "/dev"}, {"type", "bind"}, {"source", volume_}, {"options", {"bind"}}};
  bundle_.config["linux"]["maskedPaths"] = {"/proc/keys", "/proc/timer_list"};
  bundle_.payload({"files", "/proc/keys", "/proc/timer_list"});
  race_to_say(volume_ + "/null", volume_ + "/evil", "");
}

TEST_F(Race, WorkingDirectoryOfExec) {
  // CVE-2024-21626: the cwd becomes a link to a descriptor of a folder of the host.
  constexpr int kFirst = 3, kEnd = 8;
  for (int fd = kFirst; fd < kEnd; ++fd) {
    bundle_.add_folder("/cwd" + std::to_string(fd));
    bundle_.add_link("/link" + std::to_string(fd), "/proc/self/fd/" + std::to_string(fd));
  }
  start(bundle_);
  for (int fd = kFirst; fd < kEnd; ++fd) {
    std::string folder = "/cwd" + std::to_string(fd), link = "/link" + std::to_string(fd);
    race(kRounds / (kEnd - kFirst), bundle_.rootfs() + folder, bundle_.rootfs() + link, [&] {
      Outcome outcome = exec({"--cwd", folder}, {"/bin/payload", "report"});
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
