// SPDX-License-Identifier: Apache-2.0
// Terminals that are none: whatever the container has at /dev/pts, minirun and its caller get a terminal of the
// kernel's or nothing.
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tests/attacks/attack.h"
#include "tests/support/fault_console.h"
#include "tests/support/fuse_server.h"

namespace minirun::testing {
namespace {

constexpr uint64_t kPtmx = 2;  // its node

// A file "ptmx" that takes every ioctl of a terminal, and says that its peer is the descriptor with this number.
void answer_as_terminal(const FuseRequest& request, int32_t peer) {
  switch (request.header.opcode) {
    case FUSE_LOOKUP: {
      if (strcmp(request.body, "ptmx") != 0) return request.answer(-ENOENT);
      fuse_entry_out out{};
      out.nodeid = kPtmx;
      out.attr = FuseRequest::attributes(kPtmx, S_IFREG | 0666);
      return request.answer(0, &out, sizeof out);
    }
    case FUSE_GETATTR: {
      fuse_attr_out out{};
      out.attr = FuseRequest::attributes(kPtmx, S_IFREG | 0666);
      return request.answer(0, &out, sizeof out);
    }
    case FUSE_OPEN: {
      fuse_open_out out{};
      out.open_flags = FOPEN_DIRECT_IO;
      return request.answer(0, &out, sizeof out);
    }
    case FUSE_IOCTL: {
      fuse_ioctl_in in{};
      memcpy(&in, request.body, sizeof in);
      fuse_ioctl_out out{};
      if (in.cmd == TIOCGPTPEER) out.result = peer;
      return request.answer(0, &out, sizeof out);
    }
    case FUSE_RELEASE:
    case FUSE_FLUSH:
      return request.answer(0);
    case FUSE_FORGET:
    case FUSE_INTERRUPT:
      return;
    default:
      return request.answer(-ENOSYS);
  }
}

class FalseTerminal : public Attack {
 protected:
  // A folder of the host's is the container's /dev/pts.
  void bind_over_pts(Bundle& bundle, const std::string& folder) {
    for (auto& mount : bundle.config["mounts"])
      if (mount["destination"] == "/dev/pts")
        mount = {{"destination", "/dev/pts"}, {"type", "bind"}, {"source", folder}, {"options", {"bind"}}};
  }
  // By run, both ways, and by exec into a container that has none itself.
  void expect_no_terminal(const std::string& folder) {
    for (bool user : {false, true}) {
      Bundle bundle;
      bind_over_pts(bundle, folder);
      if (user) bundle.add_user_namespace();
      bundle.config["process"]["terminal"] = true;
      bundle.payload({"print", "it runs"});
      expect_refused(run(bundle), {"/process/terminal", "/dev/pts"});
      Console console;
      expect_refused(run(bundle, {"--detach", "--console-socket", Console::kPath}), {"/process/terminal", "/dev/pts"});
      EXPECT_EQ(console.text(), "");
      EXPECT_EQ(console.count(), 0u);
      bundle.config["process"]["terminal"] = false;
      start(bundle);
      Outcome outcome = exec({"--tty"}, {"/bin/payload", "print", "it runs"});
      EXPECT_EQ(outcome.code, 255) << describe(outcome);
      EXPECT_EQ(outcome.out, "");
      outcome = exec({"--tty", "--detach", "--console-socket", Console::kPath}, {"/bin/payload", "print", "it runs"});
      EXPECT_EQ(outcome.code, 255) << describe(outcome);
      EXPECT_EQ(console.count(), 0u);
      end();
    }
  }
};

TEST_F(FalseTerminal, OfAServerThatAnswersEveryRequest) {
  if (!FuseServer::is_possible()) GTEST_SKIP() << "no FUSE";
  const std::string folder = std::string(kHost) + "/folder";
  // The peer's number is one of the init's own descriptors: its socket, its root, its stdio.
  for (int32_t peer : {0, 3, 4, 5, 6, 7, 8}) {
    FuseServer server(folder, [peer](const FuseRequest& request) { answer_as_terminal(request, peer); });
    expect_no_terminal(folder);
  }
}

TEST_F(FalseTerminal, OfAnyOtherKindOfFile) {
  const std::string folder = "/run/tests/false pts", ptmx = folder + "/ptmx";
  make_folders(folder);
  write_new_file(ptmx, "", 0666);
  expect_no_terminal(folder);
  ASSERT_EQ(unlink(ptmx.c_str()), 0);
  ASSERT_EQ(mkfifo(ptmx.c_str(), 0666), 0);
  expect_no_terminal(folder);
  ASSERT_EQ(unlink(ptmx.c_str()), 0);
  ASSERT_EQ(symlink("/dev/tty", ptmx.c_str()), 0);
  expect_no_terminal(folder);
  remove_tree(folder);
}

// The kernel's, but another one than that of the devpts it is found in: that is the host's, here.
TEST_F(FalseTerminal, OfAnotherDevpts) {
  const std::string folder = "/run/tests/false pts", other = "/run/tests/other pts";
  for (const std::string& pts : {folder, other}) {
    make_folders(pts);
    ASSERT_EQ(mount("devpts", pts.c_str(), "devpts", 0, "ptmxmode=0666"), 0);
  }
  ASSERT_EQ(mount((other + "/ptmx").c_str(), (folder + "/ptmx").c_str(), nullptr, MS_BIND, nullptr), 0);
  for (bool user : {false, true}) {
    Bundle bundle;
    bind_over_pts(bundle, folder);
    for (auto& mount : bundle.config["mounts"])
      if (mount["destination"] == "/dev/pts") mount["options"] = {"rbind"};
    if (user) bundle.add_user_namespace();
    bundle.config["process"]["terminal"] = true;
    bundle.payload({"print", "it runs"});
    expect_refused(run(bundle), {"/process/terminal", "/dev/pts"});
  }
  EXPECT_EQ(umount2((folder + "/ptmx").c_str(), 0), 0);
  for (const std::string& pts : {folder, other}) {
    EXPECT_EQ(umount2(pts.c_str(), 0), 0);
    remove_tree(pts);
  }
}

}  // namespace
}  // namespace minirun::testing
