// SPDX-License-Identifier: Apache-2.0
// A container with a tracer, which attaches to each process that it can see and says what it could take from it
// (tests/support/payload/tracer.cc).
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>

#include "tests/attacks/attack.h"

namespace minirun::testing {

// $MINIRUN_ATTACK_ROUNDS, or 50.
inline int rounds() {
  const char* asked = getenv("MINIRUN_ATTACK_ROUNDS");
  return asked == nullptr ? 50 : atoi(asked);
}

// noNewPrivileges is off: loading it takes CAP_SYS_ADMIN.
inline void add_filter(Bundle& bundle, const std::vector<std::string>& names = {"getppid", "clone3"}) {
  bundle.config["process"]["noNewPrivileges"] = false;
  bundle.config["linux"]["seccomp"] = {
      {"defaultAction", "SCMP_ACT_ALLOW"},
      {"syscalls", {{{"names", names}, {"action", "SCMP_ACT_ERRNO"}, {"errnoRet", 38}}}}};
}

// The kinds of what was found: "[program /bin/x]" is "program".
inline std::set<std::string> kinds(const std::string& said) {
  std::set<std::string> found;
  for (size_t at = said.find('['); at != std::string::npos; at = said.find('[', at + 1)) {
    std::string finding = said.substr(at + 1, said.find(']', at) - at - 1);
    bool named = finding.starts_with("program ") || finding.starts_with("memory ") ||
                 finding.starts_with("descriptor ") || finding.starts_with("label ");
    found.insert(named ? finding.substr(0, finding.find(' ')) : finding);
  }
  return found;
}

class Tracer : public Attack {
 protected:
  void SetUp() override {
    Attack::SetUp();
    alarm(600);  // many rounds, beside other tests
  }

  void start_tracer(Bundle& bundle, const std::vector<std::string>& flags = {},
                    const std::vector<std::string>& payload = {"trace"}) {
    bundle.add_capability("CAP_SYS_PTRACE");
    bundle.payload(payload);
    start_saying(bundle, flags);
  }

  std::string end_and_hear() { return Attack::end_and_hear("findings"); }

  // Every way of exec; what was seen of them.
  std::string trace_execs(Bundle& bundle, const std::vector<std::string>& flags = {}) {
    start_tracer(bundle, flags);
    for (int i = 0; i < rounds(); ++i) {
      const std::vector<std::string> ways[] = {{}, {"--detach"}, {"--tty"}};
      EXPECT_EQ(exec(ways[i % 3], {"/bin/payload", "true"}).code, 0);
    }
    return end_and_hear();
  }

  // Nothing but these kinds is found, and each of them is, if not in the first containers then in one of the next.
  template <class Trace>
  static void expect_exactly(const std::set<std::string>& expected, Trace trace) {
    std::set<std::string> found;
    std::string all;
    for (int i = 0; i < 20 && found != expected && !HasFailure(); ++i) {
      std::string said = trace();
      found.merge(kinds(said));
      all += said;
      EXPECT_TRUE(std::includes(expected.begin(), expected.end(), found.begin(), found.end())) << said;
    }
    EXPECT_EQ(found, expected) << all;
  }
};

}  // namespace minirun::testing
