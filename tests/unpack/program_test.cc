// SPDX-License-Identifier: Apache-2.0
// The program: its command line, what it leaves, signals, ordinary users, archives.
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>

#include <csignal>

#include "tests/unpack/fixture.h"
#include "unpack/options.h"

namespace minirun::unpack::testing {
namespace {

class Program : public UnpackTest {
 protected:
  // Enough that a signal comes in the middle.
  void large_layout() {
    TarMaker maker;
    std::string content(2000, 'x');
    for (int i = 0; i < 20000; i++) maker.file(fmt::format("d{}/f{}", i / 500, i), content);
    layout({{maker.done()}});
  }
  std::string temporary() const { return work_.path(".bundle.unpacking"); }
  // Started, and in the middle of its work.
  std::optional<ChildProgram> started() {
    auto child = ChildProgram::start(start_of({built_program(), image(), bundle()}));
    EXPECT_TRUE(child.ok());
    for (int i = 0; i < 2000 && !std::filesystem::exists(temporary() + "/rootfs/d1"); i++) usleep(1000);
    EXPECT_TRUE(std::filesystem::exists(temporary() + "/rootfs/d1"));
    return child.ok() ? std::optional(std::move(*child)) : std::nullopt;
  }
  // LeakSanitizer traces its own process with a task that shares its memory. When SIGKILL ends both, that tracer may
  // hold the process a moment longer.
  static int end_of(ChildProgram& child) {
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;; usleep(1000)) {
      auto status = child.wait(deadline);
      if (!status.ok() && std::chrono::steady_clock::now() < deadline) continue;
      EXPECT_TRUE(status.ok()) << status.error().text();
      return status.ok() ? *status : -1;
    }
  }
};

TEST_F(Program, AnEndBySignalLeavesNothing) {
  large_layout();
  for (int signal : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) {
    auto child = started();
    ASSERT_TRUE(child);
    ASSERT_EQ(kill(child->pid(), signal), 0);
    int status = end_of(*child);
    EXPECT_TRUE(WIFEXITED(status)) << signal;
    EXPECT_EQ(WEXITSTATUS(status), 128 + signal);
    EXPECT_EQ(child->errors(), fmt::format("minirun-unpack: ended by SIG{}: nothing is left", sigabbrev_np(signal)));
    EXPECT_FALSE(std::filesystem::exists(temporary()));
    EXPECT_FALSE(bundle_exists());
  }
}

TEST_F(Program, AKillLeavesOneNameThatTheNextRunTakes) {
  large_layout();
  {
    auto child = started();
    ASSERT_TRUE(child);
    Ended second = unpack();
    EXPECT_EQ(second.status, 1);
    EXPECT_EQ(second.errors, "minirun-unpack: " + bundle() + ": another minirun-unpack is making it");
    ASSERT_EQ(kill(child->pid(), SIGKILL), 0);
    EXPECT_TRUE(WIFSIGNALED(end_of(*child)));
  }
  EXPECT_TRUE(std::filesystem::exists(temporary()));
  EXPECT_FALSE(bundle_exists());
  layout({{TarMaker().file("a").done()}});
  EXPECT_EQ(unpack().status, 0);
  EXPECT_EQ(names_in(""), Names({"a"}));
  EXPECT_FALSE(std::filesystem::exists(temporary()));
}

// From before its first act until after its last.
TEST_F(Program, ASignalAtAnyMomentLeavesAWholeBundleOrNothing) {
  constexpr int kRounds = 20;
  TarMaker maker;
  for (int i = 0; i < 200; i++) maker.file(fmt::format("d{}/f{}", i / 20, i), "x");
  layout({{maker.done()}});
  auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(unpack().status, 0);
  auto whole = list_tree(rootfs());
  auto took = std::chrono::steady_clock::now() - start;
  int finished = 0;
  for (int round = 0; round < 2 * kRounds; round++) {
    std::filesystem::remove_all(bundle());
    std::filesystem::remove_all(temporary());  // left by the SIGKILL before: a SIGTERM may come before the first act
    int signal = round % 2 == 0 ? SIGTERM : SIGKILL;
    auto child = ChildProgram::start(start_of({built_program(), image(), bundle()}));
    ASSERT_TRUE(child.ok());
    std::this_thread::sleep_for(took * (round / 2) * 3 / (2 * kRounds));
    (void)kill(child->pid(), signal);
    (void)end_of(*child);
    if (bundle_exists()) {
      finished++;
      EXPECT_EQ(difference(whole, list_tree(rootfs())), "") << round;
      EXPECT_TRUE(std::filesystem::exists(bundle() + "/config.json")) << round;
    } else if (signal == SIGTERM) {
      EXPECT_FALSE(std::filesystem::exists(temporary())) << round;
    }
  }
  printf("signals: %d of %d bundles were whole, the others not there\n", finished, 2 * kRounds);
  std::filesystem::remove_all(bundle());
  EXPECT_EQ(unpack().status, 0) << "the rest is in no command's way";
}

TEST_F(Program, AnotherUsersTemporaryIsNotTouched) {
  layout({{TarMaker().file("a").done()}});
  expected_ = {".bundle.unpacking"};
  work_.make_directory(".bundle.unpacking");
  ASSERT_EQ(chown(temporary().c_str(), 1000, 1000), 0);
  refuse_image("user 1000 owns it");
  ASSERT_EQ(rmdir(temporary().c_str()), 0);
  work_.link(".bundle.unpacking", work_.path("canary"));
  refuse_image(".bundle.unpacking");
  (void)unlink(temporary().c_str());
}

TEST_F(Program, TheBundleMustBeNew) {
  layout({{TarMaker().file("a").done()}});
  work_.make_directory("bundle");
  Ended ended = unpack();
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.errors, "minirun-unpack: " + bundle() + " exists: the bundle must be new");
  ASSERT_EQ(rmdir(bundle().c_str()), 0);
  work_.link("bundle", work_.path("canary/new"));
  EXPECT_EQ(unpack().errors, "minirun-unpack: " + bundle() + " exists: the bundle must be new");
  (void)unlink(bundle().c_str());
  Ended nowhere = run(start_of({built_program(), image(), work_.path("no/bundle")}));
  EXPECT_NE(nowhere.errors.find("no such file or directory"), std::string::npos) << nowhere.errors;
  for (const std::string& bad : {std::string("/"), std::string(""), work_.path("."), work_.path("..")})
    EXPECT_NE(run(start_of({built_program(), image(), bad})).errors.find("must end with the name of a new directory"),
              std::string::npos)
        << bad;
}

TEST_F(Program, OnlyItsOwnerEntersTheBundle) {
  unpack_layer(TarMaker().add(file_entry("su", 04755)).done());
  struct stat facts {};
  ASSERT_EQ(stat(bundle().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777u, 0700u);
}

TEST_F(Program, WhatTheBundlesPlaceHandsDownStaysOut) {
  ASSERT_EQ(chmod(work_.path().c_str(), 02755), 0);
  ASSERT_EQ(chown(work_.path().c_str(), 0, 77), 0);
  ASSERT_EQ(chmod(work_.path().c_str(), 02755), 0);
  unpack_layer(TarMaker().file("a").directory("d").done());
  for (const auto& [path, line] : list_tree(rootfs())) EXPECT_NE(line.find(" 0:0 "), std::string::npos) << path << line;
  EXPECT_EQ(list_tree(rootfs())["."], "40755 0:0 0.000000000");
}

TEST_F(Program, ArchivesOfLayoutsAndOfDockerSave) {
  std::string layer = TarMaker().file("a", "content").done();
  layout({{layer, "gzip"}});
  ASSERT_EQ(run(start_of({"/bin/tar", "-C", image(), "-cf", work_.path("canary/layout.tar"), "."})).status, 0);
  std::string config = config_of({layer, layer});
  // As podman writes it: a layer stands once, and a link leads to it.
  std::string docker =
      TarMaker()
          .file("one.tar", layer)
          .link("folder/layer.tar", "../one.tar")
          .file(sha256(config).substr(7) + ".json", config)
          .file("manifest.json",
                R"([{"Config":")" + sha256(config).substr(7) +
                    R"(.json","RepoTags":["localhost/app:1"],"Layers":["one.tar","folder/layer.tar"]}])")
          .done();
  work_.write("canary/docker.tar", docker);
  work_.write("canary/docker.tar.gz", compressed(docker, "gzip"));
  keep_canary();
  for (const char* archive : {"canary/layout.tar", "canary/docker.tar"}) {
    Ended ended = run(start_of({built_program(), work_.path(archive), bundle()}));
    EXPECT_EQ(ended.status, 0) << archive << ended.errors;
    EXPECT_EQ(read(rootfs("a")), "content");
    std::filesystem::remove_all(bundle());
  }
  EXPECT_NE(
      run(start_of({built_program(), work_.path("canary/docker.tar.gz"), bundle()})).errors.find("gunzip makes it one"),
      std::string::npos);
  EXPECT_NE(
      run(start_of({built_program(), "/dev/null", bundle()})).errors.find("must be a directory or a regular file"),
      std::string::npos);
  EXPECT_NE(run(start_of({built_program(), work_.path("canary/treasure"), bundle()})).errors.find("treasure: "),
            std::string::npos);
}

TEST_F(Program, AnArchiveHasEachNameOnce) {
  std::string layer = TarMaker().file("a").done();
  work_.write("canary/twice.tar", TarMaker().file("manifest.json", "[]").file("./manifest.json", "[]").done());
  keep_canary();
  EXPECT_NE(
      run(start_of({built_program(), work_.path("canary/twice.tar"), bundle()})).errors.find("has manifest.json twice"),
      std::string::npos);
  work_.write("canary/loop.tar", TarMaker().link("manifest.json", "other").link("other", "manifest.json").done());
  keep_canary();
  EXPECT_NE(run(start_of({built_program(), work_.path("canary/loop.tar"), bundle()})).errors.find("too many levels"),
            std::string::npos);
}

class OrdinaryUser : public Program {
 protected:
  // ranges: what the user finds in /etc/subuid and /etc/subgid; "": as they are.
  Ended unpack_as(uid_t uid, const std::string& path, const std::string& ranges = "") {
    std::string program = work_.path("image/minirun-unpack");
    std::filesystem::copy_file(built_program(), program, std::filesystem::copy_options::overwrite_existing);
    for (const std::string& open : {work_.path(), image()}) EXPECT_EQ(chmod(open.c_str(), 0777), 0);
    ProgramStart start = start_of({program, image(), bundle()});
    start.environment = {"PATH=" + path};
    start.prepare = [uid, &ranges]() -> const char* {
      for (const char* file : {"/etc/subuid", "/etc/subgid"}) {
        if (ranges.empty()) break;
        if (unshare(CLONE_NEWNS) < 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) < 0)
          return "unshare";
        if (mount(ranges.c_str(), file, nullptr, MS_BIND, nullptr) < 0) return "mount";
      }
      return setgroups(0, nullptr) == 0 && setresgid(uid, uid, uid) == 0 && setresuid(uid, uid, uid) == 0
                 ? nullptr
                 : "become a user";
    };
    return run(start);
  }
  std::string layer_of_three_owners() {
    TarEntry web = file_entry("web"), null = file_entry("null"), closed = directory_entry("closed", 0);
    web.uid = 33, web.gid = 34;
    null.type = EntryType::character, null.device_major = 1, null.device_minor = 3;
    return TarMaker().file("root").add(web).add(null).add(closed).file("closed/in").done();
  }
};

TEST_F(OrdinaryUser, HasAllFilesWhereNothingMapsMore) {
  layout({{layer_of_three_owners()}}, R"({"User":"33"})");
  Ended ended = unpack_as(54321, "/nowhere");
  ASSERT_EQ(ended.status, 0) << ended.errors;
  EXPECT_NE(ended.errors.find("all files belong to you"), std::string::npos) << ended.errors;
  EXPECT_NE(ended.errors.find("device nodes are left out, which root alone can make (1): null"), std::string::npos)
      << ended.errors;
  EXPECT_NE(ended.errors.find("the image's user is 33:0, which is not mapped"), std::string::npos) << ended.errors;
  auto tree = list_tree(rootfs());
  EXPECT_NE(tree["web"].find(" 54321:54321 "), std::string::npos) << tree["web"];
  EXPECT_FALSE(tree.contains("null"));
  EXPECT_TRUE(tree.contains("closed/in")) << "a directory of mode 0 is filled nonetheless";
  EXPECT_NE(read(bundle() + "/config.json").find("\"hostID\": 54321"), std::string::npos);
}

TEST_F(OrdinaryUser, HasTheIdsOfItsRanges) {
  constexpr uid_t kNobody = 65534;  // newuidmap(1) looks its caller up in /etc/passwd
  for (const char* needed : {"/usr/bin/newuidmap", "/etc/subuid", "/etc/subgid"})
    if (access(needed, F_OK) != 0) GTEST_SKIP() << "no newuidmap with its files";
  layout({{layer_of_three_owners()}}, R"({"User":"33"})");
  work_.write("image/ranges", "nobody:200000:65536\n");
  Ended ended = unpack_as(kNobody, "/usr/bin", work_.path("image/ranges"));
  ASSERT_EQ(ended.status, 0) << ended.errors;
  EXPECT_EQ(ended.errors.find("all files belong to you"), std::string::npos) << ended.errors;
  auto tree = list_tree(rootfs());
  EXPECT_NE(tree["web"].find(" 200032:200033 "), std::string::npos) << tree["web"];
  EXPECT_NE(tree["root"].find(" 65534:65534 "), std::string::npos) << tree["root"];
  EXPECT_NE(read(bundle() + "/config.json").find("\"hostID\": 200000"), std::string::npos);
}

TEST_F(OrdinaryUser, LeavesNothingEither) {
  layout({{layer_of_three_owners()}, {TarMaker().file("..").done()}});
  EXPECT_EQ(unpack_as(54321, "/nowhere").status, 1);
}

TEST(CommandLineTest, BadWordsAreNamed) {
  auto error = [](const std::vector<std::string>& words) {
    auto line = parse_command_line(words);
    return line.ok() ? "good" : line.error().message;
  };
  EXPECT_EQ(error({"a", "b"}), "good");
  EXPECT_EQ(error({"--max-size=1g", "a", "--image", "x", "b"}), "good");
  EXPECT_EQ(error({"--", "-a", "-b"}), "good");
  EXPECT_EQ(error({"a"}), "takes two arguments, IMAGE and BUNDLE: found 1 (minirun-unpack --help)");
  EXPECT_EQ(error({"--what", "a", "b"}), "unknown option \"--what\" (minirun-unpack --help)");
  EXPECT_EQ(error({"a", "b", "--image"}), "--image takes a value: NAME[:TAG]");
  EXPECT_EQ(error({"--help=1"}), "--help takes no value");
  EXPECT_EQ(error({"--image=", "a", "b"}), "--image: must be the name of an image");
  EXPECT_EQ(error({"--platform", "x", "a", "b"}),
            "--platform: must be OS/ARCH or OS/ARCH/VARIANT, for example linux/arm64: found \"x\"");
  for (const char* size : {"--max-size", "--max-entry-size", "--max-json"})
    for (const char* bad : {"", "x", "0", "-1", "1q"})
      EXPECT_EQ(error({size, bad, "a", "b"}).find(std::string(size) + ": "), 0u) << bad;
  for (const char* count : {"--max-entries", "--max-ratio", "--max-layers"})
    for (const char* bad : {"", "x", "0", "-1", "1k", "99999999999999999999"})
      EXPECT_EQ(error({count, bad, "a", "b"}),
                std::string(count) + ": must be a number above 0: found \"" + bad + "\"");
}

TEST(CommandLineTest, HelpNamesEachOption) {
  std::string help = help_text();
  for (const OptionEntry& option : option_entries()) EXPECT_NE(help.find(option.spellings[0]), std::string::npos);
  Ended printed = run(start_of({built_program(), "--help"}));
  EXPECT_EQ(printed.status, 0);
  EXPECT_EQ(printed.out, help);
  EXPECT_EQ(run(start_of({built_program(), "--version"})).out.find("minirun-unpack version "), 0u);
}

}  // namespace
}  // namespace minirun::unpack::testing
