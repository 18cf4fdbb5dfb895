// SPDX-License-Identifier: Apache-2.0
// Containers that would keep `top`, `doctor` and `ps` from their end, or have them print what a terminal obeys.
#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "sys/file.h"
#include "tests/attacks/attack.h"
#include "tests/support/fuse_server.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

class Onlooker : public Attack {
 protected:
  void start_ailing(Bundle& bundle, const std::vector<std::string>& kind) {
    bundle.payload({"ailing"});
    for (const std::string& word : kind) bundle.config["process"]["args"].push_back(word);
    start_saying(bundle, {});
  }
  void end_all() {
    EXPECT_EQ(call({"delete", "--force", id()}).code, 0);
    EXPECT_EQ(unlink(kSaid), 0);
  }
  Outcome look(const std::vector<std::string>& args) const {
    Outcome outcome = call(args);
    EXPECT_NE(outcome.code, kTimedOut) << args[0];
    return outcome;
  }
  std::string cgroup() const { return "/sys/fs/cgroup/minirun-" + id(); }
};

char state_of(pid_t pid) {
  std::string stat = content(fmt::format("/proc/{}/stat", pid));
  size_t end = stat.rfind(')');
  return end == std::string::npos || end + 2 >= stat.size() ? '?' : stat[end + 2];
}

// A file whose content never comes.
void keep_content(const FuseRequest& request) {
  constexpr uint64_t kFile = 2;
  if (request.header.opcode == FUSE_LOOKUP) {
    fuse_entry_out out{};
    out.nodeid = kFile;
    out.attr_valid = out.entry_valid = 1000;
    out.attr = FuseRequest::attributes(kFile, S_IFREG | 0644);
    out.attr.size = 4096;
    return request.answer(0, &out, sizeof out);
  }
  if (request.header.opcode == FUSE_OPEN) {
    fuse_open_out out{};
    return request.answer(0, &out, sizeof out);
  }
  if (request.header.opcode != FUSE_READ && request.header.opcode != FUSE_FORGET &&
      request.header.opcode != FUSE_INTERRUPT)
    request.answer(-ENOSYS);
}

// What ps(1) reads, in a process of its own, which must be killed in the end.
class Reader {
 public:
  explicit Reader(pid_t of) : pid_(fork()) {
    if (pid_ != 0) return;
    (void)read_file(AT_FDCWD, fmt::format("/proc/{}/cmdline", of));
    _exit(0);
  }
  ~Reader() {
    (void)kill(pid_, SIGKILL);
    (void)waitpid(pid_, nullptr, 0);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  bool hangs() const { return state_of(pid_) == 'D'; }

 private:
  pid_t pid_;
};

TEST_F(Onlooker, IsNotHeldByAProcessThatHoldsItsMemory) {
  if (!FuseServer::is_possible()) GTEST_SKIP() << "no FUSE";
  std::optional<FuseServer> server(std::in_place, "/run/tests/kept", keep_content);
  Bundle bundle;
  bundle.add_folder("/kept");
  bundle.add_mount("/kept", "bind", "/run/tests/kept", {"bind"});
  start_ailing(bundle, {"memory-lock", "/kept/file"});
  json rows = json::parse(look({"top", "--once", "-d", "0.1", "-f", "json", id()}).out, nullptr, false);
  pid_t holder = 0;
  for (const json& process : rows["containers"][0]["process_list"])
    if (process["name"] == "payload") holder = process["pid"];
  ASSERT_GT(holder, 0) << rows;
  {
    Reader reader(holder);
    ASSERT_TRUE(eventually([&] { return reader.hangs(); }, 20000)) << "the test itself has to hold it";
    EXPECT_EQ(look({"top", "--once", "-d", "0.1"}).code, 0);
    EXPECT_EQ(look({"top", "--once", "-d", "0.1", id()}).code, 0);
    Outcome outcome = look({"doctor", "--interval", "0.2", id()});
    EXPECT_EQ(outcome.code, 2) << describe(outcome);
    EXPECT_NE(outcome.out.find("uninterruptible"), std::string::npos) << outcome.out;
    EXPECT_EQ(look({"ps", "--format", "json", id()}).code, 0);
    EXPECT_TRUE(reader.hangs()) << "it held all the time";
    server->abort();
  }
  end_all();
  server.reset();
  EXPECT_EQ(rmdir("/run/tests/kept"), 0);
}

// Whatever a name holds, a line is a line, and has no byte that a terminal obeys.
TEST_F(Onlooker, IsNotMisledByNames) {
  Bundle bundle;
  start_ailing(bundle, {"names"});
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"top", "--once", "-d", "0.1", id()}, {"doctor", "--interval", "0.1", id()}}) {
    Outcome outcome = look(args);
    for (char c : outcome.out) ASSERT_TRUE(c == '\n' || (c >= ' ' && c != 0x7f)) << outcome.out;
  }
  Outcome outcome = look({"top", "--once", "-d", "0.1", id()});
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 2 + 1 + 1 + 9) << outcome.out;
  for (const char* shown :
       {" a) R 1 (x\n", "\\x1b[31mred\\x1b[2J\n", " two\\x0alines\n", " \\xff\\xfe\\x9b\n", " \\xc2\\x9b\n", " )\n"})
    EXPECT_NE(outcome.out.find(shown), std::string::npos) << shown << "\n" << outcome.out;
  json seen = json::parse(look({"top", "--once", "-d", "0.1", "-f", "json", id()}).out, nullptr, false);
  for (const json& process : seen["containers"][0]["process_list"]) EXPECT_NE(process["state"], "R") << process;
  end_all();
}

TEST_F(Onlooker, IsNotHeldByTenThousandCgroups) {
  Bundle bundle;
  bundle.add_mount("/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev"});
  const int cgroups = 10000 / slowness();
  start_ailing(bundle, {"cgroups", std::to_string(cgroups)});
  auto start = std::chrono::steady_clock::now();
  Outcome outcome = look({"top", "--once", "-d", "0.01", "-f", "json"});
  auto took = std::chrono::steady_clock::now() - start;
  json row = json::parse(outcome.out, nullptr, false)["containers"][0];
  EXPECT_NE(row["unseen"].dump().find("of its cgroups are not looked at"), std::string::npos) << row;
  EXPECT_EQ(row["processes"], 2) << row;
  EXPECT_LT(took, std::chrono::seconds(5) * slowness());
  outcome = look({"doctor", "--interval", "0.01", id()});
  EXPECT_NE(outcome.out.find("unseen: the processes in "), std::string::npos) << outcome.out;
  end_all();
}

TEST_F(Onlooker, LooksAtABoundedNumberOfProcesses) {
  Bundle bundle;
  start_ailing(bundle, {"processes", "4200"});
  Outcome outcome = look({"doctor", "--interval", "0.1", "--format", "json", id()});
  json report = json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(report["processes"], 4096) << report;
  EXPECT_NE(report["unseen"].dump().find("more than 4096 processes"), std::string::npos) << report["unseen"];
  end_all();
}

TEST_F(Onlooker, LooksAtABoundedNumberOfDescriptors) {
  Bundle bundle;
  bundle.config["process"]["rlimits"] = json::array({{{"type", "RLIMIT_NOFILE"}, {"soft", 6000}, {"hard", 6000}}});
  start_ailing(bundle, {"descriptors", "5990", "6000"});
  Outcome outcome = look({"doctor", "--interval", "0.1", "--format", "json", id()});
  json report = json::parse(outcome.out, nullptr, false);
  EXPECT_NE(report["unseen"].dump().find("1 of its processes have more than 4096 descriptors"), std::string::npos)
      << report;
  for (const json& finding : report["findings"]) {
    if (finding["rule"] != "descriptors") continue;
    EXPECT_LE(finding["numbers"]["sockets"], 4096) << finding;
  }
  EXPECT_NE(outcome.out.find("5990 of 6000"), std::string::npos) << outcome.out;
  end_all();
}

TEST_F(Onlooker, IsNotHeldByAFrozenContainerOrOneInTheKernel) {
  Bundle bundle;
  bundle.payload({"stubborn", "vfork", "stopped"});
  start_saying(bundle, {});
  EXPECT_EQ(call({"pause", id()}).code, 0);
  EXPECT_EQ(look({"top", "--once", "-d", "0.1", id()}).code, 0);
  EXPECT_EQ(look({"doctor", "--interval", "0.1", id()}).code, 2);
  end_all();
}

}  // namespace
}  // namespace minirun::testing
