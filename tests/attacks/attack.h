// SPDX-License-Identifier: Apache-2.0
// The fixture of the attack tests: a folder of the host with canaries, and what no container may change. After each
// test they are as they were, whatever minirun made of the attack; nothing is left behind
// (tests/support/fixture.h).
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/fixture.h"

namespace minirun::testing {

// Exchanges two paths as fast as it can, in a process of its own, as long as the object lives.
class Racer {
 public:
  Racer(const std::string& a, const std::string& b);
  ~Racer();
  Racer(const Racer&) = delete;
  Racer& operator=(const Racer&) = delete;

 private:
  pid_t pid_ = -1;
};

class Attack : public MinirunTest {
 protected:
  // A folder of the host: files `precious` (content "precious") and `null`, `ptmx`, `console`, `file`, folders `folder`
  // and `folder/deeper`.
  static constexpr const char* kHost = "/run/tests/host";

  void SetUp() override;
  void TearDown() override;

  // Runs the bundle; it must be refused with status 1, or run with status 0. True when it ran.
  bool run_or_refuse(const Bundle& bundle, const std::vector<std::string>& flags = {});
  // The payload's words are the container's own: nothing of the host's folder is in them.
  void expect_nothing_of_the_host(const Outcome& outcome);
  Outcome exec(const std::vector<std::string>& flags, const std::vector<std::string>& command,
               const StartOptions& options = {}) const;
  // A container that stays, until end().
  void start(Bundle& bundle, const std::vector<std::string>& payload = {"pause"},
             const std::vector<std::string>& flags = {});
  void end() const { EXPECT_EQ(call({"delete", "--force", id()}).code, 0); }
  static constexpr const char* kSaid = "/run/tests/said";
  // The bundle as it is, detached; its stdout is that file, on which it says "ready" first.
  void start_saying(const Bundle& bundle, const std::vector<std::string>& flags);
  // Ends what start_saying() has started, by TERM: all that it had said when this was in it.
  std::string end_and_hear(const std::string& awaited);

 private:
  std::vector<std::string> canaries_;
};

}  // namespace minirun::testing
