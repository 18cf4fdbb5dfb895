// SPDX-License-Identifier: Apache-2.0
// For tests of checkpoint and restore: a folder for images, and a criu that only does what the test says.
#pragma once

#include <unistd.h>

#include <csignal>

#include "tests/support/fixture.h"

namespace minirun::testing {

class CheckpointTest : public MinirunTest {
 protected:
  static constexpr const char* kFolder = "/run/tests/criu";
  const std::string images_ = std::string(kFolder) + "/images";

  void SetUp() override {
    MinirunTest::SetUp();
    make_folders(kFolder);
  }
  void TearDown() override {
    remove_tree(kFolder);
    (void)unlink("/run/criu.kdat");  // what a real one remembers of the kernel
    MinirunTest::TearDown();
  }

  // A program named criu, first in PATH.
  static void fake(const std::string& script) {
    write_new_file(std::string(kFolder) + "/criu", "#!/bin/sh\n" + script, 0755);
  }
  Outcome call_with(const std::string& path, const std::vector<std::string>& args) const {
    StartOptions options;
    options.env = {"PATH=" + path};
    return call(args, options);
  }
  Outcome call_fake(const std::vector<std::string>& args) const { return call_with(kFolder, args); }

  void start_without_init(Bundle& bundle) {
    bundle.payload({"exit-on", std::to_string(SIGTERM), "0"});
    Outcome outcome = detach(bundle, {"--no-init"});
    ASSERT_EQ(outcome.code, 0) << describe(outcome);
  }
  std::string status() const { return nlohmann::json::parse(call({"state", id()}).out)["status"]; }
};

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace minirun::testing
