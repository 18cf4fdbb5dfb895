// SPDX-License-Identifier: Apache-2.0
// Golden plans: what would be done for every bundle of bundles/, on one made-up host, as text that a person reviews.
// MINIRUN_UPDATE_GOLDEN=1 writes them anew.
#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "runtime/compile/compile.h"
#include "runtime/compile/plan_print.h"
#include "runtime/oci/bundle.h"
#include "sys/file.h"

namespace minirun {
namespace {

const std::string kSource = MINIRUN_SOURCE_DIR;

std::vector<std::string> bundles() {
  std::vector<std::string> names;
  DIR* directory = opendir((kSource + "/bundles").c_str());
  if (directory == nullptr) return names;
  while (dirent* entry = readdir(directory)) {
    std::string name = entry->d_name;
    std::string config = kSource + "/bundles/";
    config.append(name).append("/config.json");
    if (access(config.c_str(), R_OK) == 0) names.push_back(name);
  }
  closedir(directory);
  std::sort(names.begin(), names.end());
  return names;
}

HostFacts made_up_host() {
  HostFacts host;
  host.capabilities = (uint64_t{1} << 41) - 1;
  return host;
}

std::string plan_of(const std::string& bundle) {
  auto text = read_file(AT_FDCWD, kSource + "/bundles/" + bundle + "/config.json");
  if (!text.ok()) return text.error().text();
  auto parsed = parse_config(*text);
  if (!parsed.ok()) return parsed.error().text();
  ContainerPaths paths{bundle, "/bundles/" + bundle, "/bundles/" + bundle + "/rootfs", "/root"};
  auto compiled = compile(*parsed->spec, {paths, made_up_host()});
  return compiled.ok() ? plan_text(*compiled) : compiled.error().text();
}

class GoldenPlan : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenPlan, IsWhatTheBundleCompilesTo) {
  std::string path = kSource + "/tests/golden/" + GetParam() + ".plan";
  std::string plan = plan_of(GetParam());
  if (std::getenv("MINIRUN_UPDATE_GOLDEN") != nullptr) {
    UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    ASSERT_EQ(write(file.get(), plan.data(), plan.size()), static_cast<ssize_t>(plan.size()));
    return;
  }
  auto golden = read_file(AT_FDCWD, path);
  ASSERT_TRUE(golden.ok()) << golden.error().text() << "; MINIRUN_UPDATE_GOLDEN=1 writes it";
  EXPECT_EQ(plan, *golden);
}

INSTANTIATE_TEST_SUITE_P(Bundles, GoldenPlan, testing::ValuesIn(bundles()), [](const auto& param_info) {
  std::string name = param_info.param;  // GoogleTest takes no "-"
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace minirun
