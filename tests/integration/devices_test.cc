// SPDX-License-Identifier: Apache-2.0
// /dev: default devices, linux.devices, the links, and the rules that the cgroup enforces.
// runtime-spec config-linux.md, "Default Devices" and "Devices"; runtime-linux.md.
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Devices : public MinirunTest {
 protected:
  std::string output(Bundle& bundle, const std::vector<std::string>& payload) {
    bundle.payload(payload);
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    return outcome.out;
  }
};

TEST_F(Devices, DefaultOnesAreThereAndUsable) {
  Bundle bundle;
  EXPECT_EQ(output(bundle, {"stat", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"}),
            "/dev/null char 0666 0 0 1:3 0 -\n"
            "/dev/zero char 0666 0 0 1:5 0 -\n"
            "/dev/full char 0666 0 0 1:7 0 -\n"
            "/dev/random char 0666 0 0 1:8 0 -\n"
            "/dev/urandom char 0666 0 0 1:9 0 -\n"
            "/dev/tty char 0666 0 0 5:0 0 -\n");
  EXPECT_EQ(output(bundle, {"opens", "w:/dev/null", "r:/dev/zero", "w:/dev/full", "r:/dev/urandom"}),
            "/dev/null 0\n/dev/zero 0\n/dev/full 0\n/dev/urandom 0\n");
}

TEST_F(Devices, LinksAreThere) {
  Bundle bundle;
  std::string out = output(bundle, {"stat", "/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/ptmx"});
  for (const char* end :
       {"/proc/self/fd\n", "/proc/self/fd/0\n", "/proc/self/fd/1\n", "/proc/self/fd/2\n", "pts/ptmx\n"}) {
    EXPECT_NE(out.find(end), std::string::npos) << out;
  }
}

TEST_F(Devices, ListedOnesAreMadeAsSaid) {
  Bundle bundle;
  bundle.config["linux"]["devices"] = {
      {{"path", "/dev/mine/zero"},
       {"type", "c"},
       {"major", 1},
       {"minor", 5},
       {"fileMode", 0640},
       {"uid", 33},
       {"gid", 34}},
      {{"path", "/srv/outside-dev"}, {"type", "u"}, {"major", 1}, {"minor", 7}, {"fileMode", 0666}},
      {{"path", "/dev/pipe"}, {"type", "p"}, {"fileMode", 0622}},
      {{"path", "/dev/disk"}, {"type", "b"}, {"major", 7}, {"minor", 200}, {"fileMode", 0600}}};
  EXPECT_EQ(output(bundle, {"stat", "/dev/mine/zero", "/srv/outside-dev", "/dev/pipe", "/dev/disk"}),
            "/dev/mine/zero char 0640 33 34 1:5 0 -\n"
            "/srv/outside-dev char 0666 0 0 1:7 0 -\n"
            "/dev/pipe fifo 0622 0 0 0:0 0 -\n"
            "/dev/disk block 0600 0 0 7:200 0 -\n");
}

TEST_F(Devices, ListedOneThatIsADifferentFileIsRefused) {
  Bundle bundle;
  bundle.add_file("/srv/zero", "not a device");
  bundle.config["linux"]["devices"] = {{{"path", "/srv/zero"}, {"type", "c"}, {"major", 1}, {"minor", 5}}};
  expect_refused(run(bundle), {"/linux/devices/0", "file exists"});
}

// A node of its own in the image: whether it can be opened is then the cgroup's decision alone.
TEST_F(Devices, RulesOfTheCgroupAreEnforcedInOrder) {
  Bundle bundle;
  for (unsigned minor : {3U, 5U, 7U}) {
    std::string path = bundle.rootfs() + "/node" + std::to_string(minor);
    ASSERT_EQ(mknod(path.c_str(), S_IFCHR | 0666, makedev(1, minor)), 0);
    ASSERT_EQ(chmod(path.c_str(), 0666), 0);
  }
  // /dev/mem is 1:1: a device that no default lets through.
  ASSERT_EQ(mknod((bundle.rootfs() + "/mem").c_str(), S_IFCHR | 0666, makedev(1, 1)), 0);
  bundle.config["linux"]["resources"]["devices"] = {{{"allow", false}, {"access", "rwm"}}};
  EXPECT_EQ(output(bundle, {"opens", "r:/mem", "r:/node3", "r:/node5"}), "/mem 1\n/node3 0\n/node5 0\n");
}

TEST_F(Devices, AllowRulesAreForTheNamedAccessOnly) {
  Bundle bundle;
  // 1:11 is the kernel's log, 10:229 fuse: no default lets them through.
  ASSERT_EQ(mknod((bundle.rootfs() + "/log").c_str(), S_IFCHR | 0666, makedev(1, 11)), 0);
  ASSERT_EQ(chmod((bundle.rootfs() + "/log").c_str(), 0666), 0);
  json& rules = bundle.config["linux"]["resources"]["devices"];
  rules = {{{"allow", false}, {"access", "rwm"}}};
  EXPECT_EQ(output(bundle, {"opens", "r:/log", "w:/log"}), "/log 1\n/log 1\n");
  rules.push_back({{"allow", true}, {"type", "c"}, {"major", 1}, {"minor", 11}, {"access", "w"}});
  EXPECT_EQ(output(bundle, {"opens", "r:/log", "w:/log"}), "/log 1\n/log 0\n");
}

TEST_F(Devices, NodesCanBeMadeButNotUsed) {
  Bundle bundle;
  bundle.config["linux"]["resources"]["devices"] = {{{"allow", false}, {"access", "rwm"}}};
  EXPECT_EQ(output(bundle, {"mknod", "/tmp/log", "c", "1", "11"}), "mknod 0\n");
  EXPECT_EQ(output(bundle, {"opens", "w:/tmp/log"}), "/tmp/log 1\n");
}

}  // namespace
}  // namespace minirun::testing
