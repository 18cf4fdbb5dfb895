// process.*: what the workload finds itself to be.
#include "tests/integration/fixture.h"

namespace minirun::testing {
namespace {

class Process : public MinirunTest {};

TEST_F(Process, ExitStatusComesBack) {
  Bundle bundle;
  for (int code : {0, 1, 42, 255}) {
    bundle.payload({"exit", std::to_string(code)});
    Outcome outcome = run(bundle);
    EXPECT_EQ(outcome.code, code) << describe(outcome);
    EXPECT_EQ(outcome.err, "");
  }
}

}  // namespace
}  // namespace minirun::testing
