// SPDX-License-Identifier: Apache-2.0
// Five images that buildah builds, unpacked by umoci too: both trees are equal in every byte, and the figures are
// printed.
#include <sys/resource.h>
#include <sys/xattr.h>

#include "tests/unpack/fixture.h"

namespace minirun::unpack::testing {
namespace {

// Each is one layer for each line; the working directory is the root of the image.
struct BuiltImage {
  const char* name;
  std::vector<const char*> layers;
};

const BuiltImage kImages[] = {
    {"plain",
     {"mkdir -p bin etc && cp /bin/busybox bin/busybox 2>/dev/null || cp /bin/true bin/true; echo hello >etc/motd"}},
    {"whiteouts",
     {"mkdir -p d/tree/deep e && echo a >d/a && echo b >d/b && echo c >d/tree/deep/c && echo e >e/e && ln -s d/a link",
      "rm -r d/a d/tree e link", "mkdir d/tree && echo new >d/tree/new && echo a2 >d/a"}},
    {"replaced",
     {"mkdir -p dir/sub && echo 1 >dir/sub/x && echo 2 >file && ln -s dir todir",
      "rm -r dir/sub && mkdir dir/sub && echo new >dir/sub/y",
      "rm -r dir file todir && echo now >dir && mkdir file && echo in >file/in && mkdir todir"}},
    {"metadata",
     {"echo x >file && chmod 4755 file && chown 12:34 file && touch -d '2001-02-03 04:05:06.123456789' file && "
      "cp file capable && echo z >noted && "
      "ln file hard && ln -s /nowhere soft && chown -h 5:6 soft && mkdir -m 1777 tmp && mkdir -m 2750 group && chgrp "
      "77 group",
      "mknod null c 1 3 && mknod disk b 7 99 && mkfifo fifo && chmod 600 fifo && ln file hard2"}},
    {"many",
     {"for i in $(seq 40); do mkdir -p usr/d$i && for j in $(seq 50); do echo $i $j >usr/d$i/f$j; done; done; "
      "head -c 30000000 /dev/urandom >blob; head -c 30000000 /dev/zero >zeros",
      "rm -r usr/d7 && for j in $(seq 50); do echo again >usr/d8/f$j; done"}},
};

struct Measured {
  Ended ended;
  double seconds = 0;
  long peak_kib = 0;
};

// GNU time is no part of Debian's base: the shell's child is the only one, and wait4(2) knows it.
Measured measure(const std::vector<std::string>& argv) {
  auto start = std::chrono::steady_clock::now();
  pid_t pid = fork();
  if (pid == 0) {
    std::vector<char*> words;
    for (const std::string& word : argv) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    execv(words[0], words.data());
    _exit(127);
  }
  struct rusage usage {};
  int status = 0;
  EXPECT_EQ(wait4(pid, &status, 0, &usage), pid);
  std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  return {{WIFEXITED(status) ? WEXITSTATUS(status) : -1, "", ""}, took.count(), usage.ru_maxrss};
}

class Umoci : public UnpackTest {
 protected:
  void SetUp() override {
    UnpackTest::SetUp();
    expected_ = {"built", "umoci", "storage", "run", "tmp"};
    work_.make_directory("tmp");
    for (const char* needed : {"/usr/bin/buildah", "/usr/bin/umoci"})
      if (access(needed, X_OK) != 0) GTEST_SKIP() << "no buildah and umoci";
  }
  std::vector<std::string> buildah(std::vector<std::string> words) {
    std::vector<std::string> argv = {
        "/usr/bin/buildah", "--root", work_.path("storage"), "--runroot", work_.path("run"), "--storage-driver", "vfs"};
    argv.insert(argv.end(), words.begin(), words.end());
    return argv;
  }
  std::string say(const std::vector<std::string>& words) {
    // Without this machine's own settings, which another buildah may be for.
    ProgramStart start = start_of(buildah(words));
    start.environment.push_back("CONTAINERS_CONF=/dev/null");
    start.environment.push_back("TMPDIR=" + work_.path("tmp"));
    Ended ended = run(start);
    EXPECT_EQ(ended.status, 0) << fmt::format("{}", fmt::join(words, " ")) << ended.errors;
    return ended.out.substr(0, ended.out.find('\n'));
  }
  // Debian's base has no program for them.
  static void add_attributes(const std::string& root) {
    const std::string capability("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);  // cap_net_raw=ep, revision 2
    (void)setxattr((root + "/capable").c_str(), "security.capability", capability.data(), capability.size(), 0);
    (void)setxattr((root + "/noted").c_str(), "user.note", "a", 1, 0);  // both are files of one image alone
  }
  // buildah commits a container for each layer, as a Dockerfile does.
  void build(const BuiltImage& image) {
    std::string from = "scratch", name;
    for (const char* layer : image.layers) {
      std::string container = say({"from", "--pull-never", from});
      std::string root = say({"mount", container});
      // The script removes files by relative names: it must stand in the mounted root and nowhere else.
      ASSERT_TRUE(root.starts_with(work_.path("storage"))) << root;
      Ended filled = run(start_of({"/bin/sh", "-ec", std::string("cd \"$1\"\n") + layer, "sh", root}));
      ASSERT_EQ(filled.status, 0) << image.name << filled.errors;
      add_attributes(root);
      say({"config", "--cmd", "/bin/true", "--user", "12:34", "--label", "layer=x", container});
      say({"umount", container});
      from = std::string("localhost/") + image.name;
      say({"commit", "--quiet", "--rm", container, from});
    }
    say({"push", "--quiet", from, "oci:" + work_.path("built") + ":" + image.name});
  }
};

TEST_F(Umoci, MakesTheSameTrees) {
  for (const BuiltImage& image : kImages) {
    build(image);
    if (HasFatalFailure()) return;
    Measured theirs =
        measure({"/usr/bin/umoci", "unpack", "--image", work_.path("built") + ":" + image.name, work_.path("umoci")});
    ASSERT_EQ(theirs.ended.status, 0) << image.name;
    Measured ours = measure({built_program(), "--image", image.name, work_.path("built"), bundle()});
    ASSERT_EQ(ours.ended.status, 0) << image.name;
    EXPECT_EQ(difference(list_tree(work_.path("umoci/rootfs")), list_tree(rootfs())), "") << image.name;
    if (std::string_view("metadata") == image.name) {
      EXPECT_NE(list_tree(rootfs())["capable"].find("security.capability=01"), std::string::npos);
    }
    printf("umoci: %s: %zu files, minirun-unpack %.3f s %ld KiB, umoci %.3f s %ld KiB\n", image.name,
           list_tree(rootfs()).size(), ours.seconds, ours.peak_kib, theirs.seconds, theirs.peak_kib);
    std::filesystem::remove_all(bundle());
    std::filesystem::remove_all(work_.path("umoci"));
  }
  // The others of buildah's transports hold the same.
  say({"push", "--quiet", "localhost/whiteouts",
       "docker-archive:" + work_.path("built/docker.tar") + ":localhost/whiteouts:1"});
  say({"push", "--quiet", "localhost/whiteouts", "oci-archive:" + work_.path("built/oci.tar") + ":whiteouts"});
  ASSERT_EQ(measure({"/usr/bin/umoci", "unpack", "--image", work_.path("built") + ":whiteouts", work_.path("umoci")})
                .ended.status,
            0);
  for (const char* archive : {"built/docker.tar", "built/oci.tar"}) {
    ASSERT_EQ(measure({built_program(), work_.path(archive), bundle()}).ended.status, 0);
    EXPECT_EQ(difference(list_tree(work_.path("umoci/rootfs")), list_tree(rootfs())), "") << archive;
    std::filesystem::remove_all(bundle());
  }
}

}  // namespace
}  // namespace minirun::unpack::testing
