// SPDX-License-Identifier: Apache-2.0
// What every command says to a wrong use, and the flags that no other test gives.
#include <map>

#include "tests/support/exec_fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;
using Words = std::vector<std::string>;

// The commands for an existing container, with what must follow the id.
const std::map<std::string, Words> kOfAContainer = {
    {"start", {}},  {"exec", {"true"}}, {"state", {}},  {"ps", {}},     {"kill", {}},   {"stop", {}},  {"wait", {}},
    {"delete", {}}, {"pause", {}},      {"resume", {}}, {"update", {}}, {"events", {}}, {"doctor", {}}};
// All that know flags of their own, with what each has to have at least.
const std::map<std::string, Words> kOfABundle = {{"run", {}},  {"create", {"x"}}, {"plan", {}}, {"check", {}},
                                                 {"spec", {}}, {"features", {}},  {"list", {}}, {"top", {}}};

class Flags : public ExecTest {
 protected:
  Outcome call_of(const std::string& command, const Words& before, const Words& after) const {
    Words args = {command};
    args.insert(args.end(), before.begin(), before.end());
    args.insert(args.end(), after.begin(), after.end());
    return call(args);
  }
  static void expect_usage(const Outcome& outcome, const std::string& command, const std::string& text) {
    EXPECT_EQ(outcome.code, command == "exec" ? 255 : 1) << command << ": " << describe(outcome);
    EXPECT_EQ(outcome.out, "") << command;
    EXPECT_NE(outcome.err.find(text), std::string::npos) << command << ": " << describe(outcome);
  }
};

TEST_F(Flags, UnknownOnesAreNamedByEveryCommand) {
  for (const auto* commands : {&kOfAContainer, &kOfABundle}) {
    for (const auto& [command, rest] : *commands) {
      expect_usage(call_of(command, {"--no-such-flag", "x"}, rest), command, "--no-such-flag");
      EXPECT_EQ(call({command, "--help"}).code, 0) << command;
    }
  }
}

TEST_F(Flags, IdIsWanted) {
  for (const auto& [command, rest] : kOfAContainer) {
    expect_usage(call({command}), command, "ID");
    Outcome outcome = call_of(command, {"never-was"}, rest);
    EXPECT_EQ(outcome.code, command == "exec" ? 255 : 1) << describe(outcome);
    EXPECT_NE(outcome.err.find("never-was: container does not exist\n"), std::string::npos) << describe(outcome);
    outcome = call_of(command, {"a/b"}, rest);
    EXPECT_EQ(outcome.code, command == "exec" ? 255 : 1) << describe(outcome);
    EXPECT_NE(outcome.err.find("invalid container id"), std::string::npos) << describe(outcome);
    if (command != "exec" && command != "ps" && command != "kill")
      expect_usage(call({command, "one", "two"}), command, "two");
  }
}

TEST_F(Flags, WrongValuesAreTold) {
  start();
  for (const Words& words : std::vector<Words>{{"kill", id(), "NOSUCHSIGNAL"},
                                               {"kill", id(), "65"},
                                               {"kill", id(), "-1"},
                                               {"stop", "--signal", "NOSUCHSIGNAL", id()},
                                               {"stop", "--timeout", "soon", id()},
                                               {"list", "--format", "yaml"},
                                               {"ps", "--format", "yaml", id()},
                                               {"plan", "--format", "yaml"},
                                               {"check", "--format", "yaml"},
                                               {"check", "--overlay=soon", "."},
                                               {"check", "--keep-changes", "", "."},
                                               {"events", "--interval", "soon", id()},
                                               {"doctor", "--interval", "soon", id()},
                                               {"doctor", "--format", "yaml", id()},
                                               {"top", "--delay", "soon"},
                                               {"top", "--format", "yaml"},
                                               {"run", "--preserve-fds", "-1"},
                                               {"run", "--preserve-fds", "many"},
                                               {"create", "--preserve-fds", "9", "other"},
                                               {"run", "--overlay=soon"},
                                               {"run", "--overlay="},
                                               {"run", "--overlay=4095"},
                                               {"run", "--keep-changes", ""},
                                               {"create", "--overlay=default", "other"},
                                               {"create", "--overlay=8m", "--keep-changes", "/x", "other"}}) {
    Outcome outcome = call(words);
    EXPECT_EQ(outcome.code, 1) << words[0] << " " << words[1] << describe(outcome);
    EXPECT_NE(outcome.err, "") << words[0];
  }
  EXPECT_EQ(exec({"--preserve-fds", "9"}, {"/bin/payload", "true"}).code, 255);
  for (const char* flag : {"--blkio-weight", "--cpu-period", "--cpu-quota", "--cpu-burst", "--cpu-share", "--cpu-idle",
                           "--cpuset-cpus", "--cpuset-mems", "--memory", "--memory-reservation", "--memory-swap",
                           "--kernel-memory", "--kernel-memory-tcp", "--pids-limit", "--resources"})
    expect_usage(call({"update", flag, "nonsense", id()}), flag, flag[2] == 'r' ? "nonsense" : flag);
  EXPECT_EQ(json::parse(call({"state", id()}).out)["status"], "running");
  end();
}

TEST_F(Flags, ExecTakesThoseOfRunc) {
  bundle_.config["process"]["noNewPrivileges"] = false;
  start();
  auto report = [&](const Words& flags) {
    Outcome outcome = exec(flags, {"/bin/payload", "report"});
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    json seen = json::parse(outcome.out, nullptr, false);
    return seen.is_object() ? seen : json::object();
  };
  EXPECT_EQ(report({})["no_new_privs"], 0);
  EXPECT_EQ(report({"--no-new-privs"})["no_new_privs"], 1);
  EXPECT_EQ(report({"--no-new-privs=false"})["no_new_privs"], 0);
  EXPECT_EQ(report({"--additional-gids", "7", "--additional-gids=8"})["groups"], json({7, 8}));
  EXPECT_EQ(report({"--no-tty", "--no-subreaper"})["fds"].size(), 3U);
  json process = bundle_.config["process"];
  process["noNewPrivileges"] = true;
  process["args"] = {"/bin/payload", "report"};
  write_new_file(bundle_.path() + "/process.json", process.dump(), 0644);
  Outcome outcome = exec({"-p", bundle_.path() + "/process.json"}, {});
  EXPECT_EQ(json::parse(outcome.out, nullptr, false)["no_new_privs"], 1) << describe(outcome);
  end();
}

}  // namespace
}  // namespace minirun::testing
