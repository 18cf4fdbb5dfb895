// SPDX-License-Identifier: Apache-2.0
// The fixture of every integration test: runs minirun, and after each test proves that nothing was left behind.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "tests/support/bundle.h"
#include "tests/support/command.h"

namespace minirun::testing {

// What a container could leave behind, as lines for people: "cgroup /x", "mount 41 ... /y", "process 7 minirun",
// "file /run/tests/state/x".
using Traces = std::set<std::string>;
Traces take_traces();
// So that the next test starts as this one did: kills, unmounts and removes them, as far as that can be done.
void remove_traces(const Traces& traces);

class MinirunTest : public ::testing::Test {
 protected:
  void SetUp() override;
  // Fails the test if it left more (or fewer) traces than before it, and removes what it can.
  void TearDown() override;

  // minirun --root STATE ARGS...
  std::vector<std::string> minirun(const std::vector<std::string>& args) const;
  Outcome call(const std::vector<std::string>& args, const StartOptions& options = {}) const;

  // Writes the bundle and runs it in the foreground: minirun run FLAGS... --bundle PATH ID.
  Outcome run(const Bundle& bundle, const std::vector<std::string>& flags = {}, const StartOptions& options = {}) const;
  // The same with --detach, and without a reader of the workload's output, which must not end it.
  Outcome detach(const Bundle& bundle, std::vector<std::string> flags = {}) const;
  std::vector<std::string> run_command(const Bundle& bundle, const std::vector<std::string>& flags = {}) const;

  // Runs `payload report ARGS...` in the bundle and returns what it saw; a null value and a failed test otherwise.
  nlohmann::json report(Bundle& bundle, const std::vector<std::string>& flags = {},
                        const StartOptions& options = {}) const;

  // Fails unless the outcome is that of a refused configuration: status 1, nothing on stdout, and on stderr one message
  // with every one of the texts.
  static void expect_refused(const Outcome& outcome, const std::vector<std::string>& texts);

  // Fails, naming what is new, unless all is as before within some seconds, since what was killed may not be reaped
  // yet.
  static void expect_as_before(const Traces& before, const std::string& after);

  // The id that run() uses, another one for each test.
  const std::string& id() const { return id_; }

  // For --pid-file. The pid in it, waited for: a foreground run writes it when the workload may run already. Ends the
  // test program if none exists: 0 and -1 mean other things to kill(2).
  static constexpr const char* kPidFile = "/run/tests/pid";
  static pid_t container_pid();

  static constexpr const char* kState = "/run/tests/state";

 private:
  Traces before_;
  std::string id_;
};

// Whether the tests' cgroup root has this controller for the containers.
bool has_controller(const std::string& name);
bool has_capability(int number);
// A file's content without the newline at its end, or "(none)".
std::string content(const std::string& path);
std::string link_target(const std::string& path);
// The cgroup folders that are not in the older traces.
std::vector<std::string> new_cgroups(const Traces& before);

}  // namespace minirun::testing

// In a test's body: skips it, naming what is missing.
#define REQUIRE_CONTROLLER(name) \
  if (!::minirun::testing::has_controller(name)) GTEST_SKIP() << "no cgroup2 " << (name) << " controller"
#define REQUIRE_CAPABILITY(capability) \
  if (!::minirun::testing::has_capability(capability)) GTEST_SKIP() << "no " #capability
