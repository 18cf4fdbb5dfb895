// SPDX-License-Identifier: Apache-2.0
// The fixture of the upgrade tests: two miniruns, that of commit 65916da and this one, and containers that one of them
// makes and the other one manages.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/descriptors.h"
#include "tests/support/fixture.h"

namespace minirun::testing {

// A kind of container, and what holds it up from outside: the terminal, the agent.
struct Kind {
  std::string name;
  std::function<void(Bundle&)> change;
  bool terminal = false;
  bool listener = false;
  bool hooks = false;
};

std::vector<Kind> all_kinds();

class Upgrade : public MinirunTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  Outcome call_by(const std::string& minirun, const std::vector<std::string>& args) const;
  // create, or run --detach; false when it failed.
  bool make(const std::string& maker, const std::string& verb, const Kind& kind, bool init);
  // `start` by this one, which has to succeed.
  void start_by(const std::string& manager, const Kind& kind);
  std::string status_by(const std::string& manager) const;
  // Every command that a running container takes and goes on, and those that refuse it.
  void manage(const std::string& manager) const;
  // Three ends: the workload's own, `stop`, `delete --force`.
  void end_by_kill(const std::string& manager) const;
  void end_by_stop(const std::string& manager) const;
  void end_by_force(const std::string& manager) const;
  // What the hooks of this container have written, in their order by time of kAllHooks.
  std::string hooks_that_ran() const;

  // The bundle of the container that make() makes.
  Bundle& bundle() { return *bundle_; }
  void close_outside();

  std::string old_, now_;
  std::string root_ = kState;
  StartOptions options_;  // of every call

 private:
  void take_listener();
  std::unique_ptr<Bundle> bundle_;
  UniqueFd console_, terminal_, agent_, notifications_;
};

}  // namespace minirun::testing
