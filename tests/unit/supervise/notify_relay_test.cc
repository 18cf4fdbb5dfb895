// SPDX-License-Identifier: Apache-2.0
#include "runtime/supervise/notify_relay.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "runtime/commands/notify_wait.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/compile/compile_fixture.h"

namespace minirun {
namespace {

TEST(RelayedNotification, IsReadinessAndStatusAlone) {
  EXPECT_EQ(relayed_notification("READY=1", 0), "READY=1");
  EXPECT_EQ(relayed_notification("READY=1\n", 7), "READY=1\nMAINPID=7");
  EXPECT_EQ(relayed_notification("STATUS=a\nMAINPID=1\nREADY=1\nSTATUS=b", 7), "READY=1\nMAINPID=7\nSTATUS=b");
  EXPECT_EQ(relayed_notification("STATUS=", 7), "STATUS=") << "as sd_notify(3) clears it";
  EXPECT_EQ(relayed_notification("STATUS=gr\xc3\xb6\xc3\x9f"
                                 "er",
                                 7),
            "STATUS=gr\xc3\xb6\xc3\x9f"
            "er");
  for (const char* other : {"", "\n", "READY=0", "READY=11", " READY=1", "READY=1 ", "MAINPID=1", "FDSTORE=1", "STATUS",
                            "BARRIER=1", "STATUS=a\x1b[2J", "STATUS=\x7f",
                            "STATUS=\xc2\x9b"
                            "2J",
                            "STATUS=\x9b"
                            "2J",
                            "STOPPING=1\nWATCHDOG=1"})
    EXPECT_EQ(relayed_notification(other, 7), "") << other;
  EXPECT_EQ(relayed_notification(std::string_view("STATUS=a\0b", 10), 7), "");
  // Never more than systemd reads at once.
  std::string longest = "STATUS=" + std::string(4096 - 7, 'x');
  EXPECT_EQ(relayed_notification(longest, 7), "") << "with the newline before it";
  longest.pop_back();
  EXPECT_EQ(relayed_notification(longest, 7), longest);
  EXPECT_EQ(relayed_notification("READY=1\n" + longest, 7), "READY=1\nMAINPID=7");
}

class CompileNotify : public CompileTest {};

TEST_F(CompileNotify, DirectoryIsMountedReadOnlyOverAllOthers) {
  options.notify = true;
  spec.mounts = {mount_of("/run", "tmpfs", "tmpfs", {})};
  spec.process->env = {"NOTIFY_SOCKET=/host", "HOME=/"};
  auto all = lines();
  expect_order(all, {"mount tmpfs on /run", "bind the notify directory on /run/notify (ro,nosuid,nodev,noexec"});
  std::string data(compiled.plan.data.begin(), compiled.plan.data.end());
  EXPECT_NE(data.find(std::string("NOTIFY_SOCKET=/run/notify/notify.sock\0", 38)), std::string::npos);
  EXPECT_EQ(data.find("NOTIFY_SOCKET=/host"), std::string::npos);
  EXPECT_TRUE(compiled.notify);
  options.notify = false;
  EXPECT_EQ(find(lines(), "bind the notify directory"), -1);
  data.assign(compiled.plan.data.begin(), compiled.plan.data.end());
  EXPECT_NE(data.find("NOTIFY_SOCKET=/host"), std::string::npos) << "the config's is the caller's business";
}

TEST(ReachableNotifySocket, IsOneThatSomebodyListensAt) {
  UniqueFd listener(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = "@minirun-test-" + std::to_string(getpid());
  name.copy(address.sun_path, name.size());
  address.sun_path[0] = 0;
  socklen_t size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(reachable_notify_socket(name).value(), name);
  listener.reset();
  EXPECT_EQ(reachable_notify_socket(name).value(), "");
  for (const char* none : {"", "relative", "@", "/", "vsock:2:1", "/nowhere/at/all"})
    EXPECT_EQ(reachable_notify_socket(none).value(), "") << none;
}

}  // namespace
}  // namespace minirun
