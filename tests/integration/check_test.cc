// SPDX-License-Identifier: Apache-2.0
// `minirun check`: what it says, and how.
#include <sys/syscall.h>

#include <cerrno>

#include "tests/support/check_fixture.h"
#include "tests/support/refused_call.h"
#include "tests/support/screen.h"
#include "tests/support/world.h"

namespace minirun::testing {
namespace {

using nlohmann::json;

TEST_F(Check, SaysYesToWhatRuns) {
  Bundle bundle;
  bundle.payload({"true"});
  json report = check(bundle);
  EXPECT_EQ(lines(report, "no"), "");
  EXPECT_NE(report["verdict"], "no") << report;
  EXPECT_EQ(run(bundle).code, 0);
}

TEST_F(Check, NamesUnknownPropertiesWithTheirPlace) {
  Bundle bundle;
  bundle.config["linux"]["resources"]["memroy"] = {{"limit", 1}};
  json report = check(bundle);
  EXPECT_NE(lines(report, "warning")
                .find("/linux/resources/memroy: is not a property that minirun knows, and has no "
                      "effect (did you mean \"memory\"?)"),
            std::string::npos)
      << report;
  for (const json& line : report["lines"])
    if (line.value("pointer", "") == "/linux/resources/memroy") {
      EXPECT_TRUE(line.contains("line")) << line;
    }
  report = check(bundle, {"--strict"});
  EXPECT_EQ(report["verdict"], "no");
  expect_refused(run(bundle, {"--strict"}), {": /linux/resources/memroy: ", "did you mean \"memory\"?"});
  bundle.write();
  expect_refused(call({"create", "--strict", "--bundle", bundle.path(), id()}), {"did you mean \"memory\"?"});
  EXPECT_EQ(run(bundle).code, 0) << "without --strict it has no effect";
}

TEST_F(Check, TextHasPlacesAndNoColoursInAPipe) {
  Bundle bundle;
  bundle.write_raw(
      "{\n  \"ociVersion\": \"1.0.0\",\n  \"root\": {\"path\": \"rootfs\"},\n  \"process\": {\"cwd\": \"x\", "
      "\"args\": [\"/bin/payload\"]}\n}\n");
  Outcome outcome = call({"check", bundle.path()});
  EXPECT_EQ(outcome.code, 2) << describe(outcome);
  EXPECT_NE(outcome.out.find("no      config: config.json:4:22: /process/cwd: must be an absolute path"),
            std::string::npos)
      << outcome.out;
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
  EXPECT_NE(outcome.out.find("\nwould not run: "), std::string::npos) << outcome.out;
}

TEST_F(Check, CannotLookAtWhatIsNotThere) {
  Outcome outcome = call({"check", "/not/there"});
  EXPECT_EQ(outcome.code, 1) << describe(outcome);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("/not/there"), std::string::npos);
}

TEST_F(Check, OfTheHostNamesItsControllers) {
  Outcome outcome = call({"check", "--format", "json"});
  json report = parsed(outcome);
  EXPECT_EQ(outcome.code, 0) << describe(outcome);
  for (const char* controller : {"memory", "pids"}) {
    const std::string there = lines(report, "yes");
    EXPECT_EQ(there.find(std::string("the controller ") + controller) != std::string::npos, has_controller(controller))
        << outcome.out;
  }
  EXPECT_EQ(call({"check"}).code, 0);
  Outcome users = user_minirun({"check", "--format", "json"});
  EXPECT_NE(parsed(users)["verdict"], "unknown") << describe(users);
}

TEST_F(Check, RisksAreWarnings) {
  Bundle bundle;
  bundle.payload({"true"});
  bundle.config["linux"].erase("seccomp");
  bundle.drop_namespace("network");
  bundle.add_capability("CAP_SYS_ADMIN");
  bundle.config["linux"]["resources"]["devices"] = {{{"allow", true}, {"access", "rwm"}}};
  const std::string warnings = lines(check(bundle), "warning");
  for (const char* part : {"/linux/seccomp: is missing", "has no network namespace", "CAP_SYS_ADMIN",
                           "/linux/resources/devices/0: allows all devices", "/process/user/uid: is the host's root"})
    EXPECT_NE(warnings.find(part), std::string::npos) << part << " of\n" << warnings;
}

TEST_F(Check, ColoursAreForTerminalsAlone) {
  Bundle bundle;
  bundle.payload({"true"});
  bundle.write();
  struct Case {
    std::vector<std::string> env;
    bool colours;
  };
  for (const auto& [env, colours] :
       {Case{{"TERM=xterm"}, true}, Case{{"TERM=xterm", "NO_COLOR="}, true}, Case{{"TERM=xterm", "NO_COLOR=1"}, false},
        Case{{"TERM=dumb"}, false}, Case{{}, false}}) {
    Screen screen;
    StartOptions options = screen.options();
    options.env.insert(options.env.end(), env.begin(), env.end());
    Running check(minirun({"check", bundle.path()}), options);
    EXPECT_TRUE(screen.wait_for("would run: ", 5000 * slowness())) << screen.shown();
    EXPECT_EQ(check.finish().code, 0);
    EXPECT_EQ(screen.shown().find("\x1b[32myes     \x1b[0m") != std::string::npos, colours) << screen.shown();
    EXPECT_EQ(screen.shown().find('\x1b') != std::string::npos, colours) << screen.shown();
  }
}

TEST_F(Check, UnderstandsTheOptionsOfALaunch) {
  Bundle bundle;
  bundle.payload({"true"});
  EXPECT_EQ(lines(check(bundle, {"--overlay=8m", "--no-init"}), "no"), "");
  EXPECT_EQ(run(bundle, {"--overlay=8m"}).code, 0);
  bundle.drop_namespace("mount");
  bundle.config["mounts"] = json::array();
  bundle.config["linux"].erase("maskedPaths");
  bundle.config["linux"].erase("readonlyPaths");
  EXPECT_NE(lines(check(bundle, {"--overlay"}), "no").find("must have a mount namespace for --overlay"),
            std::string::npos);
}

TEST_F(Check, OfKeptChangesSaysWhatIsSure) {
  Bundle bundle;
  bundle.payload({"true"});
  const std::string kept = bundle.path() + "/kept";
  EXPECT_EQ(check(bundle, {"--keep-changes", kept})["verdict"], "unknown");
  EXPECT_NE(access(kept.c_str(), F_OK), 0) << "it makes nothing";
  make_folders(kept + "/in");
  EXPECT_EQ(check(bundle, {"--keep-changes", kept})["verdict"], "no");
}

TEST_F(Check, WrongOptionsAreRefused) {
  Bundle bundle;
  bundle.write();
  for (const std::vector<std::string>& wrong :
       {std::vector<std::string>{"--overlay=1"}, {"--keep-changes", ""}, {"--overlay=8m", "--keep-changes", "/x"}}) {
    std::vector<std::string> args = {"check"};
    args.insert(args.end(), wrong.begin(), wrong.end());
    args.push_back(bundle.path());
    expect_refused(call(args), {wrong[0].substr(0, wrong[0].find('='))});
  }
  expect_refused(call({"check", "--overlay"}), {"--overlay", "needs a bundle"});
}

TEST_F(Check, VerdictsAreListedByFeatures) {
  json features = json::parse(call({"features"}).out, nullptr, false);
  std::string listed;
  const json schema = check_schema();
  for (const json& verdict : schema["properties"]["lines"]["items"]["properties"]["verdict"]["enum"])
    listed += (listed.empty() ? "" : " ") + verdict.get<std::string>();
  EXPECT_EQ(features["annotations"].value("org.minirun.check", ""), listed);
}

// What run makes on the host is not made, and check says that it does not know.
TEST_F(Check, ChangesNothingOfTheHost) {
  Bundle bundle;
  bundle.payload({"true"});
  const std::string folder = bundle.path() + "/host";
  make_folders(folder);
  bundle.add_mount("/data", "bind", folder, {"rbind", "rw"});
  bundle.add_mount("/data/new", "tmpfs", "tmpfs");
  bundle.config["process"]["cwd"] = "/cwd";
  json report = check(bundle);
  EXPECT_EQ(report["verdict"], "unknown") << report;
  const std::string pointer = "/mounts/" + std::to_string(bundle.config["mounts"].size() - 1);
  EXPECT_NE(lines(report, "unknown").find(pointer + ": "), std::string::npos) << report;
  for (const std::string& path : {folder + "/new", bundle.rootfs() + "/data", bundle.rootfs() + "/cwd"})
    EXPECT_NE(access(path.c_str(), F_OK), 0) << path;
  EXPECT_EQ(run(bundle).code, 0);
  for (const std::string& path : {folder + "/new", bundle.rootfs() + "/data", bundle.rootfs() + "/cwd"})
    EXPECT_EQ(access(path.c_str(), F_OK), 0) << path;
}

TEST_F(Check, NamesEveryMountThatFails) {
  Bundle bundle;
  const size_t first = bundle.config["mounts"].size();
  bundle.add_mount("/a", "tmpfs", "tmpfs", {"sise=1"});
  bundle.add_mount("/b", "bind", "/not/there", {"bind"});
  bundle.add_mount("/c", "tmpfs", "tmpfs", {"mode=9"});
  const std::string no = lines(check(bundle), "no");
  for (size_t i = first; i < first + 3; ++i)
    EXPECT_NE(no.find("/mounts/" + std::to_string(i) + ": "), std::string::npos) << no;
}

TEST_F(Check, TriesAllButTheProgramWhereItMayNotTrace) {
  Bundle bundle;
  bundle.payload({"true"});
  bundle.write();
  StartOptions options;
  options.in_child = [] { refuse_call(SYS_ptrace, EPERM); };
  json report = parsed(call({"check", "--format", "json", bundle.path()}, options));
  EXPECT_EQ(report["verdict"], "yes") << report;
  const std::string yes = lines(report, "yes");
  EXPECT_NE(yes.find("namespaces, mounts and the process can be made: tried"), std::string::npos) << yes;
  EXPECT_NE(yes.find("/bin/payload is there and can be executed"), std::string::npos) << yes;
}

TEST_F(Check, GoesByFilesAndFactsWhereItCannotTry) {
  Bundle bundle;
  bundle.payload({"true"});
  bundle.write();
  StartOptions options;
  options.in_child = [] { refuse_call(SYS_memfd_create, EACCES); };
  const std::vector<std::string> args = {"check", "--format", "json", bundle.path()};
  json report = parsed(call(args, options));
  EXPECT_EQ(report["verdict"], "yes") << report;
  EXPECT_EQ(lines(report, "yes").find(": tried"), std::string::npos) << report;
  bundle.add_mount("/data", "bind", "/not/there", {"bind"});
  bundle.write();
  EXPECT_EQ(parsed(call(args, options))["verdict"], "no");
}

}  // namespace
}  // namespace minirun::testing
