// SPDX-License-Identifier: Apache-2.0
// `minirun events`: runc's JSON, once and as a stream.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "tests/support/fixture.h"
#include "tests/support/input.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Events : public MinirunTest {
 protected:
  void start(Bundle& bundle, const std::vector<std::string>& args) {
    bundle.payload(args);
    Outcome outcome = detach(bundle);
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  json stats() {
    Outcome outcome = call({"events", "--stats", id()});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.out.find('\n'), outcome.out.size() - 1) << "one line";
    return json::parse(outcome.out, nullptr, false);
  }
  static std::vector<json> lines_of(const std::string& text) {
    std::vector<json> all;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) all.push_back(json::parse(line, nullptr, false));
    return all;
  }
};

TEST_F(Events, StatsAreRuncsObject) {
  Bundle bundle;
  start(bundle, {"burn", "60"});
  json first = stats();
  EXPECT_EQ(first["type"], "stats");
  EXPECT_EQ(first["id"], id());
  EXPECT_TRUE(
      eventually([&] { return stats()["data"]["cpu"]["usage"]["total"] > first["data"]["cpu"]["usage"]["total"]; }));
  for (const char* key : {"cpu", "memory", "pids", "blkio", "hugetlb", "intel_rdt"})
    EXPECT_TRUE(first["data"][key].is_object()) << key;
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Events, StatsHaveWhatTheControllersCount) {
  REQUIRE_CONTROLLER("memory");
  REQUIRE_CONTROLLER("pids");
  Bundle bundle;
  bundle.config["linux"]["resources"] = {{"memory", {{"limit", 67108864}}}, {"pids", {{"limit", 20}}}};
  start(bundle, {"pause"});
  json data = stats()["data"];
  EXPECT_EQ(data["memory"]["usage"]["limit"], 67108864);
  EXPECT_GT(data["memory"]["usage"]["usage"], 0);
  EXPECT_TRUE(data["memory"]["raw"].contains("anon"));
  EXPECT_EQ(data["memory"]["event_count"]["oom_kill"], 0);
  EXPECT_EQ(data["pids"], json::parse(R"({"current":2,"limit":21})"));
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Events, StreamIsALineEachIntervalUntilTheEnd) {
  Bundle bundle;
  start(bundle, {"pause"});
  Running stream(minirun({"events", "--interval", "100ms", id()}), {});
  ASSERT_TRUE(stream.wait_for("\n{")) << "flushed while it goes on: " << stream.err();
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  Outcome outcome = stream.finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out.back(), '\n');
  for (const json& line : lines_of(outcome.out)) {
    EXPECT_EQ(line["type"], "stats");
    EXPECT_EQ(line["id"], id());
  }
  EXPECT_EQ(call({"delete", id()}).code, 0);
}

TEST_F(Events, NothingIsPrintedBeforeTheFirstInterval) {
  Bundle bundle;
  start(bundle, {"pause"});
  Running stream(minirun({"events", id()}), {});  // five seconds
  usleep(300000);
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
  Outcome outcome = stream.finish(3000);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_EQ(outcome.out, "");
}

TEST_F(Events, IntervalsThatAreNoneAreRefused) {
  Bundle bundle;
  start(bundle, {"pause"});
  for (const char* bad : {"--interval=5", "--interval=soon", "--interval=-1s"})
    expect_refused(call({"events", bad, id()}), {"--interval", "is not a duration"});
  expect_refused(call({"events", "--interval", "", id()}), {"--interval", "is not a duration"});
  for (const char* zero : {"0", "0s"})
    expect_refused(call({"events", "--interval", zero, id()}), {"--interval: must be greater than 0"});
  EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
}

TEST_F(Events, OomKillIsALineOfItsOwn) {
  REQUIRE_CONTROLLER("memory");
  Bundle bundle;
  if (!bundle.add_busybox({"sh", "sleep"})) GTEST_SKIP() << "no busybox";
  // The first one is killed under it, then it is itself.
  bundle.config["process"]["args"] = {
      "/bin/sh", "-c",
      "echo ready; read line; /bin/payload hog 268435456; echo killed; read line; exec /bin/payload hog 268435456"};
  bundle.config["linux"]["resources"]["memory"] = {{"limit", 33554432}, {"swap", 33554432}};
  Input input;
  Running container(run_command(bundle), input.options());
  ASSERT_TRUE(container.wait_for("ready")) << container.err();
  Running stream(minirun({"events", "--interval", "1h", id()}), {});
  usleep(300000 * static_cast<unsigned>(slowness()));  // it is to look before the first kill
  input.line();
  EXPECT_TRUE(stream.wait_for("{\"type\":\"oom\",\"id\":\"" + id() + "\"}\n")) << stream.err();
  ASSERT_TRUE(container.wait_for("killed"));
  input.line();
  EXPECT_EQ(container.finish().code, 128 + SIGKILL);
  Outcome outcome = stream.finish();
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  for (const json& line : lines_of(outcome.out)) EXPECT_EQ(line["type"], "oom");
}

}  // namespace
}  // namespace minirun::testing
