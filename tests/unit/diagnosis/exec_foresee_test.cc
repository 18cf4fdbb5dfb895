// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "runtime/diagnosis/exec_diagnosis.h"
#include "sys/fd.h"
#include "tests/support/temporary_directory.h"

namespace minirun {
namespace {

// What `create` may refuse and what only execve can find out.
TEST(ForeseeExec, RefusesOnlyWhatSurelyFails) {
  TemporaryDirectory root;
  root.make_directory("bin");
  root.make_directory("sbin");
  root.write("bin/good", "#!/nothere\n", 0755);
  root.write("bin/plain", "text", 0644);
  root.write("sbin/plain", "text", 0755);
  UniqueFd fd(open(root.path().c_str(), O_PATH | O_CLOEXEC));
  auto foreseen = [&](const std::string& argv0, const std::string& search_path = "/bin") {
    ExecFailure failure;
    failure.root_fd = fd.get();
    failure.argv0 = argv0;
    failure.search_path = search_path;
    auto diagnosis = foresee_exec(failure);
    return diagnosis ? fmt::format("{} {}", diagnosis->exit_status, diagnosis->text()) : "";
  };
  EXPECT_EQ(foreseen("/bin/good"), "");
  EXPECT_EQ(foreseen("good"), "");
  EXPECT_EQ(foreseen("bin/good"), "");
  EXPECT_EQ(foreseen("plain", "/bin:/sbin"), "");
  EXPECT_EQ(foreseen("/bin/none"), "127 exec /bin/none: no such file or directory");
  EXPECT_EQ(foreseen("/bin/good/none"), "127 exec /bin/good/none: not a directory");
  EXPECT_EQ(foreseen("/bin"), "126 exec /bin: is a directory");
  EXPECT_EQ(foreseen("/bin/plain"), "126 exec /bin/plain: permission denied (it has no execute permission: mode 0644)");
  EXPECT_EQ(foreseen("plain"), "126 exec /bin/plain: permission denied (it has no execute permission: mode 0644)");
  EXPECT_EQ(foreseen("none"), "127 exec: \"none\": executable file not found in $PATH (PATH is /bin)");
  EXPECT_EQ(foreseen("none", ""), "127 exec: \"none\": executable file not found in $PATH (PATH is not set)");
  fd.reset(open("/", O_PATH | O_CLOEXEC));
  EXPECT_EQ(foreseen("/proc/self/exe"), "");  // what it is only the kernel knows
}

}  // namespace
}  // namespace minirun
