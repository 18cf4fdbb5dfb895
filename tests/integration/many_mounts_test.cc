// SPDX-License-Identifier: Apache-2.0
// More mounts from the host than a process may have open: their sources come in turns (kSourcesOfATurn in
// namespaces/plan.h).
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

constexpr int kMany = 1100;

StartOptions with_open_files(rlim_t soft, rlim_t hard) {
  StartOptions options;
  options.in_child = [soft, hard] {
    rlimit limit{soft, hard};
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(97);
  };
  return options;
}

std::string target(int number) {
  return "/many/" + std::to_string(number);
}

class ManyMounts : public MinirunTest {
 protected:
  // Each has a file of its own as its source.
  static void add_binds(Bundle& bundle, int count) {
    make_folders(bundle.path() + "/sources");
    for (int i = 0; i < count; ++i) {
      const std::string source = bundle.path() + "/sources/" + std::to_string(i);
      write_new_file(source, std::to_string(i) + "\n", 0644);
      bundle.add_mount(target(i), "bind", source, {"bind"});
    }
  }
  static void show_some(Bundle& bundle) {
    bundle.payload({"files", target(0), target(63), target(64), target(127), target(128), target(kMany - 1)});
  }
  static constexpr const char* kSome = "0\n63\n64\n127\n128\n1099\n";
};

TEST_F(ManyMounts, MoreThanThereMayBeDescriptors) {
  Bundle bundle;
  add_binds(bundle, kMany);
  show_some(bundle);
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}, {"--no-pivot"}}) {
    Outcome outcome = run(bundle, flags, with_open_files(256, 256));
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.out, kSome);
  }
}

TEST_F(ManyMounts, InAUserNamespaceToo) {
  Bundle bundle;
  bundle.add_user_namespace();
  add_binds(bundle, kMany);
  show_some(bundle);
  Outcome outcome = run(bundle, {}, with_open_files(256, 256));
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, kSome);
}

TEST_F(ManyMounts, InAPidNamespaceOfOthersToo) {
  Bundle other;
  other.payload({"pause"});
  Running container(run_command(other, {"--pid-file", kPidFile}), {});
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  Bundle bundle;
  bundle.join_namespace("pid", "/proc/" + std::to_string(container_pid()) + "/ns/pid");
  add_binds(bundle, kMany);
  show_some(bundle);
  bundle.write();
  Outcome outcome = call({"run", "--bundle", bundle.path(), id() + "-2"}, with_open_files(256, 256));
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, kSome);
  container.send(SIGTERM);
  container.finish();
}

TEST_F(ManyMounts, OfALaterTurnCanBeChangedStill) {
  Bundle bundle;
  add_binds(bundle, 200);
  bundle.add_mount(target(100), "", "", {"remount", "bind", "ro"});
  bundle.add_mount(target(199), "", "", {"remount", "bind", "ro"});
  bundle.payload({"opens", "w:" + target(99), "w:" + target(100), "w:" + target(199)});
  Outcome outcome = run(bundle);
  EXPECT_EQ(outcome.out, "/many/99 0\n/many/100 30\n/many/199 30\n") << describe(outcome);
}

TEST_F(ManyMounts, MissingSourceOfALaterTurnIsNamed) {
  Bundle bundle;
  add_binds(bundle, 200);
  const size_t last = bundle.config["mounts"].size();
  bundle.add_mount("/data", "bind", "/no/such/source", {"bind"});
  bundle.payload({"true"});
  expect_refused(run(bundle), {"/mounts/" + std::to_string(last), "/no/such/source", "no such file or directory"});
}

// One that is lower than what is open at once is raised for minirun alone.
TEST_F(ManyMounts, TheWorkloadHasTheCallersLimit) {
  Bundle bundle;
  add_binds(bundle, 200);
  for (const std::vector<std::string>& flags : {std::vector<std::string>{}, {"--no-init"}}) {
    json limits = report(bundle, flags, with_open_files(80, 4096))["rlimits"];
    EXPECT_EQ(limits["RLIMIT_NOFILE"], json({80, 4096}));
  }
  bundle.config["process"]["rlimits"] = {{{"type", "RLIMIT_NOFILE"}, {"soft", 90}, {"hard", 100}}};
  EXPECT_EQ(report(bundle, {}, with_open_files(80, 4096))["rlimits"]["RLIMIT_NOFILE"], json({90, 100}));
}

// A hook is a process of the caller's, and so is what minirun starts later.
TEST_F(ManyMounts, HooksHaveTheCallersLimit) {
  Bundle bundle;
  add_binds(bundle, 200);
  const std::string seen = bundle.path() + "/seen";
  bundle.config["hooks"]["createRuntime"] =
      json::array({{{"path", "/bin/sh"}, {"args", {"sh", "-c", "ulimit -Sn > " + seen}}}});
  bundle.payload({"true"});
  Outcome outcome = run(bundle, {}, with_open_files(80, 4096));
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(content(seen), "80");
}

}  // namespace
}  // namespace minirun::testing
