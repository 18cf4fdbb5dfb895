// SPDX-License-Identifier: Apache-2.0
// A container that runs, for `exec`.
#pragma once

#include <string>
#include <vector>

#include "tests/support/fixture.h"

namespace minirun::testing {

class ExecTest : public MinirunTest {
 protected:
  void start(const std::vector<std::string>& payload = {"pause"}) {
    bundle_.payload(payload);
    Outcome outcome = detach(bundle_, {"--pid-file", kPidFile});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  // minirun exec FLAGS... ID COMMAND...
  std::vector<std::string> exec_command(const std::vector<std::string>& flags,
                                        const std::vector<std::string>& command) const {
    std::vector<std::string> args = {"exec"};
    args.insert(args.end(), flags.begin(), flags.end());
    args.push_back(id());
    args.insert(args.end(), command.begin(), command.end());
    return minirun(args);
  }
  Outcome exec(const std::vector<std::string>& flags, const std::vector<std::string>& command,
               const StartOptions& options = {}) const {
    return Running(exec_command(flags, command), options).finish();
  }
  void end() const { EXPECT_EQ(call({"delete", "--force", id()}).code, 0); }
  Bundle bundle_;
};

}  // namespace minirun::testing
