// SPDX-License-Identifier: Apache-2.0
// A container with hooks that are scripts.
#pragma once

#include <unistd.h>

#include <string>

#include "tests/support/fixture.h"

namespace minirun::testing {

inline constexpr const char* kAllHooks[] = {"prestart",       "createRuntime", "createContainer",
                                            "startContainer", "poststart",     "poststop"};

// Hooks run in the bundle, which is /b in the container.
class HookTest : public MinirunTest {
 protected:
  void SetUp() override {
    MinirunTest::SetUp();
    if (access("/bin/busybox", X_OK) != 0) GTEST_SKIP() << "no busybox";
    ASSERT_TRUE(bundle_.add_busybox({"sh"}));
    bundle_.add_folder("/b");
    bundle_.add_mount("/b", "", bundle_.path(), {"bind"});
  }
  void workload(const std::string& script) { bundle_.config["process"]["args"] = {"/bin/busybox", "sh", "-c", script}; }
  // $b is busybox.
  static nlohmann::json shell(const std::string& script) {
    return {{"path", "/bin/busybox"}, {"args", {"sh", "-c", "b=/bin/busybox; [ ! -d /b ] || cd /b; " + script}}};
  }
  void add(const std::string& kind, const nlohmann::json& hook) { bundle_.config["hooks"][kind].push_back(hook); }

  Bundle bundle_;
};

}  // namespace minirun::testing
