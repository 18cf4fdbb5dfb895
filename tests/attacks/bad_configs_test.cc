// SPDX-License-Identifier: Apache-2.0
// Each of some thousands of bad config.json is refused by the program itself: status 1, the place of what is wrong,
// nothing made, in less than a second and 64 MB.
#include "tests/attacks/bad_configs.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <regex>

#include "sys/file.h"
#include "tests/support/fixture.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class BadConfigs : public MinirunTest {
 protected:
  struct Refusal {
    int status = -1;
    std::string err;
    double seconds = 0;
  };

  // As call(), without what a few thousand of them can do without.
  Refusal call_in_little_memory(const std::vector<std::string>& args) {
    std::vector<char*> argv;
    for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
    argv.push_back(nullptr);
    EXPECT_EQ(ftruncate(err_.get(), 0), 0);
    EXPECT_EQ(lseek(err_.get(), 0, SEEK_SET), 0);
    auto start = std::chrono::steady_clock::now();
    pid_t pid = fork();
    if (pid == 0) {
      rlimit limit{kMemory, kMemory};
      if (dup2(err_.get(), 2) < 0 || setrlimit(RLIMIT_AS, &limit) != 0) _exit(97);
      execv(argv[0], argv.data());
      _exit(98);
    }
    Refusal refusal;
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    refusal.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    refusal.status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    refusal.err.resize(static_cast<size_t>(lseek(err_.get(), 0, SEEK_END)));
    EXPECT_EQ(pread(err_.get(), refusal.err.data(), refusal.err.size(), 0), static_cast<ssize_t>(refusal.err.size()));
    return refusal;
  }

  // Whether a line of the refusal is about this place, what is above it or in it.
  static bool names(const std::string& err, const std::string& pointer) {
    if (pointer.empty()) return err.find("config.json:") != std::string::npos;
    for (size_t at = 0; (at = err.find("config.json:", at)) != std::string::npos; ++at) {
      const size_t start = err.find(": ", at) + 2;  // behind the line and the column
      std::string found = err.substr(start, err.find(": ", start) - start);
      if (pointer == "/") return true;
      if (found.rfind(pointer, 0) == 0 || pointer.rfind(found, 0) == 0) return true;
    }
    return false;
  }

  // The number of cgroups, and the container's state.
  static nlink_t cgroups() {
    struct stat info {};
    EXPECT_EQ(stat("/sys/fs/cgroup", &info), 0);
    return info.st_nlink;
  }
  bool has_state() const { return access((std::string(kState) + "/" + id()).c_str(), F_OK) == 0; }

  static constexpr rlim_t kMemory = 64 << 20;
  UniqueFd err_{memfd_create("stderr", MFD_CLOEXEC)};
};

json complete_config() {
  auto text = read_file(AT_FDCWD, MINIRUN_SOURCE_DIR "/tests/unit/data/full-config.json", 1 << 20);
  return json::parse(*text);
}

// What can be accepted of it on any host: without what is for cgroup v1 alone, and without labels.
json valid_config() {
  json config = complete_config();
  for (const char* field : {"/process/apparmorProfile", "/process/selinuxLabel", "/linux/resources/memory/swappiness",
                            "/linux/resources/memory/disableOOMKiller", "/linux/resources/cpu/realtimeRuntime",
                            "/linux/resources/cpu/realtimePeriod", "/linux/resources/blockIO/leafWeight",
                            "/linux/resources/blockIO/weightDevice/0/leafWeight", "/linux/resources/network/classID",
                            "/linux/resources/network/priorities"}) {
    std::string pointer = field;
    size_t slash = pointer.rfind('/');
    config[json::json_pointer(pointer.substr(0, slash))].erase(pointer.substr(slash + 1));
  }
  config["linux"]["personality"]["flags"] = json::array();
  config["process"]["terminal"] = false;
  return config;
}

// Without line and column, which differ with the text.
std::string unplaced(const std::string& err) {
  static const std::regex place("config\\.json:\\d+:\\d+: ");
  return std::regex_replace(err, place, "config.json: ");
}

TEST_F(BadConfigs, NullOfWhatMayBeAbsentIsAbsent) {
  Bundle bundle;
  bundle.config = valid_config();
  size_t tried = 0, planned = 0;
  each_null(valid_config(), [&](const NullConfig& config) {
    ++tried;
    bundle.write_raw(config.null);
    Outcome null = call({"plan", bundle.path()});
    bundle.write_raw(config.absent);
    Outcome absent = call({"plan", bundle.path()});
    EXPECT_EQ(null.code, absent.code) << config.pointer << "\n" << describe(null);
    EXPECT_EQ(null.out, absent.out) << config.pointer;
    EXPECT_EQ(unplaced(null.err), unplaced(absent.err)) << config.pointer;
    planned += absent.code == 0 ? 1 : 0;
  });
  EXPECT_GE(tried, 40U);
  EXPECT_GE(planned, tried * 3 / 4) << "most are valid without the property";
}

TEST_F(BadConfigs, EachIsRefusedWithItsPlace) {
  alarm(900);
  Bundle bundle;
  bundle.config = valid_config();
  bundle.write();
  Outcome plan = call({"plan", bundle.path()});
  ASSERT_EQ(plan.code, 0) << "what they are made from is refused itself: " << describe(plan);

  nlink_t before = cgroups();
  size_t tried = 0, refused = 0;
  double longest = 0;
  const std::vector<std::string> run = minirun({"run", "--bundle", bundle.path(), id()});
  const std::vector<std::string> create = minirun({"create", "--bundle", bundle.path(), id()});
  each_bad_config(complete_config(), valid_config(), [&](const BadConfig& bad) {
    bundle.write_raw(bad.text);
    Refusal refusal = call_in_little_memory(++tried % 2 == 0 ? run : create);
    bool right = refusal.status == 1 && names(refusal.err, bad.pointer) && refusal.seconds < 1 && cgroups() == before &&
                 !has_state();
    longest = std::max(longest, refusal.seconds);
    refused += right ? 1 : 0;
    if (!right && tried - refused < 40)
      ADD_FAILURE() << bad.what << "\nstatus " << refusal.status << " after " << refusal.seconds << " s\n"
                    << refusal.err.substr(0, 1000);
  });
  std::cout << refused << " of " << tried << " bad config.json refused, the slowest in " << longest * 1000 << " ms\n";
  EXPECT_EQ(refused, tried);
  EXPECT_GE(tried, 5000U);
}

}  // namespace
}  // namespace minirun::testing
