// SPDX-License-Identifier: Apache-2.0
// The built minirun-unpack, in a directory of its own with a canary beside the bundle.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "sys/child_program.h"
#include "tests/support/temporary_directory.h"
#include "tests/unpack/image_maker.h"
#include "tests/unpack/tree_list.h"

namespace minirun::unpack::testing {

inline std::string built_program() {
  const char* named = getenv("MINIRUN_UNPACK");
  return named != nullptr ? named : std::filesystem::read_symlink("/proc/self/exe").parent_path() / "minirun-unpack";
}

inline ProgramStart start_of(const std::vector<std::string>& argv) {
  ProgramStart start;
  start.path = argv[0];
  start.arguments = argv;
  start.environment = {"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/root"};
  return start;
}

struct Ended {
  int status = 0;
  std::string out, errors;
};

inline Ended run(const ProgramStart& start) {
  auto ended = run_program(start, std::chrono::seconds(60), size_t{1} << 20);
  if (!ended.ok()) return {-1, "", ended.error().text()};
  int status = WIFEXITED(ended->status) ? WEXITSTATUS(ended->status) : -WTERMSIG(ended->status);
  return {status, ended->output, ended->errors};
}

class UnpackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    work_.make_directory("canary");
    work_.write("canary/treasure", "untouched");
    work_.make_directory("image");
    keep_canary();
  }
  // As it is now.
  void keep_canary() { canary_ = list_tree(work_.path("canary")); }
  // Whatever the image said: no file beside the bundle, and the canary as it was.
  void TearDown() override {
    EXPECT_EQ(difference(canary_, list_tree(work_.path("canary"))), "");
    std::vector<std::string> names = TemporaryDirectory::names(work_.path());
    for (const std::string& name : names)
      EXPECT_TRUE(name == "canary" || name == "image" || name == "bundle" || expected_.contains(name)) << name;
  }

  std::string image() const { return work_.path("image"); }
  std::string bundle() const { return work_.path("bundle"); }
  std::string rootfs(const std::string& path = "") const {
    return bundle() + "/rootfs" + (path.empty() ? "" : "/" + path);
  }
  bool bundle_exists() const { return std::filesystem::exists(bundle()); }

  void layout(const std::vector<LayoutLayer>& layers, const std::string& config = R"({"Cmd":["x"]})") {
    write_layout(image(), layers, config);
  }
  Ended unpack(std::vector<std::string> options = {}) {
    options.insert(options.begin(), built_program());
    options.push_back(image());
    options.push_back(bundle());
    return run(start_of(options));
  }
  // One layer, unpacked without a word.
  void unpack_layer(const std::string& layer) { unpack_layers({{layer}}); }
  void unpack_layers(const std::vector<LayoutLayer>& layers) {
    layout(layers);
    Ended ended = unpack();
    EXPECT_EQ(ended.status, 0) << ended.errors;
    EXPECT_EQ(ended.errors, "");
  }
  // The image is refused, with the words in its one line, and nothing is left.
  void refuse(const std::vector<LayoutLayer>& layers, const std::string& words,
              const std::vector<std::string>& options = {}) {
    layout(layers);
    refuse_image(words, options);
  }
  void refuse_image(const std::string& words, const std::vector<std::string>& options = {}) {
    Ended ended = unpack(options);
    EXPECT_EQ(ended.status, 1);
    EXPECT_NE(ended.errors.find(words), std::string::npos) << ended.errors;
    EXPECT_EQ(std::count(ended.errors.begin(), ended.errors.end(), '\n'), 0) << ended.errors;
    EXPECT_FALSE(bundle_exists());
  }
  static std::string read(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  }
  std::vector<std::string> names_in(const std::string& path) const {
    auto names = TemporaryDirectory::names(rootfs(path));
    std::sort(names.begin(), names.end());
    return names;
  }

  TemporaryDirectory work_;
  std::set<std::string> expected_;  // other names that may lie beside the bundle

 private:
  std::map<std::string, std::string> canary_;
};

using Names = std::vector<std::string>;

}  // namespace minirun::unpack::testing
