// Every file that minirun and its init open for a create and for an exec, against a list: nothing beside config.json,
// no file of the image but where it mounts and what it is asked to run, no absolute path of /proc in the container.
#include <fcntl.h>
#include <unistd.h>

#include <regex>
#include <set>
#include <sstream>

#include "sys/file.h"
#include "tests/attacks/attack.h"

namespace minirun::testing {
namespace {

class OpenedFiles : public Attack {
 protected:
  static constexpr const char* kTrace = "/run/tests/trace";

  // The paths that a command opens, as strace(1) sees them: relative ones with the directory in front.
  std::set<std::string> opened_by(const std::vector<std::string>& args) {
    std::vector<std::string> argv = {"/usr/bin/strace",
                                     "-f",
                                     "-y",
                                     "-qq",
                                     "-s",
                                     "4096",
                                     "-o",
                                     kTrace,
                                     "-e",
                                     "trace=open,openat,openat2,open_tree,creat"};
    std::vector<std::string> command = minirun(args);
    argv.insert(argv.end(), command.begin(), command.end());
    UniqueFd nowhere(open("/dev/null", O_WRONLY | O_CLOEXEC));
    StartOptions options;
    options.stdout_fd = nowhere.get();
    Running traced(argv, options);
    if (args[0] == "create") {  // it is followed to the end of the container
      EXPECT_TRUE(eventually([&] { return call({"state", id()}).out.find("\"created\"") != std::string::npos; }));
      end();
    }
    Outcome outcome = traced.finish();
    EXPECT_EQ(outcome.code, 0) << describe(outcome);
    auto text = read_file(AT_FDCWD, kTrace, 1 << 24);
    EXPECT_TRUE(text.ok());
    (void)unlink(kTrace);
    return paths_of(text.ok() ? *text : "");
  }

  std::set<std::string> paths_of(const std::string& trace) {
    static const std::regex kCall(
        R"re((open|openat|openat2|open_tree|creat)\((?:(AT_FDCWD|\d+)(?:<([^>]*)>)?, )?"([^"]*)")re");
    std::set<std::string> paths;
    std::istringstream lines(trace);
    for (std::string line; std::getline(lines, line);) {
      std::smatch match;
      if (!std::regex_search(line, match, kCall)) continue;
      std::string path = match[4];
      if (path.empty()) continue;  // the descriptor itself
      if (line.find("RESOLVE_IN_ROOT") != std::string::npos) {
        paths.insert("in the root: " + neutral(path));
        continue;
      }
      if (path[0] != '/' && match[2] != "AT_FDCWD") path = match[3].str() + " " + path;
      paths.insert(neutral(path));
    }
    return paths;
  }

  // Without what differs from run to run.
  std::string neutral(std::string path) const {
    static const std::regex kNumber(R"re(/proc/\d+)re");
    path = std::regex_replace(path, kNumber, "/proc/N");
    for (const auto& [what, name] :
         {std::pair<std::string, std::string>{bundle_.path(), "BUNDLE"}, {kState, "STATE"}, {id(), "ID"}})
      for (size_t at = 0; (at = path.find(what, at)) != std::string::npos; at += name.size())
        path.replace(at, what.size(), name);
    return path;
  }

  static void expect_all_in(const std::set<std::string>& paths, const std::vector<std::string>& allowed) {
    for (const std::string& path : paths) {
      bool known = false;
      for (const std::string& pattern : allowed) known = known || std::regex_match(path, std::regex(pattern));
      EXPECT_TRUE(known) << "\"" << path << "\" is opened";
    }
    EXPECT_GT(paths.size(), 5U);
  }

  Bundle bundle_;
};

TEST_F(OpenedFiles, OfACreateAreTheListed) {
  if (access("/usr/bin/strace", X_OK) != 0) GTEST_SKIP() << "no strace";
  bundle_.add_file("/etc/group", "");
  bundle_.add_file("/etc/ld.so.preload", "/evil.so\n");
  write_new_file(bundle_.path() + "/runtime.json", "{}", 0644);
  bundle_.config["linux"]["maskedPaths"] = {"/proc/keys", "/proc/kcore"};
  bundle_.config["linux"]["readonlyPaths"] = {"/proc/sys"};
  bundle_.config["linux"]["sysctl"] = {{"net.ipv4.ip_forward", "1"}};
  bundle_.config["process"]["oomScoreAdj"] = 100;
  bundle_.payload({"pause"});
  bundle_.write();
  expect_all_in(opened_by({"create", "--bundle", bundle_.path(), id()}),
                {"BUNDLE", "BUNDLE config.json", "BUNDLE rootfs", "STATE", "STATE ID",
                 "STATE/ID (config.json|gate|state.json|state.json.new)", "/", "/dev/null",
                 // About minirun itself and its init, before the container's mounts are there.
                 "/proc/self/(uid_map|setgroups|mountinfo|exe)", "/proc/N/stat", "/proc/sys/kernel/random/boot_id",
                 "/sys/fs/cgroup", "/sys/fs/cgroup minirun-ID(/cgroup.*)?", "/sys/fs/cgroup/minirun-ID cgroup.*",
                 // A procfs of its own, by its descriptor.
                 "/ self/oom_score_adj", "/ sys/net/ipv4/ip_forward",
                 // Of the waiting init, to see whether the program can be executed.
                 "/proc/N/root",
                 // Where things are mounted and made, and what the links of /dev lead to.
                 "in the root: (/|/proc|/dev|/dev/pts|/dev/shm|/sys|/proc/keys|/proc/kcore|/proc/sys)",
                 "in the root: /proc/self/fd(/[012])?", "in the root: /?bin/payload", "in the root: /?etc/passwd"});
}

TEST_F(OpenedFiles, OfAnExecAreTheListed) {
  if (access("/usr/bin/strace", X_OK) != 0) GTEST_SKIP() << "no strace";
  start(bundle_);
  auto paths = opened_by({"exec", id(), "/bin/payload", "true"});
  end();
  expect_all_in(paths, {"STATE", "STATE ID", "STATE/ID (config.json|gate|state.json)", "/",
                        "/proc/self/(uid_map|exe|ns/pid)", "/proc/N/(stat|root|setgroups|uid_map|ns/[a-z]*)",
                        "/proc/sys/kernel/random/boot_id", "/sys/fs/cgroup", "/sys/fs/cgroup minirun-ID(/cgroup.*)?",
                        "/sys/fs/cgroup/minirun-ID cgroup.*", "in the root: /?etc/passwd", "in the root: /"});
}

}  // namespace
}  // namespace minirun::testing
