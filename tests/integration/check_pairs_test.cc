// SPDX-License-Identifier: Apache-2.0
// `minirun check` is never wrong: its verdict is what `run` then does.
#include <sys/resource.h>

#include <functional>

#include "tests/support/check_fixture.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

// One change to a bundle.
struct Change {
  const char* name;
  std::function<void(Bundle&)> make;
};

void limit_to(Bundle& bundle, const char* type, uint64_t value) {
  bundle.config["process"]["rlimits"] = {{{"type", type}, {"soft", value}, {"hard", value}}};
}

const std::vector<Change> kChanges = {
    {"plain", [](Bundle&) {}},
    {"program missing", [](Bundle& b) { b.config["process"]["args"] = {"/bin/none"}; }},
    {"program not in PATH", [](Bundle& b) { b.config["process"]["args"] = {"none"}; }},
    {"program is a directory", [](Bundle& b) { b.config["process"]["args"] = {"/bin"}; }},
    {"program is a relative path",
     [](Bundle& b) {
       b.config["process"]["args"] = {"bin/payload", "true"};
     }},
    {"text without a shell",
     [](Bundle& b) {
       b.add_file("/bin/script", "#!/bin/none\n", 0755);
       b.config["process"]["args"] = {"/bin/script"};
     }},
    {"program that is not executable",
     [](Bundle& b) {
       b.add_file("/bin/data", "x", 0644);
       b.config["process"]["args"] = {"/bin/data"};
     }},
    {"program that is a link out of the rootfs",
     [](Bundle& b) {
       b.add_link("/bin/out", "/../../../bin/payload");
       b.config["process"]["args"] = {"/bin/out", "true"};
     }},
    {"program below a tmpfs", [](Bundle& b) { b.add_mount("/bin", "tmpfs", "tmpfs"); }},
    {"program of a bind mount",
     [](Bundle& b) {
       b.add_mount("/other", "bind", b.rootfs() + "/bin", {"bind"});
       b.config["process"]["args"] = {"/other/payload", "true"};
     }},
    {"cwd missing", [](Bundle& b) { b.config["process"]["cwd"] = "/new/folder"; }},
    {"cwd is a file", [](Bundle& b) { b.config["process"]["cwd"] = "/bin/payload"; }},
    {"source missing", [](Bundle& b) { b.add_mount("/data", "bind", "/not/there", {"bind"}); }},
    {"source beneath a file", [](Bundle& b) { b.add_mount("/data", "bind", "/proc/version/x", {"bind"}); }},
    {"source there",
     [](Bundle& b) {
       b.add_mount("/data", "bind", "/tmp", {"rbind", "ro"});
     }},
    {"file on a directory",
     [](Bundle& b) {
       b.add_folder("/data");
       b.add_mount("/data", "bind", b.path() + "/config.json", {"bind"});
     }},
    {"directory on a file",
     [](Bundle& b) {
       b.add_file("/data", "x");
       b.add_mount("/data", "bind", b.rootfs(), {"bind"});
     }},
    {"filesystem on a file",
     [](Bundle& b) {
       b.add_file("/data", "x");
       b.add_mount("/data", "tmpfs", "tmpfs");
     }},
    {"unknown filesystem", [](Bundle& b) { b.add_mount("/data", "nosuchfs", "none"); }},
    {"tmpfs",
     [](Bundle& b) {
       b.add_mount("/data", "tmpfs", "tmpfs", {"size=64k", "mode=700"});
     }},
    {"tmpfs of a bad size", [](Bundle& b) { b.add_mount("/data", "tmpfs", "tmpfs", {"size=x"}); }},
    {"unknown mount option", [](Bundle& b) { b.add_mount("/data", "tmpfs", "tmpfs", {"sise=1"}); }},
    {"ramfs", [](Bundle& b) { b.add_mount("/data", "ramfs", "ramfs"); }},
    {"mount on a mount",
     [](Bundle& b) {
       b.add_mount("/data", "tmpfs", "tmpfs");
       b.add_mount("/data/in", "tmpfs", "tmpfs");
     }},
    {"mount on a read-only bind",
     [](Bundle& b) {
       b.add_mount("/data", "bind", "/bin", {"bind", "ro"});
       b.add_mount("/data/none", "tmpfs", "tmpfs");
     }},
    {"read-only root", [](Bundle& b) { b.config["root"]["readonly"] = true; }},
    {"masked and read-only paths",
     [](Bundle& b) {
       b.config["linux"]["maskedPaths"] = {"/proc/kcore", "/not/there", "/proc/keys"};
       b.config["linux"]["readonlyPaths"] = {"/proc/sys", "/not/there"};
     }},
    {"sysctl missing",
     [](Bundle& b) {
       b.config["linux"]["sysctl"] = {{"net.ipv4.not_there", "1"}};
     }},
    {"sysctl of the host",
     [](Bundle& b) {
       b.config["linux"]["sysctl"] = {{"vm.swappiness", "1"}};
     }},
    {"sysctl with a bad value",
     [](Bundle& b) {
       b.config["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "x"}};
     }},
    {"sysctl",
     [](Bundle& b) {
       b.config["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
     }},
    {"NOFILE beyond the kernel's", [](Bundle& b) { limit_to(b, "RLIMIT_NOFILE", 1ULL << 40); }},
    {"NOFILE of 64", [](Bundle& b) { limit_to(b, "RLIMIT_NOFILE", 64); }},
    {"MEMLOCK without end", [](Bundle& b) { limit_to(b, "RLIMIT_MEMLOCK", ~0ULL); }},
    {"CORE of 0", [](Bundle& b) { limit_to(b, "RLIMIT_CORE", 0); }},
    {"oom score", [](Bundle& b) { b.config["process"]["oomScoreAdj"] = 500; }},
    {"oom score below", [](Bundle& b) { b.config["process"]["oomScoreAdj"] = -900; }},
    {"memory limit", [](Bundle& b) { b.config["linux"]["resources"]["memory"]["limit"] = 64 << 20; }},
    {"pids limit", [](Bundle& b) { b.config["linux"]["resources"]["pids"]["limit"] = 100; }},
    {"unified limit without a controller",
     [](Bundle& b) {
       b.config["linux"]["resources"]["unified"] = {{"cgroup.max.depth", "5"}};
     }},
    {"hugepages",
     [](Bundle& b) {
       b.config["linux"]["resources"]["hugepageLimits"] = {{{"pageSize", "2MB"}, {"limit", 1 << 21}}};
     }},
    {"cgroupsPath", [](Bundle& b) { b.config["linux"]["cgroupsPath"] = "/check/one"; }},
    {"cgroupsPath of the root", [](Bundle& b) { b.config["linux"]["cgroupsPath"] = "/"; }},
    {"user of another id",
     [](Bundle& b) {
       b.config["process"]["user"] = {{"uid", 12}, {"gid", 12}};
     }},
    {"user beyond the maps",
     [](Bundle& b) {
       b.config["process"]["user"] = {{"uid", 700000}, {"gid", 0}};
     }},
    {"joined namespace missing", [](Bundle& b) { b.join_namespace("uts", "/not/there"); }},
    {"joined namespace of another type", [](Bundle& b) { b.join_namespace("uts", "/proc/self/ns/ipc"); }},
    {"joined namespace", [](Bundle& b) { b.join_namespace("ipc", "/proc/self/ns/ipc"); }},
    {"no network namespace", [](Bundle& b) { b.drop_namespace("network"); }},
    {"hook missing",
     [](Bundle& b) {
       b.config["hooks"]["createRuntime"] = {{{"path", "/not/there"}}};
     }},
    {"hook",
     [](Bundle& b) {
       b.config["hooks"]["prestart"] = {{{"path", "/bin/true"}}};
     }},
    {"hook that fails",
     [](Bundle& b) {
       b.config["hooks"]["createContainer"] = {{{"path", "/bin/false"}}};
     }},
    {"seccomp",
     [](Bundle& b) {
       b.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"},
                                       {"syscalls", {{{"names", {"reboot"}}, {"action", "SCMP_ACT_ERRNO"}}}}};
     }},
    {"seccomp that allows nothing",
     [](Bundle& b) {
       b.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_KILL_PROCESS"}};
     }},
    {"seccomp agent missing",
     [](Bundle& b) {
       b.config["linux"]["seccomp"] = {{"defaultAction", "SCMP_ACT_ALLOW"},
                                       {"listenerPath", "/not/there"},
                                       {"syscalls", {{{"names", {"reboot"}}, {"action", "SCMP_ACT_NOTIFY"}}}}};
     }},
    {"terminal", [](Bundle& b) { b.config["process"]["terminal"] = true; }},
    {"network device missing", [](Bundle& b) { b.config["linux"]["netDevices"]["none0"] = json::object(); }},
    {"rootfs missing", [](Bundle& b) { b.config["root"]["path"] = "none"; }},
    {"invalid", [](Bundle& b) { b.config["process"]["cwd"] = "relative"; }},
    {"unknown property", [](Bundle& b) { b.config["process"]["agrs"] = json::array(); }},
    {"AppArmor profile", [](Bundle& b) { b.config["process"]["apparmorProfile"] = "none"; }},
    {"real-time scheduler",
     [](Bundle& b) {
       b.config["process"]["scheduler"] = {{"policy", "SCHED_FIFO"}, {"priority", 10}};
     }},
    {"intelRdt",
     [](Bundle& b) {
       b.config["linux"]["intelRdt"] = {{"closID", "one"}};
     }},
    {"device",
     [](Bundle& b) {
       b.config["linux"]["devices"] = {{{"path", "/dev/one"}, {"type", "c"}, {"major", 1}, {"minor", 3}}};
     }},
};

enum class Situation { root, user_namespace, user, delegated };

// Every change alone, and some two at a time, always the same ones.
std::vector<std::vector<const Change*>> pairs() {
  std::vector<std::vector<const Change*>> all;
  for (const Change& change : kChanges) all.push_back({&change});
  constexpr size_t kTwos = 10;
  for (size_t i = 0; i < kTwos; ++i)
    all.push_back({&kChanges[(i * 7 + 5) % kChanges.size()], &kChanges[(i * 13 + 21) % kChanges.size()]});
  return all;
}

class CheckPairs : public Check, public ::testing::WithParamInterface<Situation> {
 protected:
  void prepare(Bundle& bundle) {
    const Situation situation = GetParam();
    if (situation == Situation::user || situation == Situation::delegated) make_rootless(bundle, {"true"});
    bundle.payload({"true"});
    if (situation == Situation::user_namespace) bundle.add_user_namespace();
  }
  Outcome call_here(const std::vector<std::string>& args) const {
    const bool ordinary = GetParam() == Situation::user || GetParam() == Situation::delegated;
    return ordinary ? user_minirun(args) : call(args);
  }
  // Whether a launch can be tried there: an overlay of a user's own needs Linux 6.6 (tmpfs has attributes "user.").
  bool rehearses() {
    Bundle bundle;
    prepare(bundle);
    bundle.write();
    return call_here({"check", bundle.path()}).out.find(": tried\n") != std::string::npos;
  }
};

// 74 bundles in each of four situations: what `check` answers is what `run` does, and it answers all but a few. Only
// run shows what a hook does.
TEST_P(CheckPairs, VerdictIsWhatRunDoes) {
  if (GetParam() == Situation::delegated) delegate_cgroup();
  size_t unknown = 0;
  std::string unanswered;
  // An emulated machine takes some of them, others in each situation.
  const size_t stride = slowness() > 1 ? 4 : 1;
  size_t count = 0;
  for (size_t i = static_cast<size_t>(GetParam()) % stride; i < pairs().size(); i += stride, ++count) {
    const auto pair = pairs()[i];
    Bundle bundle;
    prepare(bundle);
    std::string name;
    for (const Change* change : pair) {
      change->make(bundle);
      name += (name.empty() ? "" : ", ") + std::string(change->name);
    }
    bundle.write();
    const Traces before = take_traces();
    json report = parsed(call_here({"check", "--format", "json", bundle.path()}));
    expect_as_before(before, "check of " + name);
    Outcome ran = call_here({"run", "--bundle", bundle.path(), "pair"});
    const std::string verdict = report.value("verdict", "");
    if (verdict == "yes") {
      EXPECT_EQ(ran.code, 0) << name << ": " << describe(ran) << report.dump(1);
    } else if (verdict == "no") {
      EXPECT_NE(ran.code, 0) << name << ":\n" << lines(report, "no");
    } else {
      ++unknown;
      unanswered += "\n" + name + " (run: " + std::to_string(ran.code) + ")\n  " + lines(report, "unknown");
    }
  }
  RecordProperty("unknown", static_cast<int>(unknown));
  // A kernel that loads modules may have any filesystem.
  const size_t modules = access("/proc/modules", F_OK) == 0 ? 1 : 0;
  const size_t most = (rehearses() ? count / 20 + modules : count * 3 / 5) + (stride > 1 ? 2 : 0);
  EXPECT_LE(unknown, most) << "of " << count << ", without an answer:" << unanswered;
}

std::string situation_name(const ::testing::TestParamInfo<Situation>& info) {
  static const std::vector<std::string> kNames = {"Root", "UserNamespace", "User", "Delegated"};
  return kNames[static_cast<size_t>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Situations, CheckPairs,
                         ::testing::Values(Situation::root, Situation::user_namespace, Situation::user,
                                           Situation::delegated),
                         situation_name);

}  // namespace
}  // namespace minirun::testing
