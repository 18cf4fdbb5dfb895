// SPDX-License-Identifier: Apache-2.0
// `minirun top` without a terminal: tables, JSON, and containers that cannot be looked at. top_screen_test.cc has the
// rest.
#include <fmt/format.h>

#include <sstream>

#include "tests/support/doctor_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Top : public Doctor {
 protected:
  json look(const std::vector<std::string>& ids = {}) {
    std::vector<std::string> args = {"top", "--once", "--delay", "100ms", "--format", "json"};
    args.insert(args.end(), ids.begin(), ids.end());
    Outcome outcome = call(args);
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
    json seen = json::parse(outcome.out, nullptr, false);
    EXPECT_EQ(schema_problem(top_schema(), seen), "") << outcome.out;
    return seen.is_object() ? seen["containers"] : json::array();
  }
};

TEST_F(Top, OfNothingIsATitle) {
  EXPECT_EQ(look(), json::array());
  Outcome outcome = call({"top", "-d", "0.01"});
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  EXPECT_TRUE(outcome.out.starts_with("ID ")) << outcome.out;
}

TEST_F(Top, HasARowForEachContainerTheBusiestFirst) {
  ail({"busy", "1"});
  Bundle idle;
  idle.payload({"pause"});
  idle.write();
  UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
  StartOptions unheard;
  unheard.stdout_fd = nowhere.get();
  ASSERT_EQ(call({"run", "--detach", "--bundle", idle.path(), "idle"}, unheard).code, 0);
  json rows;
  EXPECT_TRUE(eventually([&] { return (rows = look())[0]["id"] == id(); })) << rows;
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_GT(rows[0]["cpu_percent"], rows[1]["cpu_percent"]) << rows;
  EXPECT_EQ(rows[1]["processes"], 2) << rows;
  EXPECT_FALSE(rows[0].contains("process_list"));
  EXPECT_EQ(look({id(), "idle"}).size(), 2U);
  Outcome outcome = call({"top", "-d", "100ms"});
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 3) << outcome.out;
  EXPECT_EQ(call({"delete", "--force", "idle"}).code, 0);
  end();
}

TEST_F(Top, OfOneHasARowForEachProcess) {
  ail({"zombies", "3"});
  json rows = look({id()});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["zombies"], 3);
  ASSERT_EQ(rows[0]["process_list"].size(), 5U) << rows;
  int zombies = 0;
  for (const json& process : rows[0]["process_list"]) {
    if (process["state"] != "Z") continue;
    ++zombies;
    EXPECT_FALSE(process.contains("open_files") || process.contains("memory_bytes")) << process;
  }
  EXPECT_EQ(zombies, 3);
  Outcome outcome = call({"top", "--once", "-d", "100ms", id()});
  EXPECT_NE(outcome.out.find("  PID"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find(" minirun-init\n"), std::string::npos) << outcome.out;
  end();
}

TEST_F(Top, WhatHasNoControllerIsUnknown) {
  if (has_controller("memory")) GTEST_SKIP() << "this host has the memory controller";
  ail({"healthy"});
  json row = look()[0];
  for (const char* key : {"memory_bytes", "memory_limit_bytes", "oom_kills", "tasks", "throttled_percent"})
    EXPECT_FALSE(row.contains(key)) << row;
  EXPECT_TRUE(row.contains("cpu_percent")) << row;
  end();
}

// None of them keeps the others from being seen.
TEST_F(Top, RowsOfBrokenContainersSayWhy) {
  ail({"healthy"});
  make_folders(std::string(kState) + "/damaged");
  write_new_file(std::string(kState) + "/damaged/state.json", "{", 0600);
  make_folders(std::string(kState) + "/begun");
  json rows = look();
  ASSERT_EQ(rows.size(), 3U) << rows;
  EXPECT_EQ(rows[0]["id"], id());
  for (const json& row : rows) {
    if (row["id"] == "damaged") {
      EXPECT_NE(row["problem"].get<std::string>().find("state.json"), std::string::npos) << row;
    }
    if (row["id"] == "begun") {
      EXPECT_EQ(row["status"], "creating") << row;
    }
  }
  Outcome outcome = call({"top", "-d", "100ms"});
  EXPECT_NE(outcome.out.find("\ndamaged  "), std::string::npos) << outcome.out;
  EXPECT_EQ(call({"kill", id(), "KILL"}).code, 0);
  EXPECT_TRUE(eventually([&] { return look({id()})[0]["status"] == "stopped"; }));
  remove_tree(std::string(kState) + "/damaged");
  remove_tree(std::string(kState) + "/begun");
  end();
}

TEST_F(Top, OfAPausedContainer) {
  ail({"healthy"});
  EXPECT_EQ(call({"pause", id()}).code, 0);
  EXPECT_EQ(look({id()})[0]["status"], "paused");
  EXPECT_EQ(call({"resume", id()}).code, 0);
  end();
}

TEST_F(Top, StreamIsALineForEachLook) {
  ail({"healthy"});
  Running stream(minirun({"top", "--format", "json", "--delay", "50ms"}), {});
  ASSERT_TRUE(stream.wait_for("}\n{")) << stream.err();
  stream.send(SIGTERM);
  Outcome outcome = stream.finish();
  EXPECT_EQ(outcome.code, -SIGTERM);
  std::istringstream lines(outcome.out);
  std::string line;
  std::getline(lines, line);
  EXPECT_EQ(schema_problem(top_schema(), json::parse(line, nullptr, false)), "") << line;
  end();
}

TEST_F(Top, NamedContainersMustExist) {
  expect_refused(call({"top", "--once", "never-was"}), {"never-was: container does not exist"});
  expect_refused(call({"top", "--once", "a/b"}), {"invalid container id"});
}

TEST_F(Top, DelaysThatAreNoneAreRefused) {
  for (const char* bad : {"--delay=soon", "--delay=-1", "--delay="})
    expect_refused(call({"top", "--once", bad}), {"--delay", "is not a duration"});
  for (const char* bad : {"0", "0.001", "3601", "2h"}) {
    expect_refused(call({"top", "-d", bad}), {"--delay: must be from 0.01 to 3600 seconds"});
    expect_refused(call({"doctor", "--interval", bad, "x"}), {"--interval: must be from 0.01 to 3600 seconds"});
  }
}

}  // namespace
}  // namespace minirun::testing
