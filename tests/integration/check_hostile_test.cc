// SPDX-License-Identifier: Apache-2.0
// `minirun check` of bundles on filesystems that do not answer, and what it takes of a processor.
#include "tests/support/check_fixture.h"
#include "tests/support/hung_filesystem.h"
#include "tests/support/processor_time.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class CheckHangs : public Check {
 protected:
  // It ends by itself, in 10 s and what the machine takes, and names what hangs.
  void expect_unknown(const std::string& path, const std::string& pointer, const std::string& what) {
    Running looks(minirun({"check", "--format", "json", path}), {});
    Outcome outcome = looks.finish(15'000 + 5'000 * slowness());
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
    json report = parsed(outcome);
    EXPECT_EQ(report["verdict"], "unknown");
    EXPECT_EQ(report["bundle"], path);
    const json& last = report["lines"].back();
    EXPECT_EQ(last.value("pointer", ""), pointer) << last;
    EXPECT_NE(last["message"].get<std::string>().find(what), std::string::npos) << last;
    EXPECT_NE(last["message"].get<std::string>().find("did not answer within 10 s"), std::string::npos) << last;
    EXPECT_EQ(lines(report, "no"), "");
  }
};

TEST_F(CheckHangs, BundleThatDoesNotAnswer) {
  if (!HungFilesystem::is_possible()) GTEST_SKIP() << "no FUSE";
  Bundle bundle;
  HungFilesystem hung(bundle.path() + "/hung");
  expect_unknown(bundle.path() + "/hung/bundle", "", bundle.path() + "/hung/bundle");
  hung.abort();
}

TEST_F(CheckHangs, SourceThatDoesNotAnswer) {
  if (!HungFilesystem::is_possible()) GTEST_SKIP() << "no FUSE";
  Bundle bundle;
  HungFilesystem hung(bundle.path() + "/hung");
  bundle.add_mount("/data", "bind", bundle.path() + "/hung/data", {"bind"});
  bundle.write();
  const std::string pointer = "/mounts/" + std::to_string(bundle.config["mounts"].size() - 1);
  expect_unknown(bundle.path(), pointer, bundle.path() + "/hung/data");
  hung.abort();
}

// The source answers, and what is mounted in it does not.
TEST_F(CheckHangs, LaunchThatDoesNotEnd) {
  if (!HungFilesystem::is_possible()) GTEST_SKIP() << "no FUSE";
  Bundle bundle;
  HungFilesystem hung(bundle.path() + "/hung");
  bundle.add_mount("/hung", "bind", bundle.path() + "/hung", {"bind"});
  bundle.add_mount("/hung/deeper", "tmpfs", "tmpfs");
  bundle.write();
  expect_unknown(bundle.path(), "", "the launch that is tried");
  hung.abort();
}

// The goal: no command takes more than 20 ms of CPU for one container.
TEST_F(Check, TakesLittleOfAProcessor) {
  if (slowness() > 1) GTEST_SKIP() << "an emulated processor counts other time";
  Bundle bundle;
  bundle.payload({"true"});
  bundle.write();
  Bundle filtered;
  ASSERT_EQ(call({"spec", "--bundle", filtered.path(), "--seccomp", "default", "--", "/bin/payload", "true"}).code, 0);
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"check", bundle.path()}, {"check", filtered.path()}, {"check"}}) {
    const int64_t each = least_cpu_us(5, [&] { EXPECT_EQ(call(args).code, 0); });
    RecordProperty("cpu_us", static_cast<int>(each));
    EXPECT_LE(each, 20'000) << "microseconds for " << args.back();
  }
}

}  // namespace
}  // namespace minirun::testing
